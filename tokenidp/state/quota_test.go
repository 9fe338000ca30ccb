package state

import (
	"testing"
	"time"
)

func TestTake(t *testing.T) {
	c := newClocks()
	m := NewMemory(NewNode(c.options()))
	take := func(name string) time.Duration { return m.Take(t.Context(), name, 3, time.Minute) }
	for range 3 {
		if wait := take("a"); wait != 0 {
			t.Fatalf("wait %s", wait)
		}
	}
	if wait := take("a"); wait != 20*time.Second {
		t.Errorf("none is left: wait %s", wait)
	}
	if wait := take("b"); wait != 0 {
		t.Errorf("another's: wait %s", wait)
	}
	c.step(-time.Hour) // nobody waits for an hour because a clock was set
	c.pass(19 * time.Second)
	if wait := take("a"); wait != time.Second {
		t.Errorf("wait %s", wait)
	}
	c.pass(time.Second)
	if take("a") != 0 || take("a") == 0 {
		t.Error("not one each twenty seconds")
	}
	c.pass(time.Hour)
	for n := range 4 {
		if wait := take("a"); (wait == 0) != (n < 3) {
			t.Errorf("%d after a long time: wait %s", n, wait)
		}
	}
}

func TestTakeOfNothing(t *testing.T) {
	m := NewMemory(NewNode(Options{}))
	if wait := m.Take(t.Context(), "a", 0, time.Minute); wait != time.Minute {
		t.Errorf("wait %s", wait)
	}
	if m.Take(t.Context(), "b", 1, 0) != 0 {
		t.Error("no window, yet a wait")
	}
}
