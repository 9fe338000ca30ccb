// Package testclock has a clock for tests, which is set by hand.
package testclock

import (
	"sync"
	"time"
)

// Clock is a wall clock and a monotonic one. Several goroutines may read it.
type Clock struct {
	mu      sync.Mutex
	wall    time.Time
	elapsed time.Duration
}

// New returns a clock that stands at the time.
func New(now time.Time) *Clock { return &Clock{wall: now} }

// Now returns the time of the wall clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

// Elapsed returns how much time has passed. Setting the wall clock does not change it.
func (c *Clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed
}

// Advance lets time pass on both clocks.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.elapsed = c.wall.Add(d), c.elapsed+d
}

// Set sets the wall clock.
func (c *Clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = now
}
