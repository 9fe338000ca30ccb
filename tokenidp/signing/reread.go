package signing

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

const (
	// rereadInterval is the least time between two reads of the storage for unknown kids,
	// however many of them arrive.
	rereadInterval = 5 * time.Second
	// rereadTimeout bounds how long requests wait for such a read.
	rereadTimeout = 2 * time.Second
)

// Key returns a key for verification. Ring is a verifier.KeySource. A known key is
// returned at once. An unknown kid may be of another node's new key, so it causes a read
// of the storage, limited in time and number. A kid has one key here, of any algorithm.
func (r *Ring) Key(ctx context.Context, kid, _ string) (*jws.Key, error) {
	if k, ok := r.current.Load().byID[kid]; ok {
		return k, nil
	}
	err := r.rereadOnce(ctx)
	if k, ok := r.current.Load().byID[kid]; ok {
		return k, nil
	}
	if err != nil {
		return nil, &verifier.OutOfReach{Err: fmt.Errorf("reading the keys again: %w", err), RetryAfter: r.nextReread()}
	}
	return nil, verifier.ErrUnknownKey
}

// nextReread returns the time until the storage may be read again for an unknown key.
func (r *Ring) nextReread() time.Duration {
	r.rereading.Lock()
	defer r.rereading.Unlock()
	return min(rereadInterval, max(0, r.reread.startedAt.Add(rereadInterval).Sub(r.now())))
}

// RereadSince reports whether a read for an unknown kid began at that time or later. Then
// every key that was stored before is known.
func (r *Ring) RereadSince(at time.Time) bool {
	r.rereading.Lock()
	read := r.reread
	r.rereading.Unlock()
	if read == nil || read.startedAt.Before(at) {
		return false
	}
	select {
	case <-read.answered:
		return read.err == nil
	default:
		return false
	}
}

// reread is one read of the storage. All requests that wait for it share it.
type reread struct {
	startedAt time.Time
	answered  chan struct{} // closed when err is set
	err       error
	running   atomic.Bool // still true after the answer, where the storage hangs
}

func (r *Ring) rereadOnce(ctx context.Context) error {
	read := r.latestReread()
	select {
	case <-read.answered:
		return read.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// latestReread returns the last read. It starts a new one if that has ended and the
// interval has passed.
func (r *Ring) latestReread() *reread {
	r.rereading.Lock()
	defer r.rereading.Unlock()
	now := r.now()
	if last := r.reread; last != nil {
		age := now.Sub(last.startedAt)
		if recent := age >= 0 && age < rereadInterval; recent || last.running.Load() {
			return last
		}
	}
	r.reread = &reread{startedAt: now, answered: make(chan struct{})}
	r.reread.running.Store(true)
	go r.reread.run(func(ctx context.Context) error {
		_, err := r.refresh(ctx)
		return err
	})
	return r.reread
}

// run ends in time even if the storage hangs and ignores its context. Then one goroutine
// is stuck, and no other is started before it returns. No request can cancel the read for
// the others.
func (read *reread) run(load func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), rereadTimeout)
	defer cancel()
	loaded := make(chan error, 1)
	go func() {
		err := load(ctx)
		read.running.Store(false)
		loaded <- err
	}()
	select {
	case read.err = <-loaded:
	case <-ctx.Done():
		read.err = ctx.Err()
	}
	close(read.answered)
}
