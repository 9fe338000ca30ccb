package usage

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// heartbeat is the age at which a running process writes its entry again, even if
	// nothing is new. So others know that the process runs.
	heartbeat = 10 * time.Minute
	// renewal is how long a process writes the same entry. It limits the size of the write
	// of each minute to what the process saw since.
	renewal = 24 * time.Hour
	// mostUnwritten is the part of all counts that may be unwritten for more than a second.
	mostUnwritten = 200
	// mostVersions is the number of versions of the current entry that are kept. Another
	// process that folds it may have read an earlier version.
	mostVersions = 4
)

// own is the entry that this process writes. It begins a new one after renewal, and when
// another process has folded it.
type own struct {
	name      string
	begun     time.Duration
	sequence  int64
	pending   *version // is being written, or may have been
	versions  []version
	written   footprint
	writtenAt time.Duration
	failedAt  time.Duration // of the last write, if it failed
	tookTime  time.Duration // the last write
	lost      bool          // the storage no longer has it, or has an older version
	given     int64         // counts in earlier entries
	total     atomic.Int64  // counts in memory that are written
}

// version is what was written at one time.
type version struct {
	sequence int64
	ended    bool
	values   map[Key]Value
	size     footprint
}

// footprint differs after anything was counted or declared.
type footprint struct{ counts, counters int64 }

func (c *counters) footprint() (f footprint) {
	for _, counter := range c.all() {
		f.counts += counter.count.Load()
		f.counters++
	}
	return f
}

// begin gives the entry a new name.
func (o *own) begin(e *entries, now time.Duration) {
	o.name, o.begun, o.sequence = e.Name("", ".json"), now, 0
	o.pending, o.versions, o.lost = nil, nil, false
}

// due reports whether to write.
func (s *Store) due(at moment) bool {
	o := &s.own
	now := s.counters.footprint()
	since := at.elapsed - o.writtenAt
	switch {
	case o.failedAt != 0 && at.elapsed-o.failedAt < interval:
		return false
	case o.pending != nil, o.lost, len(o.versions) == 0, since >= heartbeat, at.elapsed-o.begun >= renewal:
		return true
	case now == o.written || since < 20*o.tookTime:
		return false
	}
	unwritten := now.counts - o.written.counts
	return since >= s.entries.interval() || unwritten*mostUnwritten > now.counts+o.given
}

// write writes the entry. If an earlier write failed, it is repeated unchanged first: the
// storage may have it, and another process may fold it.
func (s *Store) write(ctx context.Context, ended bool) error {
	for repeated := s.own.pending != nil; ; repeated = false {
		if s.own.pending == nil {
			s.own.pending = s.version(ended)
		}
		if err := s.writePending(ctx); err != nil {
			return err
		}
		if !repeated {
			return nil
		}
	}
}

func (s *Store) writePending(ctx context.Context) error {
	at := s.clock.moment()
	s.mu.Lock()
	run, _ := s.run(at)
	s.mu.Unlock()
	v := s.own.pending
	e := entry{sequence: v.sequence, watch: run, ended: v.ended, values: v.values}
	data, err := e.encodeBounded()
	if err == nil {
		err = s.entries.Overwrite(ctx, s.own.name, data)
	}
	now := s.clock.elapsed()
	if err != nil {
		s.own.failedAt = max(1, now)
		return err
	}
	o := &s.own
	o.pending, o.failedAt, o.lost = nil, 0, false
	o.written, o.writtenAt, o.tookTime = v.size, now, now-at.elapsed
	o.total.Store(v.size.counts)
	if o.versions = append(o.versions, *v); len(o.versions) > mostVersions {
		o.versions = o.versions[1:]
	}
	if v.ended {
		s.giveUp(e, *v)
	}
	return nil
}

// version returns the current counts without those that others have stored already.
func (s *Store) version(ended bool) *version {
	at := s.clock.moment()
	s.own.sequence++
	v := &version{sequence: s.own.sequence, ended: ended, values: make(map[Key]Value)}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for k, counter := range s.counters.all() {
		value := counter.value(at).current(at)
		v.size.counts += value.Count
		v.size.counters++
		if value.adds(s.others[k]) {
			v.values[k] = value
		}
	}
	for k, value := range s.legacy.values {
		if stored := s.others[k]; value.Last > stored.Last || earlier(value.First, stored.First) != stored.First {
			v.values[k] = v.values[k].join(value)
		}
	}
	return v
}

// giveUp begins a new entry. The new entry does not repeat the content of the old one.
func (s *Store) giveUp(e entry, v version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.elapsed()
	s.known[s.own.name] = &known{e, now}
	s.rebase(v, now)
	s.sum()
}

// rebase subtracts the written values from the counters, and begins a new entry. The caller
// holds s.mu.
func (s *Store) rebase(v version, now time.Duration) {
	s.counters.subtract(v.values, now)
	s.own.given += v.size.counts
	s.own.begin(&s.entries, now)
	s.own.written = footprint{}
	s.own.total.Store(0)
}

// subtract subtracts the values, and drops unused counters.
func (c *counters) subtract(values map[Key]Value, now time.Duration) {
	for k, counter := range c.all() {
		if v, written := values[k]; written {
			counter.count.Add(-v.Count)
			counter.mu.Lock()
			counter.hours, counter.days = counter.hours.minus(v.Hours), counter.days.minus(v.Days)
			counter.mu.Unlock()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := make(map[Key]*Counter)
	clear(c.groups)
	c.limited = 0
	for k, counter := range *c.found.Load() {
		recent := now-time.Duration(counter.last.Load()) < interval
		if counter.count.Load() != 0 || recent || c.isDeclared(k, counter) {
			kept[k] = counter
			c.note(k)
		} else {
			counter.dropped.Store(true)
		}
	}
	for k := range c.fresh {
		c.note(k)
	}
	c.found.Store(&kept)
}
