package state

import (
	"context"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

// Memory is the state of one process. It is not shared, and a restart loses it.
type Memory struct {
	*Node
	running chan struct{} // held by the one Run that works
}

// NewMemory returns a Memory that answers from the node.
func NewMemory(n *Node) *Memory { return &Memory{n, make(chan struct{}, 1)} }

// Once implements [State].
func (m *Memory) Once(_ context.Context, owner, id string, until time.Time) (first bool, err error) {
	return m.identifiers.once(owner, id, until)
}

// Revoke implements [State]. The revocations last as long as the process.
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

// Take implements [State].
func (m *Memory) Take(_ context.Context, name string, limit int, window time.Duration) (wait time.Duration) {
	return m.quotas.take(name, limit, window)
}

// Ready implements [State]. It always returns nil: there is nothing to read.
func (m *Memory) Ready() error { return nil }

// Health implements [State].
func (m *Memory) Health() Health {
	h := m.health("memory")
	h.Synced, h.LastSync = true, m.clock.now()
	return h
}

// Load implements [State].
func (m *Memory) Load(context.Context) error { return nil }

// Run implements [State].
func (m *Memory) Run(ctx context.Context, _ bool) {
	runAlone(ctx, m.running, func() { background.Every(ctx, sweepInterval, m.sweep) })
}

// runAlone waits until no other run is active, and then calls run. During a configuration
// reload, the one before still runs.
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
