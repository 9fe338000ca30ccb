package signing

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// clockedRing has a key, and a clock to set by hand.
func clockedRing(t *testing.T, storage *faultyStorage) (*Ring, *clock) {
	t.Helper()
	c := newClock(testTime)
	r := NewRing(storage, testIssuer, "EdDSA", Options{Now: c.now, Logger: zap.NewNop()})
	addKey(t, storage, "2026-03-16", "EdDSA")
	mustLoad(t, r)
	storage.calls = nil
	return r, c
}

func isUnknown(t *testing.T, r *Ring, kid string) bool {
	t.Helper()
	_, err := r.Key(t.Context(), kid, "")
	return errors.Is(err, verifier.ErrUnknownKey)
}

func TestKnownKeyNeedsNoStorage(t *testing.T) {
	storage := newStorage(t)
	r, c := clockedRing(t, storage)
	for range 10 {
		if k, err := r.Key(t.Context(), "2026-03-16", ""); err != nil || k.ID != "2026-03-16" {
			t.Error(err)
		}
		mustSign(t, r)
		c.advance(time.Hour)
	}
	if len(storage.calls) != 0 {
		t.Errorf("calls %v", storage.calls)
	}
}

// What is unknown to a read that began earlier may be known by now.
func TestRereadSince(t *testing.T) {
	storage := newStorage(t)
	r, c := clockedRing(t, storage)
	if r.RereadSince(c.now()) {
		t.Error("it was never read again")
	}
	began := c.now()
	if !isUnknown(t, r, "x") || !r.RereadSince(began) {
		t.Error("it was read for this kid")
	}
	c.advance(time.Second)
	if began = c.now(); !isUnknown(t, r, "x") || r.RereadSince(began) {
		t.Error("it was read for an earlier one")
	}
	c.advance(rereadInterval)
	storage.before = func(context.Context, call) error { return errors.New("outage") }
	if began = c.now(); isUnknown(t, r, "x") || r.RereadSince(began) {
		t.Error("it could not be read")
	}
}

func TestUnknownKeyFloodReadsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newStorage(t)
		r, c := clockedRing(t, storage)
		held := make(chan struct{})
		storage.before = func(context.Context, call) error { <-held; return nil }
		var callers sync.WaitGroup
		for range 1000 {
			callers.Go(func() {
				if !isUnknown(t, r, "2026-03-17") {
					t.Error("not ErrUnknownKey")
				}
			})
		}
		synctest.Wait()
		close(held)
		callers.Wait()
		if n := storage.count("List"); n != 1 {
			t.Errorf("listed %d times", n)
		}

		for _, kid := range []string{"", "2026-03-17", "../../etc/passwd", "{env.HOME}", "2026-03-16.", "2026-03-16\x00"} {
			if !isUnknown(t, r, kid) {
				t.Errorf("%q: not ErrUnknownKey", kid)
			}
		}
		c.advance(rereadInterval - 1)
		isUnknown(t, r, "2026-03-17")
		if n := storage.count("List"); n != 1 {
			t.Errorf("listed %d times within the interval", n)
		}
		c.advance(1)
		isUnknown(t, r, "2026-03-17")
		if n := storage.count("List"); n != 2 {
			t.Errorf("listed %d times after the interval", n)
		}
	})
}

func TestPeersNewKeyIsFound(t *testing.T) {
	storage := newStorage(t)
	r, c := clockedRing(t, storage)
	addKey(t, storage, "2026-03-17", "EdDSA")
	if k, err := r.Key(t.Context(), "2026-03-17", ""); err != nil || k.ID != "2026-03-17" {
		t.Fatal(err)
	}
	if got := published(t, r); !slices.Equal(got, []string{"2026-03-17", "2026-03-16"}) || r.Active().ID != "2026-03-16" {
		t.Errorf("published %q, active %s", got, r.Active().ID)
	}
	addKey(t, storage, "2026-03-18", "EdDSA")
	if !isUnknown(t, r, "2026-03-18") {
		t.Error("read again within the interval")
	}
	c.advance(rereadInterval)
	if _, err := r.Key(t.Context(), "2026-03-18", ""); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, ignoreLeaks())
}

func TestFailedRereadIsNotUnknownKey(t *testing.T) {
	storage := newStorage(t)
	r, c := clockedRing(t, storage)
	addKey(t, storage, "2026-03-17", "EdDSA")
	storage.failing(syscall.EIO, "List")
	for range 3 {
		if _, err := r.Key(t.Context(), "2026-03-17", ""); !errors.Is(err, syscall.EIO) || errors.Is(err, verifier.ErrUnknownKey) {
			t.Errorf("error is %v", err)
		}
	}
	if n := storage.count("List"); n != 1 {
		t.Errorf("listed %d times", n)
	}
	mustSign(t, r)
	storage.before = nil
	c.advance(rereadInterval)
	if _, err := r.Key(t.Context(), "2026-03-17", ""); err != nil {
		t.Errorf("after the storage healed: %v", err)
	}
}

func TestF13RereadsAfterTheClockIsSet(t *testing.T) {
	storage := newStorage(t)
	r, c := clockedRing(t, storage)
	for i, step := range []time.Duration{0, -time.Hour, 10 * 365 * 24 * time.Hour, -20 * 365 * 24 * time.Hour, rereadInterval} {
		c.advance(step)
		isUnknown(t, r, "2026-03-17")
		isUnknown(t, r, "2026-03-17")
		if n := storage.count("List"); n != i+1 {
			t.Errorf("after step %d of %s: listed %d times", i, step, n)
		}
	}
}

// goroutinesHere counts those of the test's bubble: the runtime has others, which come
// and go.
func goroutinesHere() int {
	stacks := make([]byte, 1<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("synctest bubble"))
}

// TestF04HangingStorageHoldsUpNoRequest never returns and ignores its context.
func TestF04HangingStorageHoldsUpNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newStorage(t)
		r, c := clockedRing(t, storage)
		addKey(t, storage, "2026-03-17", "EdDSA")
		heal := make(chan struct{})
		storage.before = func(context.Context, call) error { <-heal; return nil }

		goroutines, start := goroutinesHere(), time.Now()
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				if _, err := r.Key(t.Context(), "2026-03-17", ""); err == nil || errors.Is(err, verifier.ErrUnknownKey) {
					t.Errorf("error is %v", err)
				}
			})
		}
		callers.Wait()
		if waited := time.Since(start); waited != rereadTimeout {
			t.Errorf("waited %s", waited)
		}
		for range 10 {
			c.advance(rereadInterval)
			if _, err := r.Key(t.Context(), "2026-03-17", ""); err == nil || errors.Is(err, verifier.ErrUnknownKey) {
				t.Errorf("error is %v", err)
			}
		}
		if waited := time.Since(start); waited != rereadTimeout {
			t.Errorf("later callers waited as well, %s in all", waited)
		}
		mustSign(t, r)
		synctest.Wait()
		if n := goroutinesHere() - goroutines; n != 1 || storage.count("List") != 1 {
			t.Errorf("%d goroutines are stuck, listed %d times", n, storage.count("List"))
		}

		close(heal)
		synctest.Wait()
		if n := goroutinesHere() - goroutines; n != 0 {
			t.Errorf("%d goroutines are left", n)
		}
		c.advance(rereadInterval)
		if _, err := r.Key(t.Context(), "2026-03-17", ""); err != nil {
			t.Errorf("after the storage healed: %v", err)
		}
	})
}

// TestF04SlowStorageHoldsUpNoRequestForLong honours its context.
func TestF04SlowStorageHoldsUpNoRequestForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newStorage(t)
		r, c := clockedRing(t, storage)
		storage.before = func(ctx context.Context, _ call) error { <-ctx.Done(); return ctx.Err() }
		for range 2 {
			start := time.Now()
			if _, err := r.Key(t.Context(), "2026-03-17", ""); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error is %v", err)
			}
			if waited := time.Since(start); waited != rereadTimeout {
				t.Errorf("waited %s", waited)
			}
			synctest.Wait()
			c.advance(rereadInterval)
		}
	})
}

// TestCallerWhoLeaves does not take the read away from the others.
func TestCallerWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newStorage(t)
		r, _ := clockedRing(t, storage)
		addKey(t, storage, "2026-03-17", "EdDSA")
		held := make(chan struct{})
		storage.before = func(context.Context, call) error { <-held; return nil }
		ctx, leave := context.WithCancel(t.Context())
		left, stayed := make(chan error, 1), make(chan error, 1)
		key := func(ctx context.Context, result chan<- error) {
			_, err := r.Key(ctx, "2026-03-17", "")
			result <- err
		}
		go key(ctx, left)
		synctest.Wait()
		go key(t.Context(), stayed)
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) || errors.Is(err, verifier.ErrUnknownKey) {
			t.Errorf("who left got %v", err)
		}
		close(held)
		if err := <-stayed; err != nil {
			t.Errorf("who stayed got %v", err)
		}
	})
}

// TestOvertakenReadChangesNothing: what it found is older than what the ring has.
func TestOvertakenReadChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newStorage(t)
		r, _ := clockedRing(t, storage)
		held, first := make(chan struct{}), true
		storage.listed = func(names []string, err error) ([]string, error) {
			if first {
				first = false
				<-held
			}
			return names, err
		}
		slow := make(chan error, 1)
		go func() { slow <- r.Load(t.Context()) }()
		synctest.Wait()
		addKey(t, storage, "2026-03-17", "EdDSA")
		mustLoad(t, r)
		close(held)
		if err := <-slow; err != nil {
			t.Error(err)
		}
		if got := published(t, r); !slices.Equal(got, []string{"2026-03-17", "2026-03-16"}) {
			t.Errorf("published %q", got)
		}
	})
}
