package oauth

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// Authenticator authenticates clients against a set of Applications. For every failure the
// caller gets the same answer after the same time. Only the operator sees the reason.
type Authenticator struct {
	throttle   *Throttle
	turns      *turns
	hashing    chan struct{} // one slot a slow hash under way
	queue      *queue        // for a slot
	waiting    time.Duration // for a slot, at most
	assertions *Assertions   // nil accepts none
	now        func() time.Time
	sleep      func(context.Context, time.Duration)
}

// NewAuthenticator returns an Authenticator. It uses at most half of the processors for
// slow hashes, so that guesses do not block other clients.
func NewAuthenticator() *Authenticator {
	return &Authenticator{
		throttle: NewThrottle(),
		turns:    newTurns(),
		hashing:  make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		queue:    new(queue),
		waiting:  hashingWait,
		now:      time.Now,
		sleep:    sleep,
	}
}

// queue counts who waits for a slot.
type queue struct{ waiting atomic.Int64 }

// Health is how busy an Authenticator is.
type Health struct {
	// Hashing is how many slow hashes are computed now, and Waiting how many wait for that.
	Hashing, Waiting int
	// Sources is how many addresses have failed lately, so that they are limited sooner.
	Sources int
}

// Health returns how busy the Authenticator is.
func (a *Authenticator) Health() Health {
	return Health{Hashing: len(a.hashing), Waiting: int(a.queue.waiting.Load()), Sources: a.throttle.sources()}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Client is an authenticated client: an Application, and how it authenticated.
type Client struct {
	Application *application.Application
	Method      Method
	// Secret is the secret that it used, or nil.
	Secret *secret.Secret
	// KeyID is the kid of the key that signed its assertion, or the thumbprint (RFC 7638)
	// of a key without kid. It is empty without an assertion.
	KeyID string
	// FederatedIssuer is the issuer elsewhere whose token it used, and FederatedSubject
	// the sub of that token. Both are empty if it used none.
	FederatedIssuer, FederatedSubject string
}

// Authenticate returns the client of the credentials. source is the address of the caller.
// Every error is an *Error.
func (a *Authenticator) Authenticate(ctx context.Context, set *application.Set, c Credentials, source netip.Addr) (*Client, error) {
	start := a.now()
	attempt := a.throttle.attempt(c.ClientID, source)
	client, refusal := a.check(ctx, set, c, attempt)
	if refusal == nil {
		attempt.succeeded(start, 0, 0)
		return client, nil
	}
	if refusal.Code == CodeInvalidClient {
		// Hashes differ in cost, and an unknown client has none. A minimum time hides
		// this; more hashing would not.
		a.sleep(ctx, set.AuthenticationFloor()-a.now().Sub(start))
	}
	return nil, refusal
}

// check calls the method by which the client authenticates. Only secrets can be guessed,
// so only their attempts are limited.
func (a *Authenticator) check(ctx context.Context, set *application.Set, c Credentials, attempt *attempt) (*Client, *Error) {
	app, reason := find(set, c)
	if c.Method != None && provesCertificate(app, c.TLS, a.now()) {
		return nil, refuse(ReasonSeveralMethods, nil)
	}
	switch c.Method {
	case ClientSecretBasic, ClientSecretPost:
		return a.bySecret(ctx, &guess{set: set, app: app, reason: reason, method: c.Method, secret: c.Secret, attempt: attempt})
	case PrivateKeyJWT:
		return a.byAssertion(ctx, set.AuthenticationFloor(), app, reason, c.Assertion)
	case None:
		return a.byCertificate(app, reason, c)
	default:
		return nil, refuse(firstReason(reason, ReasonUnknownMethod), nil)
	}
}

// find returns the active Application that the credentials name, or the reason why there
// is none.
func find(set *application.Set, c Credentials) (*application.Application, Reason) {
	app, ok := set.Application(c.ClientID)
	switch {
	case !ok:
		return nil, ReasonUnknownClient
	case !app.Active:
		return nil, ReasonInactiveClient
	default:
		return app, ""
	}
}

// CannotAuthenticate returns the refusal of every token request of the Application, whatever
// it presents, or nil. Its cause says why in words.
func CannotAuthenticate(a *application.Application, now time.Time) *Error {
	valid := func(s *secret.Secret) bool { return s.ValidityAt(now) != secret.Expired }
	switch {
	case !a.Active:
		return refuse(ReasonInactiveClient, errors.New("it is deactivated"))
	case a.BySecret() && !slices.ContainsFunc(a.Secrets, valid):
		return refuse(ReasonExpiredSecret, errors.New("all its secrets have expired"))
	}
	return nil
}

func firstReason(reasons ...Reason) Reason {
	for _, r := range reasons {
		if r != "" {
			return r
		}
	}
	return ReasonInternal
}
