package signing

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// node is a ring with clocks of its own.
type node struct {
	*Ring
	t       *testing.T
	storage *faultyStorage
	wall    *clock
	elapsed time.Duration
	logs    *observer.ObservedLogs
}

func newNode(t *testing.T, storage *faultyStorage, algorithm string, now time.Time) *node {
	t.Helper()
	n := &node{t: t, storage: storage, wall: newClock(now)}
	n.start(algorithm, Options{})
	return n
}

// start makes a new ring, as a new configuration does.
func (n *node) start(algorithm string, o Options) {
	core, logs := observer.New(zap.DebugLevel)
	n.logs = logs
	n.storage.mayDelete = true
	o.Now, o.Logger = n.wall.now, zap.New(core)
	o.Elapsed = func() time.Duration { return n.elapsed }
	n.Ring = NewRing(n.storage, testIssuer, algorithm, o)
}

// pass lets time go by.
func (n *node) pass(d time.Duration) {
	n.wall.advance(d)
	n.elapsed += d
}

// step sets the clock.
func (n *node) step(d time.Duration) { n.wall.advance(d) }

func (n *node) maintain() {
	n.t.Helper()
	if err := n.Maintain(n.t.Context()); err != nil {
		n.t.Fatalf("Maintain: %v", err)
	}
}

// live maintains every interval for as long.
func (n *node) live(d, interval time.Duration) {
	n.t.Helper()
	for end := n.elapsed + d; n.elapsed < end; {
		n.pass(interval)
		n.maintain()
	}
}

// states are "active 2026-03-16" and so on; a successor's number is left out.
func (n *node) states() string {
	var lines []string
	for _, s := range n.States() {
		lines = append(lines, string(s.State)+" "+s.ID[:len("2026-03-16")])
	}
	return strings.Join(lines, ", ")
}

func (n *node) want(states string) {
	n.t.Helper()
	if got := n.states(); got != states {
		n.t.Errorf("at %s: %s; want %s", n.wall.now().UTC(), got, states)
	}
}
