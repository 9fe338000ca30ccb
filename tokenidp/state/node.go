package state

import (
	"sync/atomic"
	"time"
)

// Options are what a Node can do without.
type Options struct {
	// Now is the wall clock. Default: time.Now.
	Now func() time.Time
	// Elapsed is a clock that nobody sets: the time since some moment in the life of
	// the process. Default: the monotonic clock.
	Elapsed func() time.Duration

	// For tests: how much fits. Zero: as documented.
	mostRevocations, mostIdentifiers int
}

// Node is what one process knows, and what each state answers from. It outlives
// the states: what it knows is in force under the next one too.
type Node struct {
	clock       clock
	revocations *revocations
	identifiers *identifiers
	quotas      *quotas
	released    atomic.Uint64
}

// Released is called when a state has ended: what that learned meanwhile is known to
// the node, and maybe not to the state that came after it.
func (n *Node) Released() { n.released.Add(1) }

// endedSince reports whether some state has ended since it was asked with the same seen.
func (n *Node) endedSince(seen *uint64) bool {
	before := *seen
	*seen = n.released.Load()
	return *seen != before
}

// NewNode makes a Node that knows nothing.
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

// Revoked is State's.
func (n *Node) Revoked(t Token) bool { return n.revocations.revoked(t) }

// health is what every state says of its node.
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

// sweep forgets what is over.
func (n *Node) sweep() {
	n.revocations.sweep()
	n.identifiers.used.sweep(n.clock.moment())
}

// sweepInterval is how often what is over is forgotten, unless room is needed.
const sweepInterval = time.Minute
