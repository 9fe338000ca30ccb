package state

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

const (
	shardBits = 6
	// leastSlots is the room that a shard begins with.
	leastSlots = 16
	slotSize   = 32 // bytes
)

// table remembers keys for a time, each with a moment. Whoever reads waits for
// nobody, not even for a writer: a shard is an open hash table whose places are
// taken once, with the key last, and are cleared only by replacing the whole shard.
// A place takes 32 bytes, and at least three of five are in use: about 53 bytes a
// key, at most.
type table struct {
	shards [1 << shardBits]shard
	held   atomic.Int64
}

type shard struct {
	writing sync.Mutex
	slots   atomic.Pointer[slots]
	held    int
}

type slots []slot

// slot is a place. Its high half of the key is zero while it is free.
type slot struct {
	high, low atomic.Uint64
	times     atomic.Uint64 // the moment, and until when by the wall clock
	elapsed   atomic.Uint64 // until when by the other clock, and where it is stored
}

// fact is what is remembered of a key.
type fact struct {
	before uint32
	term   term
	store  uint32 // that has all of it; 0: none
}

func (s *slot) fact() fact {
	times, elapsed := s.times.Load(), s.elapsed.Load()
	return fact{uint32(times >> 32), term{uint32(times), uint32(elapsed)}, uint32(elapsed >> 32)} //nolint:gosec // halves
}

func (s *slot) set(f fact) {
	s.elapsed.Store(uint64(f.store)<<32 | uint64(f.term.elapsed))
	s.times.Store(uint64(f.before)<<32 | uint64(f.term.until))
}

func (t *table) shard(k key) *shard { return &t.shards[k.low>>(64-shardBits)] }

// find returns nil for a key that is not there.
func (t *table) find(k key) *slot {
	places := t.shard(k).slots.Load()
	if places == nil {
		return nil
	}
	if s := places.place(k); s.high.Load() != 0 {
		return s
	}
	return nil
}

// place is where the key is, or the free place where it would be.
func (places slots) place(k key) *slot {
	first, _ := bits.Mul64(k.high, uint64(len(places)))
	for i := first; ; i++ {
		if i == uint64(len(places)) {
			i = 0
		}
		s := &places[i]
		if high := s.high.Load(); high == 0 || high == k.high && s.low.Load() == k.low {
			return s
		}
	}
}

// update replaces what is remembered of a key by what change makes of it. For a key
// that is new, or whose time is over, change is called with nil.
func (t *table) update(k key, now moment, change func(known *fact) fact) {
	s := t.shard(k)
	s.writing.Lock()
	defer s.writing.Unlock()
	if places := s.slots.Load(); places != nil {
		if p := places.place(k); p.high.Load() != 0 {
			known := p.fact()
			if known.term.over(now) {
				p.set(change(nil))
			} else {
				p.set(change(&known))
			}
			return
		}
	}
	s.put(k, change(nil), now, t)
}

// revise replaces what is remembered of a key, if anything is.
func (t *table) revise(k key, change func(known fact) fact) {
	s := t.shard(k)
	s.writing.Lock()
	defer s.writing.Unlock()
	if p := t.find(k); p != nil {
		p.set(change(p.fact()))
	}
}

// put takes a free place. It needs s.writing.
func (s *shard) put(k key, f fact, now moment, t *table) {
	places := s.slots.Load()
	if places == nil || (s.held+1)*4 > len(*places)*3 {
		s.rebuild(now, 1, t)
		places = s.slots.Load()
	}
	p := places.place(k)
	p.set(f)
	p.low.Store(k.low)
	p.high.Store(k.high)
	s.held++
	t.held.Add(1)
}

// rebuild forgets what is over, and makes room for more. It needs s.writing.
func (s *shard) rebuild(now moment, more int, t *table) {
	kept := 0
	before := s.slots.Load()
	for range before.remembered(now) {
		kept++
	}
	places := make(slots, max(leastSlots, (kept+more)*5/3))
	for k, f := range before.remembered(now) {
		p := places.place(k)
		p.set(f)
		p.low.Store(k.low)
		p.high.Store(k.high)
	}
	t.held.Add(int64(kept - s.held))
	s.held = kept
	s.slots.Store(&places)
}

// remembered are the keys whose time is not over.
func (places *slots) remembered(now moment) func(yield func(key, fact) bool) {
	return func(yield func(key, fact) bool) {
		if places == nil {
			return
		}
		for i := range *places {
			p := &(*places)[i]
			high := p.high.Load()
			if high == 0 {
				continue
			}
			if f := p.fact(); !f.term.over(now) && !yield(key{high, p.low.Load()}, f) {
				return
			}
		}
	}
}

// remembered are the keys whose time is not over, while others are added.
func (t *table) remembered(now moment) func(yield func(key, fact) bool) {
	return func(yield func(key, fact) bool) {
		for i := range t.shards {
			for k, f := range t.shards[i].slots.Load().remembered(now) {
				if !yield(k, f) {
					return
				}
			}
		}
	}
}

// sweep forgets what is over.
func (t *table) sweep(now moment) {
	for i := range t.shards {
		s := &t.shards[i]
		s.writing.Lock()
		kept := 0
		for range s.slots.Load().remembered(now) {
			kept++
		}
		if kept < s.held {
			s.rebuild(now, 0, t)
		}
		s.writing.Unlock()
	}
}

func (t *table) len() int { return int(t.held.Load()) }

// bytes is about how much memory the table takes.
func (t *table) bytes() (sum int64) {
	for i := range t.shards {
		if places := t.shards[i].slots.Load(); places != nil {
			sum += int64(len(*places)) * slotSize
		}
	}
	return sum
}
