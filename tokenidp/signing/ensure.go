package signing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"
)

const (
	// writeTimeout bounds the writing of an entry, and how old the listing may
	// be on which it rests: who was held up for longer begins again.
	writeTimeout = time.Minute
	// unlockTimeout bounds the release of the lock after its work was done.
	unlockTimeout = 5 * time.Second
)

// Ensure makes the first key where there is none, which signs at once, and a
// successor where the configured algorithm is not that of the newest key; until
// the successor's time the old algorithm signs. Only the side that issues calls
// it, when a configuration loads. It is idempotent, and correct even where the
// storage's lock fails to exclude another node: entries are immutable, and every
// node derives the same from what it lists after writing.
func (r *Ring) Ensure(ctx context.Context) error {
	if err := r.Load(ctx); err != nil || r.ensured() {
		return err
	}
	return r.locked(ctx, func(found *listing) error {
		if r.Active() == nil {
			var err error
			if found, err = r.makeFirst(ctx, found); err != nil {
				return err
			}
		}
		if err := r.lost(); err != nil || r.ensured() {
			return err
		}
		// Another algorithm than the newest key's: a rotation like any other.
		now := r.now()
		_, err := r.makeSuccessor(ctx, found, r.algorithm, now, r.soonest(now))
		return err
	})
}

func (r *Ring) ensured() bool {
	newest := r.newest()
	return newest != nil && newest.Algorithm == r.algorithm
}

// newest is the key whose successor the next one will be. Where a wrong clock
// made all that there are, it is the one that signs.
func (r *Ring) newest() *Key {
	if k := r.rotation.newest(r.current.Load().members, r.now()); k != nil {
		return k
	}
	return r.Active()
}

// soonest is when a key made now may sign: published for long enough, and after
// every key that waits already.
func (r *Ring) soonest(now time.Time) time.Time {
	soonest := now.Add(minLead)
	if k := r.rotation.newest(r.current.Load().members, now); k != nil {
		soonest = later(soonest, k.SignsFrom.Add(time.Second))
	}
	return soonest
}

// locked does the work under the cluster's lock, with a listing made there.
func (r *Ring) locked(ctx context.Context, work func(*listing) error) error {
	lock := r.store.lockName()
	if err := r.store.storage.Lock(ctx, lock); err != nil {
		return fmt.Errorf("locking %s: %w", lock, err)
	}
	defer r.unlock(ctx, lock)
	found, err := r.refresh(ctx)
	if err != nil {
		return err
	}
	return work(found)
}

func (r *Ring) unlock(ctx context.Context, lock string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
	defer cancel()
	if err := r.store.storage.Unlock(ctx, lock); err != nil {
		r.logger.Error("unlocking", zap.String("lock", lock), zap.Error(err))
	}
}

func (r *Ring) makeFirst(ctx context.Context, found *listing) (*listing, error) {
	if len(found.unreadable) > 0 {
		// One of these may be the key that signed yesterday's tokens.
		return nil, fmt.Errorf("no usable key, and entries that cannot be read: %s; repair them, or delete them to have a new key made",
			strings.Join(lines(found.unreadable), "; "))
	}
	now := r.now()
	k, err := generate(firstKeyID(now).String(), r.algorithm, now, now)
	if err != nil {
		return nil, err
	}
	if err := r.write(ctx, found, k); err != nil {
		return nil, err
	}
	if found, err = r.refresh(ctx); err != nil {
		return nil, err
	}
	if r.Active() == nil {
		return nil, notReadBack(k)
	}
	return found, nil
}

// makeSuccessor writes a key for every node to find. One that signs later is
// kept in memory from then on, even where the storage is slow to show it, so
// that it is not made again.
func (r *Ring) makeSuccessor(ctx context.Context, found *listing, algorithm string, now, signsFrom time.Time) (*Key, error) {
	id, err := successorID(now, found.taken)
	if err != nil {
		return nil, err
	}
	k, err := generate(id.String(), algorithm, now, signsFrom)
	if err != nil {
		return nil, err
	}
	if err := r.write(ctx, found, k); err != nil {
		return nil, err
	}
	if !k.atOnce() {
		if err := r.remember(k); err != nil {
			return nil, err
		}
	}
	if _, err := r.refresh(ctx); err != nil {
		return nil, err
	}
	if !r.current.Load().has(k) {
		return nil, notReadBack(k)
	}
	return k, nil
}

func notReadBack(k *Key) error {
	return fmt.Errorf("the key %s was written, but is not found on reading back: either the storage does not show what was written, or another node took the same kid", k.ID)
}

func (r *Ring) write(ctx context.Context, found *listing, k *Key) error {
	if at := r.moment(); at.elapsed-found.begun.elapsed > writeTimeout || at.wall.Sub(found.begun.wall) > writeTimeout {
		return errHeldUp
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := r.store.write(ctx, k); err != nil {
		return err
	}
	r.logger.Info("signing key created",
		zap.String("kid", k.ID), zap.String("algorithm", k.Algorithm), zap.Time("signs_from", k.SignsFrom))
	return nil
}

// errHeldUp is for a holder of the lock who slept: the lock may have gone to
// another, and the key would be late.
var errHeldUp = errors.New("too much time has passed since the keys were listed; no key was made")

// remember adds a key that was just written.
func (r *Ring) remember(k *Key) error {
	for {
		before := r.current.Load()
		members := make([]member, 0, len(before.members)+1)
		members = append(members, before.members...)
		members = append(members, member{Key: k, trustedFrom: trustedFrom(k, before.read, r.moment())})
		next, err := newKeys(members)
		if err != nil {
			return err
		}
		next.unreadable, next.read = before.unreadable, before.read
		if r.current.CompareAndSwap(before, next) {
			return nil
		}
	}
}
