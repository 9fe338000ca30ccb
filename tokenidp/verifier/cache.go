package verifier

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// DefaultCacheSize is how many tokens an issuer remembers. With up to
// [cacheBytesPerToken] for each, that is 32 MiB.
const DefaultCacheSize = 16 << 10

const (
	cacheBytesPerToken = 2 << 10  // on average; a heavier token displaces several
	minCacheBytes      = 64 << 10 // so that a small cache holds a large token
	minShardSize       = 1 << 10  // tokens; they spread unevenly over smaller ones
	maxShards          = 64
)

// cache is bounded in tokens and in bytes whatever is added, and needs no goroutine
// to be so. Only verified tokens are added, so that filling it takes somebody whom
// the issuer gave them.
type cache struct {
	shards []shard // a power of two of them, so that requests seldom meet in one
}

// newCache makes one for that many tokens; for less than one it is nil.
func newCache(size int) *cache {
	if size < 1 {
		return nil
	}
	shards := 1 << (bits.Len(uint(min(max(size/minShardSize, 1), maxShards))) - 1)
	c := &cache{shards: make([]shard, shards)}
	for i := range c.shards {
		s := &c.shards[i]
		s.entries = make(map[tokenID]*entry)
		s.maxEntries, s.maxWeight = size/shards, max(size*cacheBytesPerToken, minCacheBytes)/shards
	}
	return c
}

// shard picks by bits of a SHA-256, which nobody can choose.
func (c *cache) shard(id tokenID) *shard { return &c.shards[int(id[0])&(len(c.shards)-1)] }

func (c *cache) find(id tokenID) *entry { return c.shard(id).find(id) }

func (c *cache) add(e *entry, now time.Time) {
	s := c.shard(e.id)
	e.weight = weigh(e.claims)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(e, now)
}

// remove does nothing when the token was verified anew meanwhile.
func (c *cache) remove(e *entry) {
	s := c.shard(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[e.id] == e {
		s.drop(e)
	}
}

// shard evicts as a clock does: its hand goes round the entries, takes the mark of
// those that were asked for since it last came by, and drops those without one. A
// flood of tokens that are used once so displaces itself first.
type shard struct {
	mu                    sync.RWMutex
	entries               map[tokenID]*entry
	circle                []*entry // the same, for the hands
	hand, sweeper         int
	weight                int
	maxEntries, maxWeight int
	_                     [64]byte // to the next shard's lock: no cache line in common
}

// entry is what is remembered of a token: that this key verified it, under the
// configuration of the issuer that remembers it, and what it says.
type entry struct {
	id     tokenID
	key    *jws.Key
	claims *Claims
	diesAt time.Time

	weight, place int // bytes; index in the circle
	asked         atomic.Bool
}

func (s *shard) find(id tokenID) *entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.entries[id]
	if e != nil && !e.asked.Load() { // to write every time would take the line from other cores
		e.asked.Store(true)
	}
	return e
}

// sweptPerAdd keeps the dead fewer than a quarter of the living, where tokens come
// as they go.
const sweptPerAdd = 4

func (s *shard) add(e *entry, now time.Time) {
	if before := s.entries[e.id]; before != nil { // by a request beside this one
		s.drop(before)
	}
	for range min(sweptPerAdd, len(s.circle)) {
		s.sweep(now)
	}
	if e.weight > s.maxWeight {
		return
	}
	for len(s.circle) >= s.maxEntries || s.weight+e.weight > s.maxWeight {
		s.evict()
	}
	e.place = len(s.circle)
	s.circle = append(s.circle, e)
	s.entries[e.id] = e
	s.weight += e.weight
}

// sweep drops the next entry if its token has died.
func (s *shard) sweep(now time.Time) {
	if len(s.circle) == 0 {
		return
	}
	s.sweeper++
	if e := s.circle[s.sweeper%len(s.circle)]; !now.Before(e.diesAt) {
		s.drop(e)
	}
}

// evict ends within two rounds: nobody marks an entry meanwhile.
func (s *shard) evict() {
	for {
		s.hand++
		if e := s.circle[s.hand%len(s.circle)]; !e.asked.Swap(false) {
			s.drop(e)
			return
		}
	}
}

// drop fills the gap in the circle with the last one.
func (s *shard) drop(e *entry) {
	last := len(s.circle) - 1
	s.circle[e.place] = s.circle[last]
	s.circle[e.place].place = e.place
	s.circle[last] = nil
	s.circle = s.circle[:last]
	delete(s.entries, e.id)
	s.weight -= e.weight
}
