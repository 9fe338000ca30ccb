package state

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestOnce(t *testing.T) {
	c := newClocks()
	m := NewMemory(NewNode(optionsWith(c)))
	use := func(id string, life time.Duration) bool {
		first, err := m.Once(t.Context(), "worker", id, c.Now().Add(life))
		if err != nil {
			t.Fatal(err)
		}
		return first
	}
	if !use("a", time.Minute) || !use("b", time.Hour) || use("a", time.Minute) {
		t.Error("not once each")
	}
	c.Advance(time.Minute + leeway)
	if use("a", time.Minute) {
		t.Error("forgotten while another clock may be behind")
	}
	c.Advance(3 * time.Minute)
	if !use("a", time.Minute) || use("b", time.Hour) {
		t.Error("not forgotten in time")
	}
	if h := m.Health(); h.Replayed != 3 || h.Unavailable != 0 || h.Identifiers != 2 || h.Bytes == 0 {
		t.Errorf("%+v", h)
	}
}

func TestOnceAmongMany(t *testing.T) {
	m := NewMemory(NewNode(Options{}))
	until := time.Now().Add(time.Hour)
	for n := range 1000 {
		var won atomic.Int32
		var racing sync.WaitGroup
		for range 4 {
			racing.Go(func() {
				if first, err := m.Once(t.Context(), "worker", fmt.Sprint(n), until); err != nil {
					t.Error(err)
				} else if first {
					won.Add(1)
				}
			})
		}
		racing.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d: %d were first", n, won.Load())
		}
	}
}

// TestF24IdentifiersAreNeverForgottenToMakeRoom: else whoever sends many could use
// one again.
func TestF24IdentifiersAreNeverForgottenToMakeRoom(t *testing.T) {
	c := newClocks()
	o := optionsWith(c)
	o.mostIdentifiers = 100
	m := NewMemory(NewNode(o))
	for n := range 100 {
		if first, err := m.Once(t.Context(), fmt.Sprint("client ", n), fmt.Sprint(n), c.Now().Add(time.Minute)); !first || err != nil {
			t.Fatal(first, err)
		}
	}
	c.Advance(time.Second)
	for n := range 110 {
		if first, err := m.Once(t.Context(), fmt.Sprint("client ", n), fmt.Sprint(n), c.Now().Add(time.Minute)); first || !errors.Is(err, ErrFull) {
			t.Fatalf("%d: %t, %v", n, first, err)
		}
	}
	if h := m.Health(); h.Unavailable != 110 {
		t.Errorf("%+v", h)
	}
	c.Advance(3 * time.Minute)
	if first, err := m.Once(t.Context(), "worker", "101", c.Now().Add(time.Minute)); !first || err != nil {
		t.Errorf("after all have expired: %t, %v", first, err)
	}
}

// TestF24AFloodTakesOnlyItsShare: who fills the memory shuts out itself, and nobody
// else.
func TestF24AFloodTakesOnlyItsShare(t *testing.T) {
	c := newClocks()
	o := optionsWith(c)
	o.mostIdentifiers = 1600
	m := NewMemory(NewNode(o))
	use := func(owner string, n int) error {
		first, err := m.Once(t.Context(), owner, fmt.Sprint(owner, n), c.Now().Add(time.Minute))
		if err == nil && !first {
			t.Errorf("%s %d was used before", owner, n)
		}
		return err
	}
	taken := 0
	for use("flood", taken) == nil {
		taken++
	}
	if taken != 800 {
		t.Errorf("a flood gets %d places of 1600, want half", taken)
	}
	for n := range 100 {
		if err := use("worker", n); err != nil {
			t.Fatalf("another client, after %d: %v", n, err)
		}
	}
	if err := use("worker", 100); !errors.Is(err, ErrFull) {
		t.Errorf("more than its share: %v", err)
	}
	c.Advance(3 * time.Minute)
	for n := range 800 {
		if err := use("worker", 1000+n); err != nil {
			t.Fatalf("after all have expired, %d: %v", n, err)
		}
	}
}
