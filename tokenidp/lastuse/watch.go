package lastuse

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

const (
	// watchEvery is how old the newest entry of all processes may get. Then a process
	// writes one, even without any secret, to record that the secrets are still watched.
	watchEvery = time.Hour
	// gap is how long a time without any entry may be before the observation begins again.
	// In a longer gap, secrets may have been used with a release that records nothing, or
	// by a process that was killed before it could write. Or there is no gap, and a clock
	// was set.
	gap = 3 * time.Hour
)

// watch is a time span, in seconds since 1970, in which some process watched the secrets.
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
type watching struct {
	on   bool
	from moment
}

func (w *watching) begin(at moment) {
	if !w.on {
		w.on, w.from = true, at
	}
}

// watched returns the watch up to now. It begins again after the wall clock was set,
// because it is unknown which of the two times was right.
func (w *watching) watched(at moment) watch {
	if at.stepped(w.from) {
		w.from = at
	}
	until := at.seconds()
	return watch{max(1, until-int64((at.elapsed-w.from.elapsed)/time.Second)), until}
}

// synced is what the last Sync found.
type synced struct {
	once       bool  // some Sync has read the storage
	run        watch // of all processes, at that moment; the predecessor's at first
	complete   bool  // some Sync has read all of the storage
	completeAt time.Duration
}

// unbrokenSince returns since when a secret has been observed without a gap.
func (s *synced) unbrokenSince(since int64, at moment) int64 {
	if since == 0 || at.seconds()-s.run.until > int64(gap/time.Second) {
		return 0
	}
	return max(since, s.run.from)
}

// run joins the watches in the storage, those that it may have lost, and that of this
// process. The caller holds r.mu.
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

// lastWritten returns when the newest entry up to the given time was written, by the clock
// of its writer. The caller holds r.mu.
func (r *Record) lastWritten(latest int64) (last int64) {
	for _, w := range r.entries {
		if w.until <= latest {
			last = max(last, w.until)
		}
	}
	return last
}
