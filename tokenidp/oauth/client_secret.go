package oauth

import (
	"context"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// hashingWait bounds how long a request waits for its turn to hash.
const hashingWait = 2 * time.Second

// bySecret authenticates a client by its secret (RFC 6749 section 2.3.1). It follows
// one path for every request: the same fast comparison, and a turn at the slow hash
// even where there is none to compute. The Application is nil where there is a
// reason why there is none.
func (a *Authenticator) bySecret(ctx context.Context, set *application.Set, app *application.Application, reason Reason, c Credentials, attempt *attempt) (*Client, *Error) {
	if app != nil {
		if matched, match := app.Secrets.CheckFast(c.Secret, a.now()); match == secret.Matched {
			return a.accept(&Client{Application: app, Method: c.Method, Secret: matched}, attempt)
		}
	}
	switch {
	case c.Secret == "":
		return a.refuse(firstReason(reason, ReasonNoCredentials), attempt)
	case secret.Classify(c.Secret) == secret.Mistyped:
		return a.refuse(firstReason(reason, ReasonMistypedSecret), attempt)
	}
	release, ok := a.turn(ctx)
	if !ok {
		attempt.failed(a.now())
		return nil, unavailable(ReasonHashingBusy, nil)
	}
	defer release()
	start := a.now()
	// Others had their turns meanwhile: the limit may be reached by now.
	if wait := attempt.limited(start); wait > 0 {
		return nil, tooManyFailures(wait)
	}
	if app != nil {
		matched, ok := app.Secrets.CheckSlow(c.Secret, start)
		if ok {
			return a.accept(&Client{Application: app, Method: c.Method, Secret: matched}, attempt)
		}
		reason = ReasonWrongSecret
		if _, expired := app.Secrets.ExpiredMatch(c.Secret, start); expired {
			reason = ReasonExpiredSecret
		}
	}
	// The turn lasts as long with a hash as without one: those who wait in line
	// would else tell the one from the other.
	a.sleep(ctx, set.HashingTime()-a.now().Sub(start))
	return a.refuse(reason, attempt)
}

// turn waits for a slot in which a slow hash may be computed.
func (a *Authenticator) turn(ctx context.Context) (release func(), ok bool) {
	release = func() { <-a.hashing }
	select {
	case a.hashing <- struct{}{}:
		return release, true
	default:
	}
	timer := time.NewTimer(a.waiting)
	defer timer.Stop()
	select {
	case a.hashing <- struct{}{}:
		return release, true
	case <-timer.C:
		return nil, false
	case <-ctx.Done():
		return nil, false
	}
}
