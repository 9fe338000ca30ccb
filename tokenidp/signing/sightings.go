package signing

import (
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// sightings is what one process has seen of the keys of an issuer. Because the wall clock
// can be set, a key counts as retired for two days only if the process has watched it for
// that long.
type sightings struct {
	mu      sync.Mutex
	retired map[string]time.Duration // since when, by the entry's name
	logged  map[string]bool          // what was logged once
	once    map[string]bool          // what was logged in the life of the process
	broken  string                   // the unreadable entries that were logged
}

func newSightings() *sightings {
	return &sightings{retired: make(map[string]time.Duration), logged: make(map[string]bool), once: make(map[string]bool)}
}

// news is what was seen for the first time.
type news struct {
	unreadable            []string
	lost, farAhead, ahead []string
}

func (s *sightings) update(ks *keys, rot rotation, at moment) news {
	s.mu.Lock()
	defer s.mu.Unlock()
	var n news
	logged, retired := make(map[string]bool), make(map[string]time.Duration)
	active, signing := activeAt(ks.members, at.wall, ever), activeAt(ks.members, at.wall, at.elapsed)
	once := func(what string, m member, list *[]string) {
		subject := what + entryName(m.Key)
		if logged[subject] = true; !s.logged[subject] {
			*list = append(*list, m.ID)
		}
	}
	for i, m := range ks.members {
		if i != signing && stateAt(ks.members, i, active, at.wall) == Retired {
			since, before := s.retired[entryName(m.Key)]
			if !before {
				since = at.elapsed
			}
			retired[entryName(m.Key)] = since
		}
		if m.missing && !overdue(ks.members, i, at.wall.Add(clockSkew)) {
			once("lost ", m, &n.lost)
		}
		switch {
		case rot.farAhead(m.Key, at.wall):
			once("far ahead ", m, &n.farAhead)
		case m.CreatedAt.After(at.wall.Add(clockSkew)):
			once("ahead ", m, &n.ahead)
		}
	}
	s.logged, s.retired = logged, retired

	broken := lines(ks.unreadable)
	if joined := strings.Join(broken, "; "); joined != s.broken {
		s.broken, n.unreadable = joined, broken
	}
	return n
}

// first reports whether this must be logged. It returns true once.
func (s *sightings) first(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.once[what] {
		return false
	}
	s.once[what] = true
	return true
}

// clockSkew is more than the difference between the clocks of two nodes. A key that
// another node deleted a little earlier is not lost.
const clockSkew = 10 * time.Minute

// reportRegress warns at a start if the storage was not maintained for long. It may be an
// old backup, and then the keys made since are lost.
func (r *Ring) reportRegress(before, ks *keys, at moment) {
	newest := r.rotation.newest(ks.members, at.wall)
	if before.read != nil || r.rotation <= 0 || newest == nil {
		return
	}
	if overdue := at.wall.Sub(newest.SignsFrom) - time.Duration(r.rotation); overdue > cutOff {
		r.logger.Warn("the newest signing key should have had a successor for long: either no server ran, or this storage is an old backup, and tokens of keys made since are refused",
			zap.String("kid", newest.ID), zap.Time("signs_from", newest.SignsFrom), zap.Duration("overdue", overdue))
	}
}

// retiredFor returns how long the process has seen the key as retired.
func (s *sightings) retiredFor(k *Key, elapsed time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, ok := s.retired[entryName(k)]
	if !ok {
		return 0
	}
	return elapsed - since
}

// report logs each problem once, not at every read.
func (r *Ring) report(ks *keys, n news) {
	if len(n.unreadable) > 0 {
		r.logger.Error("signing key entries cannot be used and are left alone; repair each, or delete it once no token of its lives",
			zap.Strings("entries", n.unreadable))
	}
	for _, m := range ks.members {
		if slices.Contains(n.lost, m.ID) {
			r.logger.Warn("the storage has lost a signing key; it goes on in memory",
				zap.String("kid", m.ID), zap.String("entry", r.store.nameOf(m.Key)))
		}
		if slices.Contains(n.farAhead, m.ID) {
			r.logger.Warn("a signing key begins so far ahead that the clock was wrong where it was made; delete its entry if no token of its lives",
				zap.String("kid", m.ID), zap.Time("signs_from", m.SignsFrom), zap.String("entry", r.store.nameOf(m.Key)))
		}
		if slices.Contains(n.ahead, m.ID) {
			r.logger.Warn("a signing key was made after now: the clock of this server is behind, or that of the one that made it was ahead",
				zap.String("kid", m.ID), zap.Time("created_at", m.CreatedAt))
		}
	}
}
