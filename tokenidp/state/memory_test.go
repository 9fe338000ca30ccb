package state

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A state that is run under two configurations, as during a reload, is run by one
// at a time, and by the second once the first has ended.
func TestRunIsHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(NewNode(Options{}))
		if _, err := m.Once(t.Context(), "worker", "a", time.Now()); err != nil {
			t.Fatal(err)
		}
		first, endFirst := context.WithCancel(t.Context())
		second, endSecond := context.WithCancel(t.Context())
		ended := make(chan string, 2)
		go func() { m.Run(first, true); ended <- "first" }()
		synctest.Wait()
		go func() { m.Run(second, true); ended <- "second" }()
		synctest.Wait()
		endFirst()
		if who := <-ended; who != "first" {
			t.Error(who)
		}
		time.Sleep(5 * time.Minute)
		if n := m.Health().Identifiers; n != 0 {
			t.Errorf("%d identifiers are never forgotten", n)
		}
		endSecond()
		<-ended
	})
}

func TestMemoryIsAlwaysReady(t *testing.T) {
	c := newClocks()
	m := NewMemory(NewNode(optionsWith(c)))
	h := m.Health()
	if m.Ready() != nil || m.Load(t.Context()) != nil || !h.Synced || !h.LastSync.Equal(c.Now()) || h.Kind != "memory" {
		t.Errorf("%+v", h)
	}
}
