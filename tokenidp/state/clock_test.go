package state

import (
	"math"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/testclock"
)

// newClocks returns the clocks of a process under test.
func newClocks() *testclock.Clock {
	return testclock.New(time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC))
}

// setBy sets the wall clock ahead, or back.
func setBy(c *testclock.Clock, d time.Duration) { c.Set(c.Now().Add(d)) }

func optionsWith(c *testclock.Clock) Options { return Options{Now: c.Now, Elapsed: c.Elapsed} }

func TestTermIsOverByBothClocks(t *testing.T) {
	const life = time.Hour
	for _, row := range []struct {
		name string
		do   func(c *testclock.Clock)
		over bool
	}{
		{"at once", func(*testclock.Clock) {}, false},
		{"when it has expired", func(c *testclock.Clock) { c.Advance(life) }, false}, // another clock may be behind
		{"a minute later", func(c *testclock.Clock) { c.Advance(life + leeway + time.Second) }, true},
		{"the clock is set ahead", func(c *testclock.Clock) { setBy(c, 10*365*24*time.Hour) }, false},
		{"the clock is set ahead and back", func(c *testclock.Clock) {
			setBy(c, 2*life)
			c.Advance(life / 2)
			setBy(c, -2*life)
			c.Advance(life/2 + leeway - time.Second)
		}, false},
		{"the clock is set back", func(c *testclock.Clock) { setBy(c, -life); c.Advance(life + leeway + time.Second) }, false},
		{"the clock is set back, and catches up", func(c *testclock.Clock) { setBy(c, -life); c.Advance(2*life + leeway + time.Second) }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newClocks()
			read := newClock(optionsWith(c))
			term := read.moment().term(seconds(c.Now().Add(life)), 0)
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
	until := c.Now().Add(30 * time.Minute)
	setBy(c, 10*365*24*time.Hour)
	read := newClock(optionsWith(c))
	term := read.moment().term(seconds(until), leastRemembered)
	c.Advance(time.Hour - time.Second)
	if term.over(read.moment()) {
		t.Error("forgotten under a clock that is wrong")
	}
	setBy(c, -10*365*24*time.Hour)
	c.Advance(time.Hour)
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
