package state

import (
	"maps"
	"math/bits"
	"sync"
	"sync/atomic"
)

// shardBits makes so many shards that no reader waits long for a writer who has to
// look at all of one.
const shardBits = 8

// placeBytes is what a place of a map takes: 32 bytes for the key and its fact, one for
// the map itself, and what the allocator adds.
const placeBytes = 36

// table remembers keys for a time, each with a moment.
type table struct {
	shards [1 << shardBits]shard
	held   atomic.Int64
}

// shard is a part of a table, which is locked by itself.
type shard struct {
	mu    sync.RWMutex
	facts map[key]fact
	room  int // how many facts the map has held at once: it gives no memory back
}

// fact is what is remembered of a key.
type fact struct {
	before uint32
	term   term
	store  uint32 // that has all of it; 0: none
}

func (t *table) shard(k key) *shard { return &t.shards[k.low>>(64-shardBits)] }

// find returns what is remembered of a key, even if its time is over.
func (t *table) find(k key) (f fact, found bool) {
	s := t.shard(k)
	s.mu.RLock()
	f, found = s.facts[k]
	s.mu.RUnlock()
	return f, found
}

// update replaces what is remembered of a key by what change makes of it. For a key
// that is new, or whose time is over, change is called with nil.
func (t *table) update(k key, now moment, change func(known *fact) fact) {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	known, found := s.facts[k]
	switch {
	case found && !known.term.over(now):
		s.facts[k] = change(&known)
	case found:
		s.facts[k] = change(nil)
	default:
		s.add(k, change(nil))
		t.held.Add(1)
	}
}

// add needs s.mu.
func (s *shard) add(k key, f fact) {
	if s.facts == nil {
		s.facts = make(map[key]fact)
	}
	s.facts[k] = f
	s.room = max(s.room, len(s.facts))
}

// revise replaces what is remembered of a key, if anything is.
func (t *table) revise(k key, change func(known fact) fact) {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, found := s.facts[k]; found {
		s.facts[k] = change(known)
	}
}

// remembered are the keys whose time is not over. Whoever goes through them must not
// use the table meanwhile.
func (t *table) remembered(now moment) func(yield func(key, fact) bool) {
	return func(yield func(key, fact) bool) {
		for i := range t.shards {
			if !t.shards[i].remembered(now, yield) {
				return
			}
		}
	}
}

func (s *shard) remembered(now moment, yield func(key, fact) bool) (more bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for k, f := range s.facts {
		if !f.term.over(now) && !yield(k, f) {
			return false
		}
	}
	return true
}

// sweep forgets what is over.
func (t *table) sweep(now moment) {
	for i := range t.shards {
		t.held.Add(-int64(t.shards[i].sweep(now)))
	}
}

func (s *shard) sweep(now moment) (forgotten int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.facts)
	maps.DeleteFunc(s.facts, func(_ key, f fact) bool { return f.term.over(now) })
	if len(s.facts) < s.room/2 {
		s.facts, s.room = maps.Clone(s.facts), len(s.facts)
	}
	return before - len(s.facts)
}

func (t *table) len() int { return int(t.held.Load()) }

// bytes is about how much memory the table takes.
func (t *table) bytes() (sum int64) {
	for i := range t.shards {
		sum += t.shards[i].bytes()
	}
	return sum
}

// bytes counts the places of the map: a power of two, at most seven eighths in use.
func (s *shard) bytes() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.room == 0 {
		return 0
	}
	return placeBytes << bits.Len(uint(s.room*8/7))
}
