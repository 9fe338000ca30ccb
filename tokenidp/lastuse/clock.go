package lastuse

import "time"

// clock is the wall clock, which can be set, and one that cannot.
type clock struct {
	now     func() time.Time
	elapsed func() time.Duration
}

func newClock(o Options) clock {
	if o.Predecessor != nil {
		return o.Predecessor.clock
	}
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

// moment is one moment of both clocks.
type moment struct {
	wall    time.Time
	elapsed time.Duration
}

func (c clock) moment() moment { return moment{c.now().Round(0), c.elapsed()} }

// seconds since 1970. A clock that says 1970 or less says 1: 0 is no time.
func (m moment) seconds() int64 { return min(max(m.wall.Unix(), 1), lastSecond) }

// lastSecond is the end of the year 9999.
const lastSecond = 253402300799

// start is where the clock that cannot be set would have begun on the wall. It
// moves when the wall clock is set, or when the machine has slept.
func (m moment) start() time.Time { return m.wall.Add(-m.elapsed) }

// clockSkew is more than lies between the clocks of two nodes that are right.
const clockSkew = 10 * time.Minute

// believable is the latest that a clock of another node may say now.
func (m moment) believable() int64 { return m.seconds() + int64(clockSkew/time.Second) }

// stepped reports whether the wall clock was set between the moments.
func (m moment) stepped(before moment) bool {
	return m.start().Sub(before.start()).Abs() > clockSkew
}

// mark is a moment by both clocks.
type mark struct {
	wall    int64 // seconds
	elapsed time.Duration
}

// seconds is when the mark was made: the later of what the wall clock said then,
// and of what it says now less the time since. Otherwise a use under a clock that
// was behind looks old as soon as the clock is right; and the other way round, a
// use looks older than it is while a clock is behind.
func (m mark) seconds(at moment) int64 {
	since := int64((at.elapsed - m.elapsed) / time.Second)
	if again := at.seconds() - since; again > m.wall+int64(clockSkew/time.Second) {
		return again
	}
	return m.wall
}
