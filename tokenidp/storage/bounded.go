// Package storage bounds the time of operations of Caddy's storage, and has the names of
// this project's entries in it.
package storage

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	// mostAbandoned is how many operations may still run after their context has ended.
	mostAbandoned = 16
	// releaseTimeout bounds the release of a lock, or the removal of a value, that arrived
	// after the context had ended.
	releaseTimeout = 10 * time.Second
)

// ErrStuck means that too many operations have not ended, so no other is started.
var ErrStuck = errors.New("earlier operations on the storage have not ended")

// Bounded is a storage whose operations end with their context. Some storages ignore their
// context: a network file system that hangs would block a configuration reload, or the
// shutdown of Caddy. A hanging operation continues in the background; their number is
// bounded.
type Bounded struct {
	own       *connection
	current   atomic.Pointer[connection]
	abandoned atomic.Int32
}

// connection is the storage of one configuration.
type connection struct {
	certmagic.Storage
	closed atomic.Bool
}

// NewBounded returns a Bounded for the storage.
func NewBounded(s certmagic.Storage) *Bounded {
	b := &Bounded{own: &connection{Storage: s}}
	b.current.Store(b.own)
	return b
}

func (b *Bounded) storage() certmagic.Storage { return b.current.Load().Storage }

// Follow switches to the storage of the other, which is the same storage in a later
// configuration. The storage of the earlier configuration may be closed with it. If the
// later configuration ends first, because it did not start, leave switches back.
func (b *Bounded) Follow(other *Bounded) (leave func()) {
	after := other.current.Load()
	before := b.current.Swap(after)
	return func() {
		if !before.closed.Load() {
			b.current.CompareAndSwap(after, before)
		}
	}
}

// Closed must be called when the configuration that made the storage has ended. It is not
// used any more after that.
func (b *Bounded) Closed() { b.own.closed.Store(true) }

// String returns a name that is the same for storages with the same module and
// configuration. It hashes the configuration, which may have secrets.
func (b *Bounded) String() string {
	s := b.storage()
	configured, err := json.Marshal(s)
	if err != nil {
		configured = fmt.Append(nil, s)
	}
	return fmt.Sprintf("%T %x", s, sha256.Sum256(configured))
}

type result[T any] struct {
	value T
	err   error
}

// within waits for the operation until the context ends. If the context ends first, late
// is called with the result of the operation.
func within[T any](ctx context.Context, b *Bounded, operation func() (T, error), late func(T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if b.abandoned.Load() >= mostAbandoned {
		return none, ErrStuck
	}
	ended, left := make(chan result[T]), make(chan struct{})
	go func() {
		value, err := operation()
		select {
		case ended <- result[T]{value, err}:
		case <-left:
			b.abandoned.Add(-1)
			if late != nil {
				late(value, err)
			}
		}
	}()
	select {
	case r := <-ended:
		return r.value, r.err
	case <-ctx.Done():
		b.abandoned.Add(1)
		close(left)
		return none, ctx.Err()
	}
}

func withinError(ctx context.Context, b *Bounded, operation func() error) error {
	_, err := within(ctx, b, func() (struct{}, error) { return struct{}{}, operation() }, nil)
	return err
}

// Lock implements certmagic's Locker. It releases a lock that it gets after the context
// has ended.
func (b *Bounded) Lock(ctx context.Context, name string) error {
	_, err := within(ctx, b, func() (struct{}, error) { return struct{}{}, b.storage().Lock(ctx, name) },
		func(_ struct{}, err error) {
			if err != nil {
				return
			}
			releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
			defer cancel()
			_ = b.storage().Unlock(releasing, name) // it goes stale by itself where this fails
		})
	return err
}

// Unlock implements certmagic's Locker. It is always started, because some storages keep a
// lock that is not released for the life of the process.
func (b *Bounded) Unlock(ctx context.Context, name string) error {
	return withinError(ctx, new(Bounded), func() error { return b.storage().Unlock(ctx, name) })
}

// Store implements certmagic's Storage. It removes a value that is stored after the
// context has ended: the caller got an error, and may have stored another value.
func (b *Bounded) Store(ctx context.Context, key string, value []byte) error {
	_, err := within(ctx, b, func() (struct{}, error) { return struct{}{}, b.storage().Store(ctx, key, value) },
		func(_ struct{}, err error) {
			if err == nil {
				releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
				defer cancel()
				_ = b.storage().Delete(releasing, key)
			}
		})
	return err
}

// storeOrLeave is Store, but a value that is stored after the context has ended stays.
func (b *Bounded) storeOrLeave(ctx context.Context, key string, value []byte) error {
	return withinError(ctx, b, func() error { return b.storage().Store(ctx, key, value) })
}

// Load implements certmagic's Storage.
func (b *Bounded) Load(ctx context.Context, key string) ([]byte, error) {
	return within(ctx, b, func() ([]byte, error) { return b.storage().Load(ctx, key) }, nil)
}

// Delete implements certmagic's Storage.
func (b *Bounded) Delete(ctx context.Context, key string) error {
	return withinError(ctx, b, func() error { return b.storage().Delete(ctx, key) })
}

// Exists always returns false. Do not use it: some storages return false during an outage.
func (b *Bounded) Exists(context.Context, string) bool { return false }

// List implements certmagic's Storage.
func (b *Bounded) List(ctx context.Context, prefix string, recursive bool) ([]string, error) {
	return within(ctx, b, func() ([]string, error) { return b.storage().List(ctx, prefix, recursive) }, nil)
}

// Stat implements certmagic's Storage.
func (b *Bounded) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	return within(ctx, b, func() (certmagic.KeyInfo, error) { return b.storage().Stat(ctx, key) }, nil)
}

// Interface guard
var _ certmagic.Storage = (*Bounded)(nil)
