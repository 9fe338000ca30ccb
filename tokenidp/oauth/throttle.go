package oauth

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// The limits of guessing secrets that somebody chose (RFC 6749 section 2.3.1). One
// source has a small number for one client, and a larger one over all clients. No limit
// is shared between sources: nobody can lock out a client from elsewhere.
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

// Throttle limits how many secrets a source may try. Its memory is bounded whatever
// comes, and a request that the limit refuses has nothing forgotten.
//
// It counts twice. The tests of chosen secrets are what has to be limited. The failures
// are what a caller sees, and must not tell which clients exist: so they are counted
// alike where there was nothing to test, and decide between 401 and 429. A flood of ids
// that nobody has exhausts the failures of its address, and none of the tests: a client
// behind the same address is tested still, and gets in if it is right.
type Throttle struct {
	mu       sync.Mutex
	failures ledger
	tests    ledger
	// proven are the pairs that once authenticated. They are apart from the others:
	// anybody can fail, and so have those who did before forgotten.
	proven *lru.Cache[pair, struct{}]
}

// NewThrottle makes an empty Throttle.
func NewThrottle() *Throttle {
	return &Throttle{failures: newLedger(), tests: newLedger(), proven: newCache[pair, struct{}]()}
}

// attempt is one authentication by a secret under way.
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

// limited is how long the attempt must wait for the client's limit and for the
// source's, or zero.
func (a *attempt) limited(now time.Time) (byClient, bySource time.Duration) {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waits(&t.failures, a.pair, now)
}

// waits are those of the ledger. A source that has proven to be the client is not held
// to what others behind its address did.
func (t *Throttle) waits(l *ledger, p pair, now time.Time) (byClient, bySource time.Duration) {
	byClient, bySource = l.waits(p, now)
	if t.proven.Contains(p) {
		bySource = 0
	}
	return byClient, bySource
}

func (t *Throttle) exceeds(l *ledger, p pair, now time.Time) bool {
	byClient, bySource := t.waits(l, p, now)
	return byClient > 0 || bySource > 0
}

// fails counts a failure before it is known to be one, and succeeded gives it back: as
// many guesses at once as a caller may send are no more than one after the other. Beyond
// the limit it counts nothing, and says how long to wait.
func (a *attempt) fails(now time.Time) (wait time.Duration) {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	if byClient, bySource := t.waits(&t.failures, a.pair, now); byClient > 0 || bySource > 0 {
		return max(byClient, bySource)
	}
	t.failures.spend(a.pair, now)
	return 0
}

// failsUnseen counts, for the client alone, a failure beyond the source's limit.
func (a *attempt) failsUnseen(now time.Time) {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures.spendSpare(a.pair, now)
}

// tests reports whether one more secret may be tested, and counts it, unless it is known
// to be right: as if it had been counted before, and given back.
func (a *attempt) tests(right bool, now time.Time) bool {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.exceeds(&t.tests, a.pair, now) {
		return false
	}
	if !right {
		t.tests.spend(a.pair, now)
	}
	return true
}

// succeeded gives back what was counted.
func (a *attempt) succeeded(now time.Time, failures, tests int) {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	for range failures {
		t.failures.giveBack(a.pair, now)
	}
	for range tests {
		t.tests.giveBack(a.pair, now)
	}
	t.proven.Add(a.pair, struct{}{})
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
	return refuse(ReasonTooManyFailures, nil).after(wait)
}
