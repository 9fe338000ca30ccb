package state

import (
	"math"
	"time"
)

// leeway is more than the clocks of nodes, and what verifiers allow for them,
// differ.
const leeway = time.Minute

// clock is the wall clock, which can be set, and one that cannot.
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
		start := time.Now()
		c.elapsed = func() time.Duration { return time.Since(start) }
	}
	return c
}

// moment is one moment of both clocks, in whole seconds.
type moment struct{ wall, elapsed uint32 }

func (c clock) moment() moment { return moment{seconds(c.now()), wholeSeconds(c.elapsed())} }

// term is until when something is remembered: until the wall clock says so, and
// until as much time has passed as was left when it was learned. So what is done to
// the wall clock meanwhile makes nothing forgotten early.
type term struct{ until, elapsed uint32 }

// term of what may be forgotten then, but not before it was remembered for a while.
func (m moment) term(until uint32, least time.Duration) term {
	until = add(until, leeway)
	left := max(sub(until, m.wall), wholeSeconds(least))
	return term{until, add(m.elapsed, time.Duration(left)*time.Second)}
}

func (t term) over(m moment) bool { return m.wall > t.until && m.elapsed >= t.elapsed }

func (t term) join(u term) term { return term{max(t.until, u.until), max(t.elapsed, u.elapsed)} }

// seconds since 1970, up to 2106, which stands for any later time too.
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
