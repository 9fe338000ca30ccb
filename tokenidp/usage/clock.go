package usage

import "time"

// clock has the wall clock, and a monotonic one that cannot be set.
type clock struct {
	now     func() time.Time
	elapsed func() time.Duration
	// at is what elapsed was at a time of time.Now.
	at func(time.Time) time.Duration
}

func newClock(o Options) clock {
	c := clock{o.Now, o.Elapsed, func(time.Time) time.Duration { return o.Elapsed() }}
	if c.now == nil {
		c.now = time.Now
	}
	if c.elapsed == nil {
		start := time.Now()
		c.elapsed = func() time.Duration { return time.Since(start) }
		c.at = func(t time.Time) time.Duration { return t.Sub(start) }
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

// secondsOf returns the wall time at which the monotonic clock had the nanoseconds, 0 for
// none. It uses the wall clock of now, which may have been corrected since.
func (m moment) secondsOf(elapsed int64) int64 {
	if elapsed == 0 {
		return 0
	}
	return min(max(m.wall.Add(time.Duration(elapsed)-m.elapsed).Unix(), 1), lastSecond)
}

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
