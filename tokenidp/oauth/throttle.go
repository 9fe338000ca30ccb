package oauth

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// The limits of failed authentications (RFC 6749 section 2.3.1). One source has
// a small number for one client, and a larger one over all clients. No limit is
// shared between sources: nobody can lock out a client from elsewhere.
const (
	failuresPerClient = 10
	failuresPerSource = 60
	failureWindow     = time.Minute

	// maxTracked bounds the memory for each of the two; the least recently
	// seen is forgotten.
	maxTracked = 1 << 16
	// maxTrackedID is the longest client id that is told apart: no registered
	// one is longer.
	maxTrackedID = 255
)

// Throttle limits failed authentications. Its memory is bounded whatever comes.
type Throttle struct {
	mu      sync.Mutex
	pairs   *lru.Cache[pair, *record]
	sources *lru.Cache[netip.Prefix, *rate.Limiter]
}

// pair is a client as one source claims it, rightly or not.
type pair struct {
	clientID string
	source   netip.Prefix
}

type record struct {
	failures *rate.Limiter
	proven   bool // the source once authenticated as this client
}

// NewThrottle makes an empty Throttle.
func NewThrottle() *Throttle {
	pairs, err := lru.New[pair, *record](maxTracked)
	if err != nil {
		panic(err) // a constant size that is positive
	}
	sources, err := lru.New[netip.Prefix, *rate.Limiter](maxTracked)
	if err != nil {
		panic(err)
	}
	return &Throttle{pairs: pairs, sources: sources}
}

// attempt is one authentication under way.
type attempt struct {
	throttle *Throttle
	pair     pair
	counted  bool // as a failure
}

func (t *Throttle) attempt(clientID string, source netip.Addr) *attempt {
	if len(clientID) > maxTrackedID {
		clientID = ""
	}
	return &attempt{throttle: t, pair: pair{clientID: clientID, source: network(source)}}
}

// network is what one party controls: an IPv4 address, or an IPv6 /64.
func network(source netip.Addr) netip.Prefix {
	source = source.Unmap().WithZone("")
	bits := source.BitLen()
	if source.Is6() {
		bits = 64
	}
	prefix, err := source.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // an invalid address: one source among others
	}
	return prefix
}

// limited tells whether the attempt must wait, and how long. A source that has
// proven to be the client is not held to what others behind its address did.
func (a *attempt) limited(now time.Time) (time.Duration, bool) {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	var wait time.Duration
	record, known := t.pairs.Get(a.pair)
	if known {
		wait = untilToken(record.failures, now)
	}
	if known && record.proven {
		return wait, wait > 0
	}
	if source, ok := t.sources.Get(a.pair.source); ok {
		wait = max(wait, untilToken(source, now))
	}
	return wait, wait > 0
}

func untilToken(l *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - l.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / float64(l.Limit()) * float64(time.Second))
}

// failed counts the attempt as a failure, once however often it is told.
func (a *attempt) failed(now time.Time) {
	if a.counted {
		return
	}
	a.counted = true
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	source, ok := t.sources.Get(a.pair.source)
	if !ok {
		source = newLimiter(failuresPerSource)
		t.sources.Add(a.pair.source, source)
	}
	source.AllowN(now, 1)
	t.record(a.pair).failures.AllowN(now, 1)
}

func (a *attempt) succeeded() {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	t.record(a.pair).proven = true
}

func (t *Throttle) record(p pair) *record {
	if r, ok := t.pairs.Get(p); ok {
		return r
	}
	// The id is a part of the request, and would keep all of it in memory.
	p.clientID = strings.Clone(p.clientID)
	r := &record{failures: newLimiter(failuresPerClient)}
	t.pairs.Add(p, r)
	return r
}

func newLimiter(failures int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(failures)/failureWindow.Seconds()), failures)
}

func tooManyFailures(wait time.Duration) *Error {
	return &Error{
		Status:      http.StatusTooManyRequests,
		Code:        CodeTemporarilyUnavailable,
		Description: "too many failed authentications; try again later",
		RetryAfter:  wait,
		Reason:      ReasonTooManyFailures,
	}
}
