package tokenidp

import (
	"context"
	"io"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// carryovers has the values that outlive a configuration reload, by [carryoverKey]. Each
// is dropped with the last configuration that uses it.
var carryovers = caddy.NewUsagePool()

// carryoverKey has a different type for each T, so values of two kinds never share a name.
type carryoverKey[T any] struct{ name string }

// carryover is a value that outlives a reload.
type carryover[T any] struct{ value T }

// carry returns the value that the loaded configurations have under the name. If none
// has it yet, it calls construct. release gives the value back; the last one to do so
// closes it, if it is an [io.Closer]. After an error there is nothing to release. A
// sandbox shares with nobody.
func carry[T any](ctx context.Context, name string, construct func() (T, error)) (value T, release func() error, err error) {
	key, pool := carryoverKey[T]{name}, carryovers
	if s := sandboxFrom(ctx); s != nil {
		pool = s.carryovers
	}
	loaded, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) {
		value, err := construct()
		return carryover[T]{value}, err
	})
	if err != nil {
		return value, nil, err
	}
	release = func() error {
		_, err := pool.Delete(key)
		return err
	}
	return loaded.(carryover[T]).value, release, nil
}

// Destruct closes the value. Caddy calls it after the last release.
func (c carryover[T]) Destruct() error {
	if closer, ok := any(c.value).(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// succession has one value for each running configuration, the newest last. During a
// configuration reload there are two. A configuration that is loaded and does not start is
// not among them.
type succession[T any] struct {
	mu      sync.Mutex
	running []*T
}

// enter adds the value of a configuration that starts. Call leave when it ends.
func (s *succession[T]) enter(value *T) (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(s.running, value)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running = slices.DeleteFunc(s.running, func(other *T) bool { return other == value })
	}
}

// latest returns the value of the configuration that started last, or nil.
func (s *succession[T]) latest() *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.running) == 0 {
		return nil
	}
	return s.running[len(s.running)-1]
}
