package lastuse

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrIncomplete says that some entry could not be read: a use that only it knows
// of is not known here, and SyncedAt stays what it was. The log says once which
// entry that is; what this process knows was written all the same.
var ErrIncomplete = errors.New("the last uses of secrets are not all known")

// granularity is how old the stored use of a secret may be while it is used.
const granularity = 10 * time.Minute

// Sync reads what other processes wrote and writes what is new here. It is to be
// called about once a minute, and once at the end; it takes as long as the
// storage does, and no request waits for it. After an error all goes on in
// memory, and the next call tries again. A Record that was never told what to
// observe writes nothing.
func (r *Record) Sync(ctx context.Context) error {
	select {
	case r.syncing <- struct{}{}:
		defer func() { <-r.syncing }()
	case <-ctx.Done():
		return fmt.Errorf("waiting for another sync of %s: %w", r.store.Folder(), ctx.Err())
	}
	err := r.read(ctx)
	if err != nil && !errors.Is(err, ErrIncomplete) {
		return err
	}
	return errors.Join(err, r.write(ctx))
}

// write writes only what the storage does not have already, from whomever.
func (r *Record) write(ctx context.Context) error {
	at := r.clock.moment()
	r.mu.Lock()
	r.adopt(at)
	r.lift(at)
	on, run := r.watching.on, r.run(at)
	r.mu.Unlock()
	if !on {
		return nil
	}
	if r.foldDue() {
		return r.fold(ctx, at, run)
	}
	news := r.news(at)
	var err error
	if len(news) > 0 || r.watchDue(at) {
		err = r.publishEntries(ctx, split(run, news))
	}
	return errors.Join(err, r.removeCovered(ctx))
}

// news is what is worth an entry.
func (r *Record) news(at moment) map[Secret]knowledge {
	r.mu.RLock()
	defer r.mu.RUnlock()
	news := make(map[Secret]knowledge)
	for s, known := range r.secrets {
		if k := known.now(at); isNews(k, known.stored, at) {
			news[s] = k
		}
	}
	return news
}

// isNews reports whether a use or an observation is the first to be stored, or
// what is stored has become too old, or too late.
func isNews(k, stored knowledge, at moment) bool {
	const grain = int64(granularity / time.Second)
	used := k.used > stored.used && (stored.used == 0 || at.seconds()-stored.used >= grain)
	since := k.since > 0 && (stored.since == 0 || stored.since-k.since >= grain)
	return used || since
}

// watchDue reports whether nobody has written for long.
func (r *Record) watchDue(at moment) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return at.seconds()-r.lastWritten(at.believable()) >= int64(watchEvery/time.Second)
}

// publishEntries stores the entries, one after the other, and takes each for
// stored once it is.
func (r *Record) publishEntries(ctx context.Context, entries []entry) error {
	for _, e := range entries {
		name, err := r.store.write(ctx, e)
		if err != nil {
			return err
		}
		r.learn(name, e, r.clock.moment())
	}
	return nil
}

// learn takes in an entry that is in the storage.
func (r *Record) learn(name string, e entry, at moment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries[name] = e.watch
	for s, k := range e.secrets {
		known := r.secret(s, at)
		known.told, known.stored = known.told.join(k), known.stored.join(k)
	}
}
