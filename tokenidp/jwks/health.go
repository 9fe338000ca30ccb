package jwks

import (
	"slices"
	"time"
)

// Health describes a [Source] to an operator. It has no secrets. Times are of the wall
// clock, and zero for never.
type Health struct {
	From        string        // the URL without its query, or the file; empty before there are keys
	Keys        int           // usable ones, that a token can name
	Skipped     []string      // why other entries are not
	Restored    bool          // they come from the storage, and the issuer has not confirmed them since
	LastSuccess time.Time     // when the issuer last confirmed the keys
	Age         time.Duration // how long ago that was
	UsedUntil   time.Time     // when they are too old, unless the issuer confirms them before
	Stale       bool          // the last attempt failed: the issuer may have other keys by now
	Expired     bool          // too old: they verify nothing any more
	LastAttempt time.Time
	LastError   string    // of the last attempt; empty when it was good
	Warning     string    // of the last attempt, when it was good and yet something is wrong
	NextFetch   time.Time // unless an unknown kid brings one about earlier
}

// Health returns the state of the keys. It never waits.
func (s *Source) Health() Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	var h Health
	wall, now := s.now(), s.elapsed()
	at := func(moment time.Duration) time.Time { return wall.Add(moment - now) }
	if k := s.current.Load(); k != nil {
		h.From, h.Keys, h.Skipped, h.Restored = k.from, k.count, slices.Clone(k.skipped), k.restored
		h.LastSuccess, h.Age = at(k.confirmed), now-k.confirmed
		h.UsedUntil, h.Expired = at(k.confirmed+s.maxStale), h.Age >= s.maxStale
	}
	if s.latest != nil {
		h.LastAttempt = at(s.latest.begun)
	}
	if s.status.attempted {
		h.NextFetch = at(s.status.next)
	}
	if err := s.status.problem; err != nil {
		h.LastError, h.Stale = err.Error(), true
	}
	if err := s.status.warning; err != nil {
		h.Warning = err.Error()
	}
	return h
}
