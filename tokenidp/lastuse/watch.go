package lastuse

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

const (
	// watchEvery is how old the newest entry of all may get before somebody writes
	// one, be it without any secret: to say that the secrets are still watched.
	watchEvery = time.Hour
	// gap is how long nobody may have watched, as far as the storage knows, before
	// the observation begins anew. In a longer one, secrets may have been used
	// under a release that notes nothing, by a process that could not write
	// before it was killed, or never: a clock was set.
	gap = 3 * time.Hour
)

// watch is a time, in seconds since 1970, in which some process watched the
// secrets.
type watch struct{ from, until int64 }

// unbroken joins the watches to the one that is going on, or was the latest, with
// no gap that matters. What says that it was in the future is not believed.
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

// watching is the watch of this process.
type watching struct {
	on   bool
	from moment
}

func (w *watching) begin(at moment) {
	if !w.on {
		w.on, w.from = true, at
	}
}

// watched is the watch up to now. Where the wall clock was set, it begins anew:
// which of the two times was right cannot be known.
func (w *watching) watched(at moment) watch {
	if at.stepped(w.from) {
		w.from = at
	}
	until := at.seconds()
	return watch{max(1, until-int64((at.elapsed-w.from.elapsed)/time.Second)), until}
}

// synced is what is known since the last Sync.
type synced struct {
	once       bool  // some Sync has read the storage
	run        watch // of all processes, at that moment; the predecessor's at first
	complete   bool  // some Sync has read all of the storage
	completeAt time.Duration
}

// unbrokenSince is since when a secret has been observed, if not all the time
// since then has been watched.
func (s *synced) unbrokenSince(since int64, at moment) int64 {
	if since == 0 || at.seconds()-s.run.until > int64(gap/time.Second) {
		return 0
	}
	return max(since, s.run.from)
}

// run joins what the storage says, what it said before, should it have lost that,
// and what this process does. It needs r.mu.
func (r *Record) run(at moment) watch {
	watches := slices.Collect(maps.Values(r.entries))
	if r.synced.run != (watch{}) {
		watches = append(watches, r.synced.run)
	}
	if r.watching.on {
		watches = append(watches, r.watching.watched(at))
	}
	return unbroken(watches, at)
}

// lastWritten is when the newest entry that is not from after the given time was
// written, by the clock of who wrote it. It needs r.mu.
func (r *Record) lastWritten(latest int64) (last int64) {
	for _, w := range r.entries {
		if w.until <= latest {
			last = max(last, w.until)
		}
	}
	return last
}
