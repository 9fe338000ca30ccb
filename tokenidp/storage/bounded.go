// Package storage makes Caddy's storage keep to its contexts, and says where in it
// the things of an issuer are.
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
	// mostAbandoned is how many operations may go on for which nobody waits any
	// more.
	mostAbandoned = 16
	// releaseTimeout bounds the release of a lock, or the removal of a value, that
	// came too late.
	releaseTimeout = 10 * time.Second
)

// ErrStuck says that so many operations have not ended that no other is begun.
var ErrStuck = errors.New("earlier operations on the storage have not ended")

// Bounded is a storage whose operations end when their context does. Some
// storages do not heed it: a network file system that hangs would hold up a reload,
// or the end of Caddy, without end. What hangs goes on alone; only so many can.
type Bounded struct {
	own       *connection
	current   atomic.Pointer[connection]
	abandoned atomic.Int32
}

// connection is a storage as one configuration made it.
type connection struct {
	certmagic.Storage
	closed atomic.Bool
}

// NewBounded bounds the storage.
func NewBounded(s certmagic.Storage) *Bounded {
	b := &Bounded{own: &connection{Storage: s}}
	b.current.Store(b.own)
	return b
}

func (b *Bounded) storage() certmagic.Storage { return b.current.Load().Storage }

// Follow goes on with the storage of the other, which is the same one under a later
// configuration: what the earlier one made may be closed with it. Where it is the later
// one that ends first, because it did not start, leave goes back.
func (b *Bounded) Follow(other *Bounded) (leave func()) {
	after := other.current.Load()
	before := b.current.Swap(after)
	return func() {
		if !before.closed.Load() {
			b.current.CompareAndSwap(after, before)
		}
	}
}

// Closed is told when the configuration that made the storage has ended: nobody goes
// back to it.
func (b *Bounded) Closed() { b.own.closed.Store(true) }

// String tells the storage from another, over configurations, by its kind and what
// is configured of it, which may be secret and is not shown.
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

// within waits for the operation, but not for longer than the context allows.
// Where that ended first, late is called with what came of it.
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

// Lock releases a lock that is got after its time: nobody else would.
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

// Unlock is always begun: a lock that is not released is kept by some storages for
// the life of the process.
func (b *Bounded) Unlock(ctx context.Context, name string) error {
	return withinError(ctx, new(Bounded), func() error { return b.storage().Unlock(ctx, name) })
}

// Store is certmagic's. What gets there after its time is removed again: whoever
// wanted it there was told that it is not, and may have stored something else.
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

// storeOrLeave is Store, but for what gets there after its time, which stays.
func (b *Bounded) storeOrLeave(ctx context.Context, key string, value []byte) error {
	return withinError(ctx, b, func() error { return b.storage().Store(ctx, key, value) })
}

// Load is certmagic's.
func (b *Bounded) Load(ctx context.Context, key string) ([]byte, error) {
	return within(ctx, b, func() ([]byte, error) { return b.storage().Load(ctx, key) }, nil)
}

// Delete is certmagic's.
func (b *Bounded) Delete(ctx context.Context, key string) error {
	return withinError(ctx, b, func() error { return b.storage().Delete(ctx, key) })
}

// Exists always says no: some storages answer that to an outage, so nothing here
// may ask.
func (b *Bounded) Exists(context.Context, string) bool { return false }

// List is certmagic's.
func (b *Bounded) List(ctx context.Context, prefix string, recursive bool) ([]string, error) {
	return within(ctx, b, func() ([]string, error) { return b.storage().List(ctx, prefix, recursive) }, nil)
}

// Stat is certmagic's.
func (b *Bounded) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	return within(ctx, b, func() (certmagic.KeyInfo, error) { return b.storage().Stat(ctx, key) }, nil)
}

// Interface guard
var _ certmagic.Storage = (*Bounded)(nil)
