package lastuse

import (
	"context"
	"maps"
	"slices"
)

// leastFold is how many entries there may be before they are folded, in addition to those
// that a fold writes. Each process waits for another number, up to twice as many, so that
// they do not all fold at once.
const leastFold = 32

// foldDue reports whether to fold. It is false while replaced entries cannot be deleted,
// because a fold would only add entries.
func (r *Record) foldDue() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	size := 0
	for s := range r.secrets {
		size += s.size()
	}
	return len(r.covered) == 0 && len(r.entries) > r.foldsAt+2*(size/mostEntrySize)
}

// fold writes everything that is known, and then deletes the entries that were read, also
// those of running processes.
func (r *Record) fold(ctx context.Context, at moment, run watch) error {
	r.mu.Lock()
	r.forget(at)
	covered := slices.Collect(maps.Keys(r.entries))
	everything := r.everything(at)
	r.mu.Unlock()
	if err := r.publishEntries(ctx, split(run, everything)); err != nil {
		return err
	}
	for _, name := range covered {
		r.covered[name] = true
	}
	return r.removeCovered(ctx)
}

// everything returns all that is known. The caller holds r.mu.
func (r *Record) everything(at moment) map[Secret]knowledge {
	everything := make(map[Secret]knowledge, len(r.secrets))
	for s, known := range r.secrets {
		if k := known.now(at); k != (knowledge{}) {
			everything[s] = k
		}
	}
	return everything
}

// removeCovered deletes replaced entries, also those that an earlier Sync could not
// delete.
func (r *Record) removeCovered(ctx context.Context) error {
	for name := range r.covered {
		if err := r.store.Remove(ctx, name); err != nil {
			return err
		}
		delete(r.covered, name)
		r.mu.Lock()
		delete(r.entries, name)
		r.mu.Unlock()
	}
	return nil
}
