package state

import (
	"testing"
	"time"
)

func TestTake(t *testing.T) {
	c := newClocks()
	m := NewMemory(NewNode(optionsWith(c)))
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
	setBy(c, -time.Hour) // nobody waits for an hour because a clock was set
	c.Advance(19 * time.Second)
	if wait := take("a"); wait != time.Second {
		t.Errorf("wait %s", wait)
	}
	c.Advance(time.Second)
	if take("a") != 0 || take("a") == 0 {
		t.Error("not one each twenty seconds")
	}
	c.Advance(time.Hour)
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

// A quota that is raised is in force at once: what was taken of the one before, for up
// to 30 days, does not count against it.
func TestARaisedQuotaIsInForceAtOnce(t *testing.T) {
	for name, s := range map[string]State{"here": NewMemory(NewNode(Options{})), "in Redis": startRedis(t).member()} {
		t.Run(name, func(t *testing.T) {
			const month = 30 * 24 * time.Hour
			if s.Take(t.Context(), "a", 1, month) != 0 || s.Take(t.Context(), "a", 1, month) == 0 {
				t.Fatal("not one in a month")
			}
			// All of it counts as taken, and the first comes back after a thousandth.
			if wait := s.Take(t.Context(), "a", 1000, time.Hour); wait > time.Hour/1000 {
				t.Errorf("raised: wait %s", wait)
			}
		})
	}
}

// If the clock of Redis is set back, a quota refuses for a part of its window at most.
func TestAClockOfRedisThatIsSetBackHoldsUpNoQuota(t *testing.T) {
	s := startRedis(t)
	r := s.member()
	ahead := time.Now().Add(24 * time.Hour).UnixMicro()
	s.Do("SET", r.key("quota:", newKey(onceKind, "quota", "a")), ahead)
	if wait := r.Take(t.Context(), "a", 60, time.Minute); wait > time.Second {
		t.Errorf("wait %s", wait)
	}
}
