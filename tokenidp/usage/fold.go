package usage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// deadAfter is how long an entry must not have changed before others fold it.
	deadAfter = time.Hour
	// staleAfter is the age, by the clocks, at which an entry is folded, even if this
	// process has not watched it for so long.
	staleAfter = 6 * time.Hour
	// leastFold is how many entries are folded at once, or any number once in foldEvery.
	leastFold = 8
	foldEvery = time.Hour
	// takenFor is how long a fold lists a folded entry. A storage may write late.
	takenFor = 7 * 24 * time.Hour
	// forgetAfter is how long an unused key that this process does not declare is kept.
	forgetAfter = mostDays * Day
)

// dead returns the entries that no process writes any more, sorted. The caller holds s.mu.
func (s *Store) dead(at moment) (dead []string) {
	for _, name := range counted(s.known) {
		k := s.known[name]
		unchanged, age := at.elapsed-k.changedAt, at.seconds()-k.entry.watch.until
		if name != s.own.name && !isFold(name) && (k.entry.ended || unchanged >= deadAfter || age >= int64(staleAfter/time.Second)) {
			dead = append(dead, name)
		}
	}
	return dead
}

// fold adds the entries of ended processes to one entry, and then deletes them.
func (s *Store) fold(ctx context.Context) (err error) {
	if !s.foldDue() {
		return s.removeFolded(ctx)
	}
	if err := s.entries.Lock(ctx, s.entries.lockKey()); err != nil {
		return fmt.Errorf("folding the usage of processes that have ended: %w", err)
	}
	defer func() {
		err = errors.Join(err, s.entries.Unlock(context.WithoutCancel(ctx), s.entries.lockKey()))
	}()
	// Another process may have folded meanwhile.
	if err := s.read(ctx); isStopping(err) || !s.foldDue() {
		return err
	}
	at := s.clock.moment()
	s.foldedAt = at.elapsed
	s.mu.Lock()
	e := s.folded(at)
	s.mu.Unlock()
	data, err := e.encodeBounded()
	if err != nil {
		return err
	}
	name, err := s.entries.Store(ctx, foldPrefix, ".json", data)
	if err != nil {
		return err
	}
	return s.commit(ctx, name, e)
}

func (s *Store) foldDue() bool {
	at := s.clock.moment()
	s.mu.RLock()
	defer s.mu.RUnlock()
	dead := len(s.dead(at))
	return dead >= leastFold || dead > 0 && at.elapsed-s.foldedAt >= foldEvery
}

// folded returns the entry that contains the dead entries, and the earlier folds. The
// caller holds s.mu.
func (s *Store) folded(at moment) entry {
	e := entry{sequence: 1, ended: true, values: make(map[Key]Value), folded: make(map[string]taken)}
	counts := counted(s.known)
	dead := s.dead(at)
	e.watch = watch{at.seconds(), at.seconds()}
	var watches []watch
	for name, k := range s.known {
		if !isFold(name) && !slices.Contains(dead, name) {
			continue
		}
		for one, t := range k.entry.folded {
			if _, there := s.known[one]; there || at.seconds()-t.at < int64(takenFor/time.Second) {
				e.folded[one] = t
			}
		}
		e.folded[name] = taken{k.entry.sequence, at.seconds()}
		watches = append(watches, k.entry.watch)
		if slices.Contains(counts, name) {
			for key, v := range k.entry.values {
				e.values[key] = e.values[key].plus(v)
			}
		}
	}
	if run := unbroken(watches, at); run != (watch{}) {
		e.watch = run
	}
	e.values = s.trim(e.values, at)
	return e
}

// trim drops old values, and joins values if there are too many.
func (s *Store) trim(values map[Key]Value, at moment) map[Key]Value {
	groups := make(map[group]int)
	kept := make(map[Key]Value, len(values))
	newest := slices.SortedFunc(maps.Keys(values), func(a, b Key) int {
		if x, y := values[a].Last, values[b].Last; x != y {
			return int(min(max(y-x, -1), 1))
		}
		return a.compare(b)
	})
	for _, k := range newest {
		v := values[k].current(at)
		if at.seconds()-max(v.First, v.Last) > forgetAfter && !s.counters.declares(k) && k.Kind != Dropped {
			continue
		}
		limit, limited := most[k.Kind]
		if groups[k.group()]++; limited && k.Issuer != Others && groups[k.group()] > limit {
			dropped := Key{Kind: Dropped, Name: k.Kind.String()}
			kept[dropped] = kept[dropped].plus(Value{Count: v.Count, First: v.First, Last: v.Last})
			k = k.shared()
		}
		kept[k] = kept[k].plus(v)
	}
	return kept
}

// commit deletes the folded entries. If another process has folded some of them at the same
// time, in spite of the lock, this one undoes its own fold: nothing is deleted yet.
func (s *Store) commit(ctx context.Context, name string, e entry) error {
	if err := s.read(ctx); isStopping(err) {
		return err
	}
	s.mu.RLock()
	stands := slices.Contains(counted(s.known), name)
	rival := ""
	for other, k := range s.known {
		_, taken := e.folded[other]
		if isFold(other) && other != name && !taken && overlaps(k.entry.folded, keys(e.folded)) {
			rival = other
		}
	}
	s.mu.RUnlock()
	if rival != "" || !stands {
		return s.entries.Remove(ctx, name)
	}
	for one := range e.folded {
		if err := s.entries.Remove(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func keys(folded map[string]taken) map[string]bool {
	in := make(map[string]bool, len(folded))
	for name := range folded {
		in[name] = true
	}
	return in
}

// removeFolded deletes entries that a killed process or a late storage has left.
func (s *Store) removeFolded(ctx context.Context) error {
	at := s.clock.moment()
	var left []string
	s.mu.RLock()
	counts := counted(s.known)
	for _, name := range counts {
		if k := s.known[name]; isFold(name) && at.elapsed-k.changedAt >= deadAfter {
			for one := range k.entry.folded {
				if s.known[one] != nil {
					left = append(left, one)
				}
			}
		}
	}
	s.mu.RUnlock()
	for _, name := range left {
		if err := s.entries.Remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
