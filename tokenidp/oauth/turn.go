package oauth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// hashingWait bounds how long a guess waits for its turn.
const hashingWait = 2 * time.Second

// turns are the guesses that wait for a slow hash, or whose hash is computed. Equal
// concurrent guesses share one turn, so a client that sends many requests at its start
// waits for one hash. A turn continues when its callers are gone.
type turns struct {
	mu    sync.Mutex
	under map[turnKey]*turn
}

// turnKey has everything that the outcome depends on.
type turnKey struct {
	set    *application.Set
	pair   pair
	method Method
	secret secret.Tag
	seen   bool
}

func newTurns() *turns { return &turns{under: make(map[turnKey]*turn)} }

type turn struct {
	done    chan struct{} // closed when there is an outcome
	outcome outcome
}

// outcome is the result of a guess: the client, or the refusal. All callers of the turn
// share it.
type outcome struct {
	client  *Client
	refusal *Error
}

// begin returns the turn of an equal guess, or starts one. seen means that the caller sees
// the outcome.
func (t *turns) begin(a *Authenticator, g *guess, seen bool) *turn {
	key := turnKey{g.set, g.attempt.pair, g.method, secret.NewTag([]byte(g.secret)), seen}
	t.mu.Lock()
	defer t.mu.Unlock()
	under := t.under[key]
	if under == nil {
		under = &turn{done: make(chan struct{})}
		t.under[key] = under
		go t.take(a, g, key, under)
	}
	return under
}

// take runs the turn. It recovers from panics, because no request handler does so here.
func (t *turns) take(a *Authenticator, g *guess, key turnKey, under *turn) {
	defer func() {
		if p := recover(); p != nil {
			under.outcome = outcome{refusal: InternalError(fmt.Errorf("authenticating the client panicked: %v", p))}
		}
		t.mu.Lock()
		delete(t.under, key)
		t.mu.Unlock()
		close(under.done)
	}()
	under.outcome = a.takeTurn(g, key.seen)
}

// takeTurn tests the guess. It takes as long without a hash as with one, because waiting
// callers could measure the difference.
func (a *Authenticator) takeTurn(g *guess, seen bool) outcome {
	if !a.slot() {
		return outcome{refusal: Unavailable(ReasonHashingBusy, nil)}
	}
	defer func() { <-a.hashing }()
	start, counted := a.now(), 0
	if seen {
		// Other turns have ended meanwhile, so the limit may be reached by now.
		if wait := g.attempt.fails(start); wait > 0 {
			return outcome{refusal: tooManyFailures(wait)}
		}
		counted = 1
	}
	client, reason, tested := g.test(start)
	if client != nil {
		g.attempt.succeeded(a.now(), counted, tested)
		return outcome{client: client}
	}
	a.sleep(context.Background(), g.set.HashingTime()-a.now().Sub(start))
	return outcome{refusal: notAuthenticated.to(reason, nil)} // also for a secret that could not be tested
}

// test compares the guess again, because an equal one may have been correct meanwhile, and
// computes the slow hashes if one more test is allowed. A generated secret without a slow
// hash is not limited.
func (g *guess) test(now time.Time) (client *Client, reason Reason, tested int) {
	if g.app == nil || len(g.app.Secrets) == 0 {
		return nil, firstReason(g.reason, ReasonWrongSecret), 0
	}
	_, match := g.app.Secrets.CheckFast(g.secret, now)
	free := secret.Classify(g.secret) == secret.Generated && match != secret.Unknown
	if !g.tested && !free {
		if !g.attempt.tests(false, now) {
			return nil, ReasonTooManyFailures, 0
		}
		tested = 1
	}
	if matched, ok := g.app.Secrets.CheckSlow(g.secret, now); ok {
		return g.accept(matched), ReasonUnregisteredMethod, tested
	}
	if _, expired := g.app.Secrets.ExpiredMatch(g.secret, now); expired {
		return nil, ReasonExpiredSecret, tested
	}
	return nil, ReasonWrongSecret, tested
}

// slot waits for a slot to compute a slow hash. It returns false after hashingWait.
func (a *Authenticator) slot() bool {
	select {
	case a.hashing <- struct{}{}:
		return true
	default:
	}
	a.queue.waiting.Add(1)
	defer a.queue.waiting.Add(-1)
	timer := time.NewTimer(a.waiting)
	defer timer.Stop()
	select {
	case a.hashing <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}
