package state

import (
	"context"

	"github.com/caddyserver/certmagic"
)

// killable is the storage as a process sees it that is killed at some operation:
// before it, or after it and before the process learns of it.
type killable struct {
	*faulty
	allowed func() bool
	after   bool
	dead    bool
}

func (k *killable) do(operation func() error) error {
	if k.dead {
		return errOut
	}
	if k.allowed() {
		return operation()
	}
	k.dead = true
	if k.after {
		_ = operation()
	}
	return errOut
}

func (k *killable) Store(ctx context.Context, key string, value []byte) error {
	return k.do(func() error { return k.faulty.Store(ctx, key, value) })
}

func (k *killable) Delete(ctx context.Context, key string) error {
	return k.do(func() error { return k.faulty.Delete(ctx, key) })
}

func (k *killable) Load(ctx context.Context, key string) (value []byte, err error) {
	err = k.do(func() error { value, err = k.faulty.Load(ctx, key); return err })
	return value, err
}

func (k *killable) List(ctx context.Context, prefix string, recursive bool) (keys []string, err error) {
	err = k.do(func() error { keys, err = k.faulty.List(ctx, prefix, recursive); return err })
	return keys, err
}

func (k *killable) Stat(ctx context.Context, key string) (info certmagic.KeyInfo, err error) {
	err = k.do(func() error { info, err = k.faulty.Stat(ctx, key); return err })
	return info, err
}
