// Package storage makes Caddy's storage keep to its contexts, and says where in it
// the things of an issuer are.
package storage

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	// mostRunning is how many operations may be under way at once. It is reached
	// only where they do not end.
	mostRunning = 16
	// releaseTimeout bounds the release of a lock that came too late.
	releaseTimeout = 10 * time.Second
)

// ErrStuck says that so many operations have not ended that no other is begun.
var ErrStuck = errors.New("earlier operations on the storage have not ended")

// Bounded is a storage whose operations end when their context does. Some
// storages do not heed it: a network file system that hangs would hold up a reload,
// or the end of Caddy, without end. What hangs goes on alone; only so many can.
type Bounded struct {
	storage certmagic.Storage
	running atomic.Int32
}

// NewBounded bounds the storage.
func NewBounded(s certmagic.Storage) *Bounded { return &Bounded{storage: s} }

// String tells the storage from another.
func (b *Bounded) String() string { return fmt.Sprintf("%T %v", b.storage, b.storage) }

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
	if b.running.Add(1) > mostRunning {
		b.running.Add(-1)
		return none, ErrStuck
	}
	ended, left := make(chan result[T]), make(chan struct{})
	go func() {
		defer b.running.Add(-1)
		value, err := operation()
		select {
		case ended <- result[T]{value, err}:
		case <-left:
			if late != nil {
				late(value, err)
			}
		}
	}()
	select {
	case r := <-ended:
		return r.value, r.err
	case <-ctx.Done():
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
	_, err := within(ctx, b, func() (struct{}, error) { return struct{}{}, b.storage.Lock(ctx, name) },
		func(_ struct{}, err error) {
			if err != nil {
				return
			}
			releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
			defer cancel()
			_ = b.storage.Unlock(releasing, name) // it goes stale by itself where this fails
		})
	return err
}

// Unlock is certmagic's.
func (b *Bounded) Unlock(ctx context.Context, name string) error {
	return withinError(ctx, b, func() error { return b.storage.Unlock(ctx, name) })
}

// Store is certmagic's. After an error of the context, the value may still get there.
func (b *Bounded) Store(ctx context.Context, key string, value []byte) error {
	return withinError(ctx, b, func() error { return b.storage.Store(ctx, key, value) })
}

// Load is certmagic's.
func (b *Bounded) Load(ctx context.Context, key string) ([]byte, error) {
	return within(ctx, b, func() ([]byte, error) { return b.storage.Load(ctx, key) }, nil)
}

// Delete is certmagic's.
func (b *Bounded) Delete(ctx context.Context, key string) error {
	return withinError(ctx, b, func() error { return b.storage.Delete(ctx, key) })
}

// Exists always says no: some storages answer that to an outage, so nothing here
// may ask.
func (b *Bounded) Exists(context.Context, string) bool { return false }

// List is certmagic's.
func (b *Bounded) List(ctx context.Context, prefix string, recursive bool) ([]string, error) {
	return within(ctx, b, func() ([]string, error) { return b.storage.List(ctx, prefix, recursive) }, nil)
}

// Stat is certmagic's.
func (b *Bounded) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	return within(ctx, b, func() (certmagic.KeyInfo, error) { return b.storage.Stat(ctx, key) }, nil)
}

// Interface guard
var _ certmagic.Storage = (*Bounded)(nil)
