package state

import (
	"context"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

// Memory is the state of one process. It shares nothing, and a restart forgets it.
type Memory struct {
	*Node
	running chan struct{} // held by the one Run that works
}

// NewMemory makes a Memory of what the node knows.
func NewMemory(n *Node) *Memory { return &Memory{n, make(chan struct{}, 1)} }

// Once is State's.
func (m *Memory) Once(_ context.Context, owner, id string, until time.Time) (first bool, err error) {
	return m.identifiers.once(owner, id, until)
}

// Revoke is State's. The revocations last as long as the process.
func (m *Memory) Revoke(_ context.Context, revocations ...Revocation) error {
	if err := check(revocations); err != nil {
		return err
	}
	records := newRecords(revocations)
	if err := m.revocations.room(records); err != nil {
		return err
	}
	m.revocations.add(0, records...)
	return nil
}

// Take is State's.
func (m *Memory) Take(_ context.Context, name string, limit int, window time.Duration) (wait time.Duration) {
	return m.quotas.take(name, limit, window)
}

// Ready is State's: there is nothing to read.
func (m *Memory) Ready() error { return nil }

// Health is State's.
func (m *Memory) Health() Health {
	h := m.health("memory")
	h.Synced, h.LastSync = true, m.clock.now()
	return h
}

// Load is State's.
func (m *Memory) Load(context.Context) error { return nil }

// Run is State's.
func (m *Memory) Run(ctx context.Context, _ bool) {
	runAlone(ctx, m.running, func() { background.Every(ctx, sweepInterval, m.sweep) })
}

// runAlone runs once no other does: while a configuration is replaced, that of
// before still runs.
func runAlone(ctx context.Context, running chan struct{}, run func()) {
	select {
	case <-ctx.Done():
	case running <- struct{}{}:
		defer func() { <-running }()
		run()
	}
}

// Interface guard
var _ State = (*Memory)(nil)
