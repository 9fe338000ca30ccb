package state

import (
	"math"
	"sync"
	"testing"
	"time"
)

// clocks are those of a process under test. Time passes on both, and the wall clock
// can be set.
type clocks struct {
	mu      sync.Mutex
	wall    time.Time
	elapsed time.Duration
}

func newClocks() *clocks {
	return &clocks{wall: time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)}
}

func (c *clocks) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *clocks) monotonic() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed
}

func (c *clocks) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.elapsed = c.wall.Add(d), c.elapsed+d
}

// step sets the wall clock.
func (c *clocks) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
}

func (c *clocks) options() Options { return Options{Now: c.now, Elapsed: c.monotonic} }

func TestTermIsOverByBothClocks(t *testing.T) {
	const life = time.Hour
	for _, row := range []struct {
		name string
		do   func(c *clocks)
		over bool
	}{
		{"at once", func(*clocks) {}, false},
		{"when it has expired", func(c *clocks) { c.pass(life) }, false}, // another clock may be behind
		{"a minute later", func(c *clocks) { c.pass(life + leeway + time.Second) }, true},
		{"the clock is set ahead", func(c *clocks) { c.step(10 * 365 * 24 * time.Hour) }, false},
		{"the clock is set ahead and back", func(c *clocks) {
			c.step(2 * life)
			c.pass(life / 2)
			c.step(-2 * life)
			c.pass(life/2 + leeway - time.Second)
		}, false},
		{"the clock is set back", func(c *clocks) { c.step(-life); c.pass(life + leeway + time.Second) }, false},
		{"the clock is set back, and catches up", func(c *clocks) { c.step(-life); c.pass(2*life + leeway + time.Second) }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newClocks()
			read := newClock(c.options())
			term := read.moment().term(seconds(c.now().Add(life)), 0)
			row.do(c)
			if over := term.over(read.moment()); over != row.over {
				t.Errorf("over: %t", over)
			}
		})
	}
}

// TestF13ClockThatIsWrongAtTheStart forgets nothing for an hour, in which it can be
// set right.
func TestF13ClockThatIsWrongAtTheStart(t *testing.T) {
	c := newClocks()
	until := c.now().Add(30 * time.Minute)
	c.step(10 * 365 * 24 * time.Hour)
	read := newClock(c.options())
	term := read.moment().term(seconds(until), leastRemembered)
	c.pass(time.Hour - time.Second)
	if term.over(read.moment()) {
		t.Error("forgotten under a clock that is wrong")
	}
	c.step(-10 * 365 * 24 * time.Hour)
	c.pass(time.Hour)
	if !term.over(read.moment()) {
		t.Error("never forgotten")
	}
}

func TestSecondsStayInRange(t *testing.T) {
	for want, at := range map[uint32]time.Time{
		0:              time.Unix(-1, 0),
		1:              time.Unix(1, 999_999_999),
		math.MaxUint32: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
	} {
		if got := seconds(at); got != want {
			t.Errorf("%s is %d, want %d", at, got, want)
		}
	}
	if got := add(math.MaxUint32-1, time.Hour); got != math.MaxUint32 {
		t.Errorf("%d after the end of time", got)
	}
	if sub(1, 2) != 0 {
		t.Error("less than no time is left")
	}
}

func TestClocksDefaultToThoseOfTheProcess(t *testing.T) {
	c := newClock(Options{})
	if at := c.moment(); time.Since(time.Unix(int64(at.wall), 0)).Abs() > time.Hour || at.elapsed > 3600 {
		t.Errorf("%+v", at)
	}
}
