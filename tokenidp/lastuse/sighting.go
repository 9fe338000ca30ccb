package lastuse

import (
	"sync"
	"sync/atomic"
	"time"
)

// sighting is when this process last saw a secret used. Both of its parts only
// grow, each by itself, so that requests need no lock between them.
type sighting struct {
	wall    atomic.Int64 // seconds; 0: not seen
	elapsed atomic.Int64 // nanoseconds
}

// mark writes at most once a second, so that processors do not contend for a secret that
// thousands of requests a second use.
func (s *sighting) mark(at moment) {
	raise(&s.elapsed, int64(at.elapsed), int64(time.Second))
	raise(&s.wall, at.seconds(), 1)
}

func raise(v *atomic.Int64, to, least int64) {
	for old := v.Load(); to-old >= least; old = v.Load() {
		if v.CompareAndSwap(old, to) {
			return
		}
	}
}

// lastUsed returns seconds since 1970, or 0 if it was not used.
func (s *sighting) lastUsed(at moment) int64 {
	wall := s.wall.Load()
	if wall == 0 {
		return 0
	}
	return mark{wall, time.Duration(s.elapsed.Load())}.seconds(at)
}

// join takes over what another sighting of the same secret has.
func (s *sighting) join(other *sighting) {
	raise(&s.elapsed, other.elapsed.Load(), 1)
	raise(&s.wall, other.wall.Load(), 1)
}

// strays are secrets that are used before Observe was called with them, for example just
// after a change of the files. Their number is bounded, because only existing secrets get
// here.
type strays struct {
	mu   sync.Mutex
	seen map[Secret]*sighting
}

// mark ignores ids that could not be stored.
func (s *strays) mark(used Secret, at moment) {
	if !used.storable() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = make(map[Secret]*sighting)
	}
	if s.seen[used] == nil {
		s.seen[used] = new(sighting)
	}
	s.seen[used].mark(at)
}

func (s *strays) lastUsed(of Secret, at moment) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seen := s.seen[of]; seen != nil {
		return seen.lastUsed(at)
	}
	return 0
}

// take returns the strays, and removes them.
func (s *strays) take() map[Secret]*sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}
