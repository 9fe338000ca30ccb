package oauth

import (
	"context"
	"net/netip"
	"runtime"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// hashingWait bounds how long a request waits for its turn to hash.
const hashingWait = 2 * time.Second

// Authenticator authenticates clients against a set of Applications. Whatever
// is wrong, the caller sees one answer after one time; the operator sees the
// reason.
type Authenticator struct {
	throttle *Throttle
	hashing  chan struct{} // one slot a slow hash under way
	now      func() time.Time
	sleep    func(context.Context, time.Duration)
}

// NewAuthenticator makes an Authenticator. It spends at most half of the
// processors on slow hashes, so that guesses do not keep rightful clients from
// their tokens.
func NewAuthenticator() *Authenticator {
	return &Authenticator{
		throttle: NewThrottle(),
		hashing:  make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		now:      time.Now,
		sleep:    sleep,
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Client is an authenticated client: an Application, and the secret it used.
type Client struct {
	Application *application.Application
	Secret      *application.Secret
}

// Authenticate finds the Application of the credentials and checks that they
// are its own. Source is where the request came from. Every error is an *Error.
func (a *Authenticator) Authenticate(ctx context.Context, set *application.Set, c Credentials, source netip.Addr) (*Client, error) {
	start := a.now()
	attempt := a.throttle.attempt(c.ClientID, source)
	if wait := attempt.limited(start); wait > 0 {
		return nil, tooManyFailures(wait)
	}
	client, refusal := a.check(ctx, set, c, attempt)
	if refusal == nil {
		attempt.succeeded()
		return client, nil
	}
	if refusal.Code == CodeInvalidClient {
		// Hashes differ in cost, and an unknown client has none: the floor
		// hides what was computed. More hashing would not.
		a.sleep(ctx, set.AuthenticationFloor()-a.now().Sub(start))
	}
	return nil, refusal
}

// check follows one path for every request: the same look-up, the same fast
// comparison, and a turn at the slow hash even where there is none to compute.
// Whatever does not succeed counts as a failure: a guess is no less one when
// its caller gives up, or the server is busy.
func (a *Authenticator) check(ctx context.Context, set *application.Set, c Credentials, attempt *attempt) (*Client, *Error) {
	app, reason := find(set, c)
	if app != nil {
		if secret, match := app.CheckFast(c.Secret, a.now()); match == application.Matched {
			return a.accept(app, secret, c, attempt)
		}
	}
	switch {
	case c.Secret == "":
		return a.refuse(firstReason(reason, ReasonNoCredentials), attempt)
	case application.ClassifySecret(c.Secret) == application.Mistyped:
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
		secret, ok := app.CheckSlow(c.Secret, start)
		if ok {
			return a.accept(app, secret, c, attempt)
		}
		reason = ReasonWrongSecret
		if _, expired := app.ExpiredMatch(c.Secret, start); expired {
			reason = ReasonExpiredSecret
		}
	}
	// The turn lasts as long with a hash as without one: those who wait in line
	// would else tell the one from the other.
	a.sleep(ctx, set.HashingTime()-a.now().Sub(start))
	return a.refuse(reason, attempt)
}

func (a *Authenticator) refuse(reason Reason, attempt *attempt) (*Client, *Error) {
	attempt.failed(a.now())
	return nil, invalidClient(reason)
}

// find is the Application that the credentials name and may authenticate as,
// or the reason why there is none.
func find(set *application.Set, c Credentials) (*application.Application, Reason) {
	app, ok := set.Application(c.ClientID)
	switch {
	case !ok:
		return nil, ReasonUnknownClient
	case !app.Active:
		return nil, ReasonInactiveClient
	case c.Method == None:
		return nil, ReasonNoCredentials
	case c.Method != ClientSecretBasic && c.Method != ClientSecretPost:
		return nil, ReasonUnknownMethod
	default:
		return app, ""
	}
}

// accept asks last whether the method is the registered one (RFC 7591 section
// 2): a caller without the secret does not learn which one is.
func (a *Authenticator) accept(app *application.Application, secret *application.Secret, c Credentials, attempt *attempt) (*Client, *Error) {
	if app.TokenEndpointAuthMethod != "" && app.TokenEndpointAuthMethod != string(c.Method) {
		return a.refuse(ReasonUnregisteredMethod, attempt)
	}
	return &Client{Application: app, Secret: secret}, nil
}

func firstReason(reasons ...Reason) Reason {
	for _, r := range reasons {
		if r != "" {
			return r
		}
	}
	return ReasonInternal
}

// turn waits for a slot in which a slow hash may be computed.
func (a *Authenticator) turn(ctx context.Context) (release func(), ok bool) {
	release = func() { <-a.hashing }
	select {
	case a.hashing <- struct{}{}:
		return release, true
	default:
	}
	timer := time.NewTimer(hashingWait)
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
