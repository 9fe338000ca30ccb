package state

import (
	"math"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

// leeway is more than the difference of the nodes' clocks together with the leeway of
// verifiers.
const leeway = time.Minute

// clock has the wall clock, and a monotonic one that cannot be set.
type clock struct {
	now     func() time.Time
	elapsed func() time.Duration // since some moment in the life of the process
}

func newClock(o Options) clock {
	c := clock{o.Now, o.Elapsed}
	if c.now == nil {
		c.now = time.Now
	}
	if c.elapsed == nil {
		c.elapsed = background.Elapsed()
	}
	return c
}

// moment is the time of both clocks, in whole seconds.
type moment struct{ wall, elapsed uint32 }

func (c clock) moment() moment { return moment{seconds(c.now()), wholeSeconds(c.elapsed())} }

// term is how long something is kept: until the wall clock reaches a time, and until the
// time that was left when it was learned has passed. So a change of the wall clock never
// removes anything early.
type term struct{ until, elapsed uint32 }

// term returns a term that ends at until, and lasts for at least the given time.
func (m moment) term(until uint32, least time.Duration) term {
	until = add(until, leeway)
	left := max(sub(until, m.wall), wholeSeconds(least))
	return term{until, add(m.elapsed, time.Duration(left)*time.Second)}
}

func (t term) over(m moment) bool { return m.wall > t.until && m.elapsed >= t.elapsed }

func (t term) join(u term) term { return term{max(t.until, u.until), max(t.elapsed, u.elapsed)} }

// seconds returns the seconds since 1970. Times after 2106 become 2106.
func seconds(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), math.MaxUint32))
}

func wholeSeconds(d time.Duration) uint32 {
	return uint32(min(max(int64(d/time.Second), 0), math.MaxUint32))
}

func add(s uint32, d time.Duration) uint32 {
	return uint32(min(uint64(s)+uint64(wholeSeconds(d)), math.MaxUint32))
}

func sub(a, b uint32) uint32 { return a - min(a, b) }
