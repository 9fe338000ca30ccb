package state

import (
	"sync/atomic"
	"time"
)

// Options are optional.
type Options struct {
	// Now is the wall clock. Default: time.Now.
	Now func() time.Time
	// Elapsed is a clock that cannot be set: the time since a fixed moment in the life of
	// the process. Default: the monotonic clock.
	Elapsed func() time.Duration

	// For tests: the limits. Zero: the documented ones.
	mostRevocations, mostIdentifiers int
}

// Node holds what one process knows. Each state answers from it. It outlives the states,
// so its revocations stay in force when the configuration names another state.
type Node struct {
	clock       clock
	revocations *revocations
	identifiers *identifiers
	quotas      *quotas
	released    atomic.Uint64
}

// Released must be called when a state has ended. The node may then know revocations that
// the next state has not stored.
func (n *Node) Released() { n.released.Add(1) }

// endedSince reports whether a state has ended since the last call with this seen.
func (n *Node) endedSince(seen *uint64) bool {
	before := *seen
	*seen = n.released.Load()
	return *seen != before
}

// NewNode returns an empty Node.
func NewNode(o Options) *Node {
	c := newClock(o)
	if o.mostRevocations == 0 {
		o.mostRevocations = mostRevocations
	}
	if o.mostIdentifiers == 0 {
		o.mostIdentifiers = mostIdentifiers
	}
	return &Node{
		clock:       c,
		revocations: &revocations{clock: c, most: o.mostRevocations},
		identifiers: newIdentifiers(c, o.mostIdentifiers),
		quotas:      newQuotas(c),
	}
}

// Revoked implements [State].
func (n *Node) Revoked(t Token) bool { return n.revocations.revoked(t) }

// health returns what every state reports of its node.
func (n *Node) health(kind string) Health {
	return Health{
		Kind:        kind,
		Revocations: n.revocations.len(),
		Identifiers: n.identifiers.used.len(),
		Bytes:       n.revocations.bytes() + n.identifiers.used.bytes(),
		Replayed:    n.identifiers.replayed.Load(),
		Unavailable: n.identifiers.unavailable.Load(),
	}
}

// sweep removes what has expired.
func (n *Node) sweep() {
	n.revocations.sweep()
	n.identifiers.used.sweep(n.clock.moment())
}

// sweepInterval is how often expired entries are removed, unless room is needed earlier.
const sweepInterval = time.Minute
