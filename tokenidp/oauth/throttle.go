package oauth

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// The limits on guesses of chosen secrets (RFC 6749 section 2.3.1). A source has a small
// limit for each client, and a larger one for all clients together. Sources share no
// limit, so one source cannot lock out the clients of another.
const (
	failuresPerClient = 10
	failuresPerSource = 60
	failureWindow     = time.Minute

	// maxTracked bounds the memory for each of the three. The least recently used entry is
	// removed.
	maxTracked = 1 << 16
	// maxTrackedID is the longest client id that is counted by itself, in bytes. No
	// registered one is longer.
	maxTrackedID = 255
)

// Throttle limits how many secrets a source may try. Its memory is bounded. A request that
// is refused by the limit never removes a count.
//
// It has two counts. Tests of chosen secrets are what must be limited. Failures decide
// between 401 and 429. They are counted for every failure, also if there was no secret to
// test, because the answer must not reveal which clients exist. Requests with unknown ids
// use up the failures of their address, but no tests. So a client behind the same address
// can still authenticate with a correct secret.
type Throttle struct {
	mu       sync.Mutex
	failures ledger
	tests    ledger
	// proven are the pairs that have authenticated. They are kept separately, so that
	// failures of other callers do not remove them.
	proven *lru.Cache[pair, struct{}]
}

// NewThrottle returns an empty Throttle.
func NewThrottle() *Throttle {
	return &Throttle{failures: newLedger(), tests: newLedger(), proven: newCache[pair, struct{}]()}
}

// sources returns how many sources have failures that are remembered.
func (t *Throttle) sources() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failures.sources.Len()
}

// attempt is a running authentication by a secret.
type attempt struct {
	throttle *Throttle
	pair     pair
}

func (t *Throttle) attempt(clientID string, source netip.Addr) *attempt {
	if len(clientID) > maxTrackedID {
		clientID = ""
	}
	// The id is a part of the request, and would keep the whole request in memory.
	return &attempt{t, pair{clientID: strings.Clone(clientID), source: network(source)}}
}

// limited returns how long the attempt must wait for the limits of the client and of the
// source, or zero.
func (a *attempt) limited(now time.Time) (byClient, bySource time.Duration) {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waits(&t.failures, a.pair, now)
}

// waits returns the waits of the ledger. A source that has authenticated as the client is
// not limited by failures for other clients at its address.
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

// fails counts a failure in advance, and succeeded subtracts it. So concurrent guesses
// are limited like successive ones. Beyond the limit it counts nothing, and returns how
// long to wait.
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

// failsUnseen counts a failure beyond the limit of the source, for the client only.
func (a *attempt) failsUnseen(now time.Time) {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures.spendSpare(a.pair, now)
}

// tests reports whether one more secret may be tested, and counts it. A secret that is
// known to be correct is not counted.
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

// succeeded takes back what was counted.
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

// network returns the addresses that one party controls: an IPv4 address, or an IPv6 /64.
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
