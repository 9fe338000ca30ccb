package oauth

import (
	"context"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// guess is a secret that a client presents, right or not.
type guess struct {
	set     *application.Set
	app     *application.Application // nil where there is a reason why there is none
	reason  Reason
	method  Method
	secret  string
	attempt *attempt
	tested  bool // and counted, by a comparison that did not match
}

// bySecret authenticates a client by its secret (RFC 6749 section 2.3.1). A generated
// secret has 256 random bits, which nobody guesses: the right one is never limited. What
// cannot be a secret of anybody tests nothing, and is not counted. Everything else takes
// one path, whoever the client is.
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

// compare finds the secret without a slow hash, and reports whether there was anything
// to compare a chosen one with.
func (g *guess) compare(now time.Time) (client *Client, compared bool) {
	if g.app == nil {
		return nil, false
	}
	if matched, match := g.app.Secrets.CheckFast(g.secret, now); match == secret.Matched {
		return g.accept(matched), true
	}
	return nil, g.app.Secrets.Remembers(now)
}

// accept asks last whether the method is the registered one (RFC 7591 section 2): a
// caller who cannot authenticate does not learn which one is.
func (g *guess) accept(matched *secret.Secret) *Client {
	if !g.app.Accepts(string(g.method)) {
		return nil
	}
	return &Client{Application: g.app, Method: g.method, Secret: matched}
}

// guessInTurn is for a caller who may see whether the guess was wrong. He waits for a
// turn at the slow hash, also where there is none to compute.
func (a *Authenticator) guessInTurn(ctx context.Context, g *guess) (*Client, *Error) {
	turn := a.turns.begin(a, g, true)
	select {
	case <-turn.done:
		return a.conclude(g, turn.outcome)
	case <-ctx.Done():
		return nil, Unavailable(ReasonHashingBusy, nil)
	}
}

// guessUnseen is for a caller beyond the limit of his source. If the guess is right, he
// gets in, and else he sees the limit, at the floor, whether anything was tested or not.
// What takes longer goes on, and is remembered.
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

// conclude gives back what the comparison counted, if the guess is right.
func (a *Authenticator) conclude(g *guess, o outcome) (*Client, *Error) {
	if o.client == nil {
		return nil, o.refusal
	}
	if g.tested {
		g.attempt.succeeded(a.now(), 0, 1)
	}
	return o.client, nil
}
