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
	sources *lru.Cache[netip.Prefix, *record]
}

// pair is a client as one source claims it, rightly or not.
type pair struct {
	clientID string
	source   netip.Prefix
}

type record struct {
	failures *rate.Limiter
	proven   bool // of a pair: the source once authenticated as this client
}

// NewThrottle makes an empty Throttle.
func NewThrottle() *Throttle {
	return &Throttle{pairs: newCache[pair](), sources: newCache[netip.Prefix]()}
}

func newCache[K comparable]() *lru.Cache[K, *record] {
	cache, err := lru.New[K, *record](maxTracked)
	if err != nil {
		panic(err) // a constant size that is positive
	}
	return cache
}

// attempt is one authentication under way.
type attempt struct {
	throttle     *Throttle
	pair, source *record
}

func (t *Throttle) attempt(clientID string, source netip.Addr) *attempt {
	if len(clientID) > maxTrackedID {
		clientID = ""
	}
	from := network(source)
	t.mu.Lock()
	defer t.mu.Unlock()
	return &attempt{
		throttle: t,
		// The id is a part of the request, and would keep all of it in memory.
		pair:   recordOf(t.pairs, pair{clientID: strings.Clone(clientID), source: from}, failuresPerClient),
		source: recordOf(t.sources, from, failuresPerSource),
	}
}

func recordOf[K comparable](cache *lru.Cache[K, *record], key K, failures int) *record {
	if r, ok := cache.Get(key); ok {
		return r
	}
	r := &record{failures: rate.NewLimiter(rate.Limit(float64(failures)/failureWindow.Seconds()), failures)}
	cache.Add(key, r)
	return r
}

// limited is how long the attempt must wait, or zero. A source that has proven
// to be the client is not held to what others behind its address did.
func (a *attempt) limited(now time.Time) time.Duration {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	wait := untilToken(a.pair.failures, now)
	if !a.pair.proven {
		wait = max(wait, untilToken(a.source.failures, now))
	}
	return wait
}

func untilToken(l *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - l.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / float64(l.Limit()) * float64(time.Second))
}

func (a *attempt) failed(now time.Time) {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.pair.failures.AllowN(now, 1)
	a.source.failures.AllowN(now, 1)
}

func (a *attempt) succeeded() {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.pair.proven = true
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

func tooManyFailures(wait time.Duration) *Error {
	return &Error{
		Status:      http.StatusTooManyRequests,
		Code:        CodeTemporarilyUnavailable,
		Description: "too many failed authentications; try again later",
		RetryAfter:  wait,
		Reason:      ReasonTooManyFailures,
	}
}
