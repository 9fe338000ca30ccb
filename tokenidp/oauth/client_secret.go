package oauth

import (
	"context"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// guess is a secret that a client presents.
type guess struct {
	set     *application.Set
	app     *application.Application // nil where there is a reason why there is none
	reason  Reason
	method  Method
	secret  string
	attempt *attempt
	tested  bool // and counted, by a comparison that did not match
}

// bySecret authenticates a client by its secret (RFC 6749 section 2.3.1). A correct
// generated secret is never limited, because its 256 random bits cannot be guessed. A text
// that cannot be a secret is not counted. All other attempts take the same path, whether
// the client exists or not.
func (a *Authenticator) bySecret(ctx context.Context, g *guess) (*Client, *Error) {
	start := a.now()
	form := secret.Classify(g.secret)
	switch {
	case g.secret == "":
		return nil, refuse(firstReason(g.reason, ReasonNoCredentials), nil)
	case form == secret.Mistyped:
		return nil, refuse(firstReason(g.reason, ReasonMistypedSecret), nil)
	}
	client, compared := g.compare(start)
	if client != nil && form == secret.Generated {
		return client, nil
	}
	byClient, bySource := g.attempt.limited(start)
	if byClient > 0 {
		return nil, tooManyFailures(max(byClient, bySource))
	}
	if form == secret.Chosen && compared {
		if g.tested = g.attempt.tests(client != nil, start); g.tested && client != nil {
			return client, nil
		}
	}
	if bySource > 0 {
		return a.guessUnseen(ctx, g, start, bySource)
	}
	return a.guessInTurn(ctx, g)
}

// compare checks the secret without a slow hash. It also reports whether there was a
// hash of a chosen secret to compare with.
func (g *guess) compare(now time.Time) (client *Client, compared bool) {
	if g.app == nil {
		return nil, false
	}
	if matched, match := g.app.Secrets.CheckFast(g.secret, now); match == secret.Matched {
		return g.accept(matched), true
	}
	return nil, g.app.Secrets.Remembers(now)
}

// accept checks at the end that the method is the registered one (RFC 7591 section 2), so
// that only a caller with a valid secret learns which one is.
func (g *guess) accept(matched *secret.Secret) *Client {
	if !g.app.Accepts(string(g.method)) {
		return nil
	}
	return &Client{Application: g.app, Method: g.method, Secret: matched}
}

// guessInTurn is for a caller within the limit of its source. It waits for a turn to
// compute the slow hash, even if there is no hash to compute.
func (a *Authenticator) guessInTurn(ctx context.Context, g *guess) (*Client, *Error) {
	turn := a.turns.begin(a, g, true)
	select {
	case <-turn.done:
		return a.conclude(g, turn.outcome)
	case <-ctx.Done():
		return nil, Unavailable(ReasonHashingBusy, nil)
	}
}

// guessUnseen is for a caller beyond the limit of its source. A correct secret is
// accepted. Otherwise the answer is the limit, after the minimum time, whether a secret
// was tested or not. A test that takes longer continues, and its result is cached.
func (a *Authenticator) guessUnseen(ctx context.Context, g *guess, start time.Time, wait time.Duration) (*Client, *Error) {
	ctx, found := context.WithCancel(ctx)
	defer found()
	right := make(chan *Client, 1)
	if g.app != nil && len(g.app.Secrets) > 0 {
		turn := a.turns.begin(a, g, false)
		go func() {
			<-turn.done
			if client, _ := a.conclude(g, turn.outcome); client != nil {
				right <- client
				found()
			}
		}()
	}
	a.sleep(ctx, g.set.AuthenticationFloor()-a.now().Sub(start))
	select {
	case client := <-right:
		return client, nil
	default:
		g.attempt.failsUnseen(start)
		return nil, tooManyFailures(wait)
	}
}

// conclude takes back the count of the comparison if the guess is correct.
func (a *Authenticator) conclude(g *guess, o outcome) (*Client, *Error) {
	if o.client == nil {
		return nil, o.refusal
	}
	if g.tested {
		g.attempt.succeeded(a.now(), 0, 1)
	}
	return o.client, nil
}
