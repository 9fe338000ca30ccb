package lastuse

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"
)

// mostEntries is how many entries are read. It is about ten times the number before a
// fold, with a hundred thousand Applications. If there are more, the first ones are
// folded, which makes room for the others.
const mostEntries = 1024

// attempts bounds the readings of one Sync. Others cannot write or fold this often
// meanwhile.
const attempts = 10

// read reads new entries until a listing has none. So it does not miss entries that are
// written or folded meanwhile.
func (r *Record) read(ctx context.Context) error {
	unreadable := make(map[string]error)
	for range attempts {
		at := r.clock.moment()
		names, err := r.store.List(ctx)
		if err != nil {
			return fmt.Errorf("reading the last uses of secrets: %w", err)
		}
		more := len(names) > mostEntries
		names = names[:min(len(names), mostEntries)]
		fresh := r.fresh(names, unreadable)
		if len(fresh) == 0 {
			return r.finish(at, unreadable, more)
		}
		for _, name := range fresh {
			e, err := r.store.load(ctx, name)
			switch {
			case ctx.Err() != nil:
				return fmt.Errorf("reading the last uses of secrets from %s: %w", r.store.Folder(), ctx.Err())
			case errors.Is(err, fs.ErrNotExist): // just folded, as the next listing will show
			case err != nil:
				unreadable[name] = err
			default:
				r.learn(name, e, at)
			}
		}
	}
	return fmt.Errorf("%w: %s changed during each of %d attempts to read it", ErrIncomplete, r.store.Folder(), attempts)
}

// fresh returns the entries that were not read yet. If a known one is gone, it was folded,
// or the storage lost it. Then fresh returns all entries, so that what the storage has
// lost is written again.
func (r *Record) fresh(names []string, unreadable map[string]error) (fresh []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.entries {
		if _, there := slices.BinarySearch(names, name); !there {
			r.unlearn()
			break
		}
	}
	for _, name := range names {
		if _, known := r.entries[name]; !known && unreadable[name] == nil {
			fresh = append(fresh, name)
		}
	}
	return fresh
}

// unlearn drops what is known to be stored and replaced, because a lost entry may be the
// one that replaced others. What was read stays known. The caller holds r.mu.
func (r *Record) unlearn() {
	clear(r.entries)
	clear(r.covered)
	for _, known := range r.secrets {
		known.stored = knowledge{}
	}
}

// finish records a complete reading that began at the given moment.
func (r *Record) finish(at moment, unreadable map[string]error, more bool) error {
	r.report(unreadable, r.early(at))
	r.mu.Lock()
	r.synced.once, r.synced.run = true, r.run(at)
	if len(unreadable) == 0 && !more {
		r.synced.complete, r.synced.completeAt = true, at.elapsed
	}
	r.mu.Unlock()
	switch {
	case len(unreadable) > 0:
		return fmt.Errorf("%w: in %s, %s", ErrIncomplete, r.store.Folder(), described(unreadable))
	case more:
		return fmt.Errorf("%w: %s has more than %d entries; they are being folded", ErrIncomplete, r.store.Folder(), mostEntries)
	}
	return nil
}

// early returns the entries that were written in the future.
func (r *Record) early(at moment) (early []string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for name, w := range r.entries {
		if w.until > at.believable() {
			early = append(early, name)
		}
	}
	return early
}

// report logs each entry that has a problem once, not every minute.
func (r *Record) report(unreadable map[string]error, early []string) {
	for _, name := range early {
		if !r.told[name] {
			r.logger.Warn("an entry with last uses of secrets was written in the future: a clock is wrong, here or where it was written",
				zap.String("entry", r.store.Key(name)))
		}
	}
	for name, cause := range unreadable {
		if !r.told[name] {
			r.logger.Error("an entry with last uses of secrets cannot be read and is left alone; no secret is known to be unused until it is repaired or deleted",
				zap.String("entry", r.store.Key(name)), zap.String("cause", short(cause)))
		}
	}
	clear(r.told)
	for _, name := range slices.AppendSeq(early, maps.Keys(unreadable)) {
		r.told[name] = true
	}
}

// described lists the entries in a text of bounded length.
func described(unreadable map[string]error) string {
	const most = 3
	var parts []string
	for name, cause := range unreadable {
		parts = append(parts, name+": "+short(cause))
	}
	slices.Sort(parts)
	if len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("and %d more", len(parts)-most))
	}
	return strings.Join(parts, "; ")
}

// short limits the text of an entry in the log.
func short(cause error) string { return fmt.Sprintf("%.300s", cause.Error()) }
