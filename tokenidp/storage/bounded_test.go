package storage

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
)

// hanging is a storage that hangs until it is healed, whatever the context says,
// as a network file system does.
type hanging struct {
	*certmagic.FileStorage
	healed chan struct{}
	mu     sync.Mutex
	calls  map[string]int
}

func newHanging(t *testing.T) *hanging {
	return &hanging{
		FileStorage: &certmagic.FileStorage{Path: t.TempDir()},
		healed:      make(chan struct{}), calls: make(map[string]int),
	}
}

func (h *hanging) hang(op string) {
	<-h.healed
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls[op]++
}

func (h *hanging) Lock(ctx context.Context, name string) error {
	h.hang("Lock")
	return nil
}

func (h *hanging) Unlock(context.Context, string) error { h.hang("Unlock"); return nil }

func (h *hanging) Store(ctx context.Context, key string, value []byte) error {
	h.hang("Store")
	return h.FileStorage.Store(ctx, key, value)
}

func (h *hanging) Load(ctx context.Context, key string) ([]byte, error) {
	h.hang("Load")
	return h.FileStorage.Load(ctx, key)
}

func (h *hanging) Delete(ctx context.Context, key string) error {
	h.hang("Delete")
	return h.FileStorage.Delete(ctx, key)
}

func (h *hanging) List(ctx context.Context, prefix string, recursive bool) ([]string, error) {
	h.hang("List")
	return h.FileStorage.List(ctx, prefix, recursive)
}

func (h *hanging) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	h.hang("Stat")
	return h.FileStorage.Stat(ctx, key)
}

// operations are all that a storage does.
func operations(b *Bounded) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Lock":   func(ctx context.Context) error { return b.Lock(ctx, "x") },
		"Unlock": func(ctx context.Context) error { return b.Unlock(ctx, "x") },
		"Store":  func(ctx context.Context) error { return b.Store(ctx, "x", []byte("y")) },
		"Load":   func(ctx context.Context) error { _, err := b.Load(ctx, "x"); return err },
		"Delete": func(ctx context.Context) error { return b.Delete(ctx, "x") },
		"List":   func(ctx context.Context) error { _, err := b.List(ctx, "", false); return err },
		"Stat":   func(ctx context.Context) error { _, err := b.Stat(ctx, "x"); return err },
	}
}

// TestF04StorageThatIgnoresItsContext holds up nobody for longer than he waits.
func TestF04StorageThatIgnoresItsContext(t *testing.T) {
	for name := range operations(nil) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHanging(t)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				start := time.Now()
				err := operations(NewBounded(h))[name](ctx)
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*time.Second {
					t.Errorf("%v after %s", err, time.Since(start))
				}
				close(h.healed)
				synctest.Wait()
			})
		})
	}
}

// TestF04LockThatComesTooLate is released: else nobody would make a key again.
func TestF04LockThatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHanging(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := NewBounded(h).Lock(ctx, "x"); err == nil {
			t.Error("locked")
		}
		close(h.healed)
		synctest.Wait()
		if h.calls["Lock"] != 1 || h.calls["Unlock"] != 1 {
			t.Errorf("calls %v", h.calls)
		}
	})
}

// TestF04WhatHangsIsBounded in number, and all goes on when the storage is back.
func TestF04WhatHangsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHanging(t)
		b := NewBounded(h)
		stuck := 0
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := b.Store(ctx, "x", nil); errors.Is(err, ErrStuck) {
				stuck++
			}
			cancel()
		}
		if stuck != 100-mostAbandoned {
			t.Errorf("%d of 100 were not begun", stuck)
		}
		close(h.healed)
		synctest.Wait()
		if err := b.Store(t.Context(), "x", []byte("y")); err != nil || h.calls["Store"] != mostAbandoned+1 {
			t.Errorf("%v, calls %v", err, h.calls)
		}
	})
}

// TestF04ValueThatComesTooLate is removed: its writer was told that it is not there.
func TestF04ValueThatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHanging(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := NewBounded(h).Store(ctx, "x", []byte("y")); err == nil {
			t.Error("stored")
		}
		close(h.healed)
		synctest.Wait()
		if _, err := h.FileStorage.Load(t.Context(), "x"); !errors.Is(err, fs.ErrNotExist) || h.calls["Store"] != 1 {
			t.Errorf("%v, calls %v", err, h.calls)
		}
	})
}

// What is kept over a reload goes on with the storage of the configuration in force.
func TestBoundedFollows(t *testing.T) {
	a, b := NewBounded(&certmagic.FileStorage{Path: t.TempDir()}), NewBounded(&certmagic.FileStorage{Path: t.TempDir()})
	if a.String() == b.String() {
		t.Error("two storages have one name")
	}
	leave := a.Follow(b)
	if err := a.Store(t.Context(), "x", []byte("y")); err != nil {
		t.Fatal(err)
	}
	if value, err := b.Load(t.Context(), "x"); err != nil || string(value) != "y" {
		t.Errorf("%q, %v", value, err)
	}
	leave()
	if value, err := a.Load(t.Context(), "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after b has ended: %q, %v", value, err)
	}
	leave = a.Follow(b)
	a.Closed()
	leave()
	if value, err := a.Load(t.Context(), "x"); err != nil || string(value) != "y" {
		t.Errorf("it went back to what is closed: %q, %v", value, err)
	}
}

func TestBoundedIsTheStorageItself(t *testing.T) {
	b, ctx := NewBounded(&certmagic.FileStorage{Path: t.TempDir()}), t.Context()
	if _, err := b.Load(ctx, "a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load: %v", err)
	}
	if err := errors.Join(b.Lock(ctx, "l"), b.Store(ctx, "a/b", []byte("c")), b.Unlock(ctx, "l")); err != nil {
		t.Fatal(err)
	}
	value, err := b.Load(ctx, "a/b")
	info, statErr := b.Stat(ctx, "a/b")
	names, listErr := b.List(ctx, "a", false)
	if string(value) != "c" || info.Size != 1 || len(names) != 1 || errors.Join(err, statErr, listErr) != nil {
		t.Errorf("%q %v %v: %v %v %v", value, info, names, err, statErr, listErr)
	}
	if err := b.Delete(ctx, "a/b"); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for name, operation := range operations(b) {
		if err := operation(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("%s under an ended context: %v", name, err)
		}
	}
}
