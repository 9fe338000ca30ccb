package signing

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"
)

// Maintain is for an issuing node, once a MaintenanceInterval. It reads the keys, makes
// the successor that is due or publishes one from outside, stores again what the storage
// has lost, and deletes keys whose tokens have all expired. After an error the ring signs
// and verifies as before, and the next call tries again. It takes as long as the storage
// needs; the context should end before the next call.
func (r *Ring) Maintain(ctx context.Context) error {
	unread := r.outside.read(ctx)
	found, err := r.refresh(ctx)
	if err != nil {
		return err
	}
	if r.Active() == nil {
		return ErrNoKey
	}
	if r.successorDue() || !r.outsidePublished() || len(r.restorable()) > 0 || len(r.deletable(found)) > 0 {
		err = r.locked(ctx, func(found *listing) error {
			return errors.Join(r.restore(ctx), r.rotateIfDue(ctx, found), r.publishOutside(ctx, found), r.prune(ctx, found))
		})
	}
	return errors.Join(unread, err, r.fit(found))
}

func (r *Ring) successorDue() bool {
	now := r.now()
	return r.rotation.due(r.rotation.newest(r.current.Load().members, now), now)
}

// rotateIfDue makes a successor with the algorithm of the newest key. Ensure changes the
// algorithm, when a configuration starts. So nodes with different configurations do not
// rotate against each other.
func (r *Ring) rotateIfDue(ctx context.Context, found *listing) error {
	if !r.successorDue() {
		return nil
	}
	if newest := r.newest(); newest.sealed != nil && r.store.encryption == nil {
		return fmt.Errorf("the successor of %s is due, which is encrypted with %s, and here is no key_encryption_key: it is left to a server that has one", newest.ID, newest.encryption())
	}
	now := r.now()
	signsFrom := r.rotation.successorSigns(r.rotation.newest(r.current.Load().members, now), now)
	_, err := r.makeSuccessor(ctx, found, r.newest().Algorithm, now, signsFrom)
	return err
}

// restorable returns the keys that the storage must not lose: the active one, and those
// that will sign. A lost retired key stays only in memory, so an operator can remove it
// from the storage, and it is gone after a restart.
func (r *Ring) restorable() []*Key {
	at := r.moment()
	members := r.current.Load().members
	active := activeAt(members, at.wall, at.elapsed)
	var lost []*Key
	for i, m := range members {
		if m.missing && stateAt(members, i, active, at.wall) != Retired {
			lost = append(lost, m.Key)
		}
	}
	return lost
}

// restore stores lost keys again from memory. It does not overwrite an entry that exists
// and is only not listed or not readable.
func (r *Ring) restore(ctx context.Context) error {
	restored := false
	for _, k := range r.restorable() {
		held, err := r.store.holds(ctx, k)
		if err != nil {
			return err
		}
		if held {
			continue
		}
		sealed := *k
		if k.sealed == nil && !k.outside { // it may come from before there was encryption
			if err := r.store.encryption.seal(r.store.issuer, &sealed); err != nil {
				return err
			}
		}
		if err := r.store.write(ctx, &sealed); err != nil {
			return err
		}
		restored = true
		r.logger.Warn("the storage had lost a signing key; it was stored again from memory", zap.String("kid", k.ID))
	}
	if !restored {
		return nil
	}
	_, err := r.refresh(ctx)
	return err
}

// deletable returns the keys that no token needs any more, by the wall clock and by the
// monotonic one: this process has seen them retired for long enough. A node that starts
// later knows only the storage, so the stored times must say the same.
func (r *Ring) deletable(found *listing) []*Key {
	at := r.moment()
	stored := make([]member, 0, len(found.keys))
	for _, k := range found.keys {
		stored = append(stored, member{Key: k})
	}
	slices.SortFunc(stored, takeover)
	signing := r.Active()
	var due []*Key
	for i, m := range stored {
		if overdue(stored, i, at.wall) && !sameEntry(m.Key, signing) && !r.outsideNeeds(m.Key, found) && r.seen.retiredFor(m.Key, at.elapsed) >= retention {
			due = append(due, m.Key)
		}
	}
	return due
}

func (r *Ring) prune(ctx context.Context, found *listing) error {
	due := r.deletable(found)
	if len(due) == 0 {
		return nil
	}
	for _, k := range due {
		if err := r.store.remove(ctx, k); err != nil {
			return err
		}
		r.logger.Info("signing key deleted; its last token has expired", zap.String("kid", k.ID))
	}
	_, err := r.refresh(ctx)
	return err
}
