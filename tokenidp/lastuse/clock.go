package lastuse

import "time"

// clock has the wall clock, and a monotonic one that cannot be set.
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

// moment is the time of both clocks.
type moment struct {
	wall    time.Time
	elapsed time.Duration
}

func (c clock) moment() moment { return moment{c.now().Round(0), c.elapsed()} }

// seconds returns the seconds since 1970, and at least 1: 0 means no time.
func (m moment) seconds() int64 { return min(max(m.wall.Unix(), 1), lastSecond) }

// lastSecond is the end of the year 9999.
const lastSecond = 253402300799

// start returns the wall time at which the monotonic clock began. It changes when the wall
// clock is set, or when the machine has slept.
func (m moment) start() time.Time { return m.wall.Add(-m.elapsed) }

// clockSkew is more than the difference between two correct clocks.
const clockSkew = 10 * time.Minute

// believable returns the latest time that another node's clock may have now.
func (m moment) believable() int64 { return m.seconds() + int64(clockSkew/time.Second) }

// stepped reports whether the wall clock was set between the moments.
func (m moment) stepped(before moment) bool {
	return m.start().Sub(before.start()).Abs() > clockSkew
}

// mark is a time on both clocks.
type mark struct {
	wall    int64 // seconds
	elapsed time.Duration
}

// seconds returns when the mark was made: the later of the wall time then, and of the wall
// time now minus the time since. So a use does not look older than it is while the wall
// clock is behind, nor after it is corrected.
func (m mark) seconds(at moment) int64 {
	since := int64((at.elapsed - m.elapsed) / time.Second)
	if again := at.seconds() - since; again > m.wall+int64(clockSkew/time.Second) {
		return again
	}
	return m.wall
}
