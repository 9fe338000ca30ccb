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

	// maxTracked bounds the memory for each of the three; the least recently
	// seen is forgotten.
	maxTracked = 1 << 16
	// maxTrackedID is the longest client id that is told apart: no registered
	// one is longer.
	maxTrackedID = 255
)

// Throttle limits failed authentications. Its memory is bounded whatever comes, and
// a request that is refused by the limit takes none of it.
type Throttle struct {
	mu      sync.Mutex
	pairs   *lru.Cache[pair, *rate.Limiter]
	sources *lru.Cache[netip.Prefix, *rate.Limiter]
	// proven are the pairs that once authenticated. They are apart from the others:
	// anybody can fail, and so have those who did before forgotten.
	proven *lru.Cache[pair, struct{}]
}

// pair is a client as one source claims it, rightly or not.
type pair struct {
	clientID string
	source   netip.Prefix
}

// NewThrottle makes an empty Throttle.
func NewThrottle() *Throttle {
	return &Throttle{
		pairs:   newCache[pair, *rate.Limiter](),
		sources: newCache[netip.Prefix, *rate.Limiter](),
		proven:  newCache[pair, struct{}](),
	}
}

func newCache[K comparable, V any]() *lru.Cache[K, V] {
	cache, err := lru.New[K, V](maxTracked)
	if err != nil {
		panic(err) // a constant size that is positive
	}
	return cache
}

// attempt is one authentication under way.
type attempt struct {
	throttle *Throttle
	pair     pair
}

func (t *Throttle) attempt(clientID string, source netip.Addr) *attempt {
	if len(clientID) > maxTrackedID {
		clientID = ""
	}
	// The id is a part of the request, and would keep all of it in memory.
	return &attempt{t, pair{clientID: strings.Clone(clientID), source: network(source)}}
}

// limited is how long the attempt must wait, or zero. A source that has proven
// to be the client is not held to what others behind its address did.
func (a *attempt) limited(now time.Time) time.Duration {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := untilToken(t.pairs, a.pair, now)
	if !t.proven.Contains(a.pair) {
		wait = max(wait, untilToken(t.sources, a.pair.source, now))
	}
	return wait
}

func untilToken[K comparable](failures *lru.Cache[K, *rate.Limiter], key K, now time.Time) time.Duration {
	l, found := failures.Get(key)
	if !found {
		return 0
	}
	missing := 1 - l.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / float64(l.Limit()) * float64(time.Second))
}

func (a *attempt) failed(now time.Time) {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	spend(t.pairs, a.pair, failuresPerClient, now)
	spend(t.sources, a.pair.source, failuresPerSource, now)
}

func spend[K comparable](failures *lru.Cache[K, *rate.Limiter], key K, most int, now time.Time) {
	l, found := failures.Get(key)
	if !found {
		l = rate.NewLimiter(rate.Limit(float64(most)/failureWindow.Seconds()), most)
		failures.Add(key, l)
	}
	l.AllowN(now, 1)
}

func (a *attempt) succeeded() {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.throttle.proven.Add(a.pair, struct{}{})
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
