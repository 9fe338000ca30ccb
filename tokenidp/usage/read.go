package usage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
)

// ErrIncomplete means that an entry could not be read, so that its content is unknown here.
// The error names the entry, which stays unchanged. This process writes its own counts
// nevertheless.
var ErrIncomplete = errors.New("what all nodes counted is not known")

// errClock is for people. The read succeeded.
var errClock = errors.New("a clock is wrong")

// isStopping reports whether a read has failed in a way that forbids a fold.
func isStopping(err error) bool { return err != nil && !errors.Is(err, errClock) }

const (
	// mostEntries limits the entries that are read. If there are more, some are folded to
	// make room for the others.
	mostEntries = 1024
	// attempts limits the listings of one read. Others cannot fold so often meanwhile.
	attempts = 10
)

// known is a stored entry, and the time at which this process first saw this version.
type known struct {
	entry     entry
	changedAt time.Duration
}

// read reads the entries of others, until a listing has the same entries as the one before.
// So it does not miss an entry that is folded meanwhile.
func (s *Store) read(ctx context.Context) error {
	at := s.clock.moment()
	s.readAt = max(1, at.elapsed)
	found := make(map[string]*known)
	unreadable := make(map[string]error)
	var before []string
	for range attempts {
		names, err := s.entries.List(ctx)
		if err != nil {
			return fmt.Errorf("reading what other nodes counted: %w", err)
		}
		more := len(names) > mostEntries
		names = names[:min(len(names), mostEntries)]
		if slices.Equal(names, before) {
			s.learn(found, names)
			return s.finish(at, unreadable, more)
		}
		if err := s.load(ctx, names, found, unreadable); err != nil {
			return err
		}
		before = append([]string{}, names...)
	}
	return fmt.Errorf("%w: %s changed during each of %d attempts to read it", ErrIncomplete, s.entries.Folder(), attempts)
}

// load reads the entries that may have changed. One that was given up never does.
func (s *Store) load(ctx context.Context, names []string, found map[string]*known, unreadable map[string]error) error {
	for _, name := range names {
		if found[name] != nil || unreadable[name] != nil {
			continue
		}
		s.mu.RLock()
		before := s.known[name]
		s.mu.RUnlock()
		if before != nil && (isFold(name) || before.entry.ended) {
			found[name] = before
			continue
		}
		e, err := s.entries.load(ctx, name)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("reading what other nodes counted from %s: %w", s.entries.Folder(), ctx.Err())
		case errors.Is(err, fs.ErrNotExist): // just folded, as the next listing will show
		case err != nil:
			unreadable[name] = err
		case before != nil && (before.entry.sequence == e.sequence || before.entry.sequence > e.sequence && name != s.own.name):
			found[name] = before // also if a late write has put an older version there
		default:
			found[name] = &known{e, s.clock.elapsed()}
		}
	}
	return nil
}

// learn adds what was read.
func (s *Store) learn(found map[string]*known, names []string) {
	maps.DeleteFunc(found, func(name string, _ *known) bool { _, there := slices.BinarySearch(names, name); return !there })
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.known
	s.known = found
	if len(s.own.versions) > 0 {
		mine := found[s.own.name]
		s.own.lost = mine == nil || mine.entry.sequence < s.own.versions[len(s.own.versions)-1].sequence
	}
	s.noticeFold()
	if !maps.Equal(before, found) {
		s.sum()
	}
}

// noticeFold begins a new entry if another process has folded the current one. The caller
// holds s.mu.
func (s *Store) noticeFold() {
	for _, k := range s.known {
		t, folded := k.entry.folded[s.own.name]
		if !folded {
			continue
		}
		if v := s.own.folded(t.sequence); v != nil {
			s.rebase(*v, s.clock.elapsed())
			return
		}
		s.own.begin(&s.entries, s.clock.elapsed())
		return
	}
}

// folded returns the version with the sequence. If that is not kept, it returns the oldest
// later one: the counts between the two are lost rather than counted twice.
func (o *own) folded(sequence int64) *version {
	versions := o.versions
	if o.pending != nil {
		versions = append(slices.Clip(versions), *o.pending)
	}
	for i, v := range versions {
		if v.sequence >= sequence || i == len(versions)-1 {
			return &v
		}
	}
	return nil
}

// sum adds the values that others have stored. The caller holds s.mu.
func (s *Store) sum() {
	s.others = make(map[Key]Value, len(s.others))
	for _, name := range counted(s.known) {
		if name == s.own.name {
			continue
		}
		for k, v := range s.known[name].entry.values {
			s.others[k] = s.others[k].plus(v)
		}
	}
}

// counted returns the names of the entries that count, sorted. An entry inside a fold does
// not count. If two entries have folded the same entry, the one that folds more counts.
func counted(all map[string]*known) (names []string) {
	in := make(map[string]bool)
	for _, name := range foldsOf(all) {
		folded := all[name].entry.folded
		if in[name] || overlaps(folded, in) {
			continue
		}
		names = append(names, name)
		for one := range folded {
			in[one] = true
		}
	}
	for name := range all {
		if !isFold(name) && !in[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// foldsOf returns the entries that fold others: one that folds another before that, and
// otherwise the one that has more.
func foldsOf(all map[string]*known) (ordered []string) {
	folds := slices.Collect(maps.Keys(all))
	folds = slices.DeleteFunc(folds, func(name string) bool { return !isFold(name) })
	slices.SortFunc(folds, func(a, b string) int {
		return cmp.Or(-cmp.Compare(len(all[a].entry.folded), len(all[b].entry.folded)), strings.Compare(a, b))
	})
	for len(folds) > 0 {
		next := slices.IndexFunc(folds, func(name string) bool {
			return !slices.ContainsFunc(folds, func(by string) bool { _, folded := all[by].entry.folded[name]; return folded })
		})
		next = max(next, 0) // no process makes a circle
		ordered, folds = append(ordered, folds[next]), slices.Delete(folds, next, next+1)
	}
	return ordered
}

func overlaps(folded map[string]taken, in map[string]bool) bool {
	for one := range folded {
		if in[one] {
			return true
		}
	}
	return false
}

// finish records a read that began at the given moment.
func (s *Store) finish(at moment, unreadable map[string]error, more bool) error {
	s.mu.Lock()
	run, stepped := s.run(at)
	s.synced.once, s.synced.run = true, run
	if len(unreadable) == 0 && !more {
		s.synced.complete, s.synced.completeAt = true, at.elapsed
	}
	early := s.early(at)
	s.mu.Unlock()
	switch {
	case len(unreadable) > 0:
		return fmt.Errorf("%w: in %s, %s", ErrIncomplete, s.entries.Folder(), described(unreadable))
	case more:
		return fmt.Errorf("%w: %s has more than %d entries; they are being folded", ErrIncomplete, s.entries.Folder(), mostEntries)
	case len(early) > 0:
		return fmt.Errorf("%w: %s was written in the future, by the clock of this server", errClock, s.entries.Key(early[0]))
	case stepped:
		return fmt.Errorf("%w: that of this server was set, so usage is observed from now on", errClock)
	}
	return nil
}

// early returns the entries that were written in the future, sorted. The caller holds s.mu.
func (s *Store) early(at moment) (early []string) {
	for name, k := range s.known {
		if k.entry.watch.until > at.believable() {
			early = append(early, name)
		}
	}
	slices.Sort(early)
	return early
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
