package lastuse

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrIncomplete means that an entry could not be read, so uses that only it has are
// unknown here, and SyncedAt has not changed. The log names the entry once. What this
// process knows was written nevertheless.
var ErrIncomplete = errors.New("the last uses of secrets are not all known")

// granularity is how much older than the last use the stored use of a secret may be.
const granularity = 10 * time.Minute

// Flush is a Sync that stores every use as it is known here. Call it at the end: Sync would
// leave out the uses of the last minutes.
func (r *Record) Flush(ctx context.Context) error { return r.sync(ctx, 0) }

// Sync reads what other processes wrote, and writes what is new here. Call it about once a
// minute. It takes as long as the storage needs. After an error, everything stays in
// memory, and the next call tries again. It writes nothing before the first call of
// Observe.
func (r *Record) Sync(ctx context.Context) error { return r.sync(ctx, granularity) }

func (r *Record) sync(ctx context.Context, grain time.Duration) error {
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
	return errors.Join(err, r.write(ctx, grain))
}

// write writes what the storage does not have yet. A stored use may be older than the last
// one by the grain.
func (r *Record) write(ctx context.Context, grain time.Duration) error {
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
	news := r.news(at, grain)
	var err error
	if len(news) > 0 || r.watchDue(at) {
		err = r.publishEntries(ctx, split(run, news))
	}
	return errors.Join(err, r.removeCovered(ctx))
}

// news returns what must be written.
func (r *Record) news(at moment, grain time.Duration) map[Secret]knowledge {
	r.mu.RLock()
	defer r.mu.RUnlock()
	news := make(map[Secret]knowledge)
	for s, known := range r.secrets {
		if k := known.now(at); isNews(k, known.stored, at, grain) {
			news[s] = k
		}
	}
	return news
}

// isNews reports whether a use or an observation must be stored: nothing is stored yet,
// the stored use is too old, or the stored observation is too late.
func isNews(k, stored knowledge, at moment, grain time.Duration) bool {
	used := k.used > stored.used && (stored.used == 0 || at.seconds()-stored.used >= int64(grain/time.Second))
	since := k.since > 0 && (stored.since == 0 || stored.since-k.since >= int64(granularity/time.Second))
	return used || since
}

// watchDue reports whether no process has written for long.
func (r *Record) watchDue(at moment) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return at.seconds()-r.lastWritten(at.believable()) >= int64(watchEvery/time.Second)
}

// publishEntries stores the entries, one after the other, and marks each as stored.
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

// learn adds an entry that is in the storage.
func (r *Record) learn(name string, e entry, at moment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries[name] = e.watch
	for s, k := range e.secrets {
		known := r.secret(s, at)
		known.told, known.stored = known.told.join(k), known.stored.join(k)
	}
}
