package storage

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// slowLoads is file storage whose Load waits for a signal, whatever its context.
type slowLoads struct {
	*certmagic.FileStorage
	begun sync.WaitGroup
	go_   chan struct{}
}

func (s *slowLoads) Load(ctx context.Context, key string) ([]byte, error) {
	s.begun.Done()
	<-s.go_
	return s.FileStorage.Load(ctx, key)
}

func loads(ctx context.Context, b *Bounded, n int) (wait func() []error) {
	errs, ended := make([]error, n), new(sync.WaitGroup)
	for i := range n {
		ended.Go(func() { _, errs[i] = b.Load(ctx, "x") })
	}
	return func() []error { ended.Wait(); return errs }
}

// a lock is held, so many other operations hang for a moment, and its release
// is refused. It is never released: this process keeps the lock file fresh.
func TestUnlockIsNeverRefused(t *testing.T) {
	slow := &slowLoads{FileStorage: &certmagic.FileStorage{Path: t.TempDir()}, go_: make(chan struct{})}
	b, ctx := NewBounded(slow), t.Context()
	if err := b.Lock(ctx, "keys"); err != nil {
		t.Fatal(err)
	}
	slow.begun.Add(mostAbandoned)
	wait := loads(ctx, b, mostAbandoned)
	slow.begun.Wait()
	if err := b.Unlock(ctx, "keys"); err != nil {
		t.Errorf("Unlock: %v", err)
	}
	close(slow.go_) // the storage is well again
	wait()
	trying, cancel := context.WithTimeout(ctx, 15*time.Second) // file storage takes a lock for stale after ten
	defer cancel()
	other := &certmagic.FileStorage{Path: slow.Path}
	if err := other.Lock(trying, "keys"); err != nil {
		t.Errorf("nobody can ever lock again: %v", err)
	} else if err := other.Unlock(ctx, "keys"); err != nil {
		t.Error(err)
	}
}

// seventeen issuers, whose maintenance begins in the same moment, each with
// one operation on a storage that answers in time, as over a network.
func TestManyIssuersAreNotStuck(t *testing.T) {
	slow := &slowLoads{FileStorage: &certmagic.FileStorage{Path: t.TempDir()}, go_: make(chan struct{})}
	const issuers = mostAbandoned + 1
	if err := slow.Store(t.Context(), "x", []byte("y")); err != nil {
		t.Fatal(err)
	}
	slow.begun.Add(issuers)
	wait := loads(t.Context(), NewBounded(slow), issuers)
	time.AfterFunc(50*time.Millisecond, func() { close(slow.go_) })
	for _, err := range wait() {
		if errors.Is(err, ErrStuck) {
			t.Errorf("%v, on a storage that answers within 50 ms", err)
		}
	}
}
