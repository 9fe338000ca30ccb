package signing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

const (
	// writeTimeout bounds the write of an entry, and the age of the listing before it.
	// After a longer delay, the work begins again.
	writeTimeout = time.Minute
	// unlockTimeout bounds the release of the lock.
	unlockTimeout = 5 * time.Second
)

// Ready makes the first key if there is none. This key signs at once. Call it before a
// configuration that issues is in force. It writes nothing else, because such a
// configuration may never start. After it, Run also rotates the keys. It is idempotent,
// and correct even if the lock of the storage does not exclude another node: entries are
// immutable, and every node chooses the same key after it lists the entries again. It
// returns an error, and changes nothing, if the active key cannot be decrypted.
func (r *Ring) Ready(ctx context.Context) error {
	r.issues.Store(true)
	if err := r.outside.read(ctx); err != nil {
		return err
	}
	found, err := r.refresh(ctx)
	if err != nil {
		return err
	}
	if err := r.fit(found); err != nil || r.Active() != nil {
		return err
	}
	return r.locked(ctx, func(found *listing) error {
		switch {
		case r.Active() != nil:
			return r.fit(found)
		case r.outside != nil:
			return r.publishOutside(ctx, found)
		}
		return r.makeFirst(ctx, found)
	})
}

// Ensure is Ready for a configuration that is in force. It also makes a successor if the
// newest key is not as configured: it has another algorithm, is stored unencrypted
// although it must be encrypted, or is not the first key outside. The key before signs
// until the successor takes over.
func (r *Ring) Ensure(ctx context.Context) error {
	if err := r.Ready(ctx); err != nil || r.ensured() {
		return err
	}
	return r.locked(ctx, func(found *listing) error {
		if err := r.fit(found); err != nil || r.ensured() {
			return err
		}
		if r.outside != nil {
			return r.publishOutside(ctx, found)
		}
		// The newest key is not as configured.
		now := r.now()
		_, err := r.makeSuccessor(ctx, found, r.algorithm, now, r.soonest(now))
		return err
	})
}

func (r *Ring) ensured() bool {
	if r.outside != nil {
		return r.outsidePublished()
	}
	newest := r.newest()
	return newest != nil && !newest.outside && newest.Algorithm == r.algorithm && (newest.sealed != nil || r.store.encryption == nil)
}

// fit returns an error if the storage has lost the active key, if this server cannot
// decrypt it, or if a key from outside cannot be published.
func (r *Ring) fit(found *listing) error {
	return errors.Join(r.lost(), r.undecryptable(found), r.outsideConflict())
}

// undecryptable returns an error if the active key cannot be decrypted. For a key that
// will sign later, it logs a warning: the key before it continues to sign here.
func (r *Ring) undecryptable(found *listing) error {
	ks, now := r.current.Load(), r.now()
	active := activeAt(ks.members, now, ever)
	for i, m := range ks.members {
		j := slices.IndexFunc(found.keys, func(k *Key) bool { return sameEntry(k, m.Key) })
		if j < 0 || found.keys[j].sealed == nil || found.keys[j].signs() {
			continue
		}
		err := fmt.Errorf("the key %s is encrypted with the key encryption key %s, and key_encryption_key has: %s; add the right one, behind the one for new keys",
			m.ID, found.keys[j].sealed.KeyEncryptionKey, r.store.encryption.ids())
		switch stateAt(ks.members, i, active, now) {
		case Active:
			return err
		case Next:
			if r.seen.first("undecryptable " + entryName(m.Key)) {
				r.logger.Warn("the next signing key cannot be decrypted here", zap.Error(err))
			}
		case Retired, Unreadable:
		}
	}
	return nil
}

// newest returns the key before the next successor. If a wrong clock made all keys, it is
// the active one.
func (r *Ring) newest() *Key {
	if k := r.rotation.newest(r.current.Load().members, r.now()); k != nil {
		return k
	}
	return r.Active()
}

// soonest returns when a key made now may sign: after it was published for long enough,
// and after every key that waits already.
func (r *Ring) soonest(now time.Time) time.Time {
	soonest := now.Add(minLead)
	if k := r.rotation.newest(r.current.Load().members, now); k != nil {
		soonest = later(soonest, k.SignsFrom.Add(time.Second))
	}
	return soonest
}

// locked calls work under the lock of the cluster, with a new listing.
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

func (r *Ring) makeFirst(ctx context.Context, found *listing) error {
	if len(found.unreadable) > 0 {
		// One of these may be the key that signed yesterday's tokens.
		return fmt.Errorf("no usable key, and entries that cannot be read: %s; repair them, or delete them to have a new key made",
			strings.Join(lines(found.unreadable), "; "))
	}
	now := r.now()
	k, err := r.generate(found, r.algorithm, now, now)
	if err != nil {
		return err
	}
	if err := r.write(ctx, found, k); err != nil {
		return err
	}
	if _, err := r.refresh(ctx); err != nil {
		return err
	}
	if r.Active() == nil {
		return notReadBack(k)
	}
	return r.lost()
}

// makeSuccessor writes a key for all nodes. It stays in memory even if the storage does
// not list it yet, so that it is not made again.
func (r *Ring) makeSuccessor(ctx context.Context, found *listing, algorithm string, now, signsFrom time.Time) (*Key, error) {
	k, err := r.generate(found, algorithm, now, signsFrom)
	if err != nil {
		return nil, err
	}
	if err := r.publish(ctx, found, k); err != nil {
		return nil, err
	}
	return k, nil
}

// generate makes a key with a new kid, in the form in which it is stored.
func (r *Ring) generate(found *listing, algorithm string, now, signsFrom time.Time) (*Key, error) {
	id, err := newKeyID(now, found.taken)
	if err != nil {
		return nil, err
	}
	k, err := generate(id.String(), algorithm, now, signsFrom)
	if err != nil {
		return nil, err
	}
	return k, r.store.encryption.seal(r.store.issuer, k)
}

// publish writes a key and reads it back.
func (r *Ring) publish(ctx context.Context, found *listing, k *Key) error {
	if err := r.write(ctx, found, k); err != nil {
		return err
	}
	if !k.atOnce() {
		if err := r.remember(k); err != nil {
			return err
		}
	}
	if _, err := r.refresh(ctx); err != nil {
		return err
	}
	if !r.current.Load().has(k) {
		return notReadBack(k)
	}
	return nil
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
	message := "signing key created"
	if k.outside {
		message = "signing key from outside published"
	}
	r.logger.Info(message, zap.String("kid", k.ID), zap.String("algorithm", k.Algorithm), zap.Time("signs_from", k.SignsFrom))
	return nil
}

// errHeldUp is for a delay while the lock is held: another node may have the lock by now,
// and the key would be late.
var errHeldUp = errors.New("too much time has passed since the keys were listed; no key was made")

// remember adds a new key that was written.
func (r *Ring) remember(k *Key) error {
	for {
		before := r.current.Load()
		members := slices.DeleteFunc(slices.Clone(before.members), func(m member) bool { return sameEntry(m.Key, k) })
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
