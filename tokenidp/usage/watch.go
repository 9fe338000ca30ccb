package usage

import (
	"cmp"
	"slices"
	"time"
)

// gap is how long a time without any entry may be before the observation begins again. In a
// longer gap, nodes may not have counted, or a process was killed before it could write. Or
// a clock was set, and there is no gap.
const gap = 3 * time.Hour

// watch is a time span, in seconds since 1970, in which a process counted.
type watch struct{ from, until int64 }

// unbroken joins the watches to the latest one without a gap. Watches in the future are
// ignored.
func unbroken(watches []watch, at moment) (run watch) {
	latest := at.believable()
	watches = slices.DeleteFunc(watches, func(w watch) bool { return w.until > latest })
	slices.SortFunc(watches, func(a, b watch) int { return cmp.Compare(a.from, b.from) })
	for _, w := range watches {
		if run == (watch{}) || w.from-run.until > int64(gap/time.Second) {
			run = w
		}
		run.until = max(run.until, w.until)
	}
	return run
}

// watching has the watch of this process.
type watching struct{ from moment }

// watched returns the watch up to now. It begins again after the wall clock was set,
// because it is unknown which of the two times was right.
func (w *watching) watched(at moment) (now watch, stepped bool) {
	if stepped = at.stepped(w.from); stepped {
		w.from = at
	}
	until := at.seconds()
	return watch{max(1, until-int64((at.elapsed-w.from.elapsed)/time.Second)), until}, stepped
}

// synced is the result of the last read.
type synced struct {
	once       bool  // a read has listed the storage
	run        watch // of all processes, at that moment
	complete   bool  // a read could read every entry
	completeAt time.Duration
}

// unbrokenSince returns the time since which something has been observed without a gap.
func (s *synced) unbrokenSince(since int64, at moment) int64 {
	if since == 0 || at.seconds()-s.run.until > int64(gap/time.Second) {
		return 0
	}
	return max(since, s.run.from)
}

// run joins the watches in the storage, those that it may have lost, and that of this
// process. The caller holds s.mu.
func (s *Store) run(at moment) (run watch, stepped bool) {
	watches := slices.Clone(s.legacy.watches)
	for _, k := range s.known {
		watches = append(watches, k.entry.watch)
	}
	if s.synced.run != (watch{}) {
		watches = append(watches, s.synced.run)
	}
	mine, stepped := s.watching.watched(at)
	return unbroken(append(watches, mine), at), stepped
}

// nodes counts the processes that have written recently, and this one. The caller holds
// s.mu.
func (s *Store) nodes(at moment) int {
	count := 1
	for name, k := range s.known {
		if !isFold(name) && !k.entry.ended && !s.entries.isOwn(name) && at.elapsed-k.changedAt < 2*heartbeat+time.Minute {
			if age := at.seconds() - k.entry.watch.until; age < int64((2*heartbeat+clockSkew)/time.Second) {
				count++
			}
		}
	}
	return count
}
