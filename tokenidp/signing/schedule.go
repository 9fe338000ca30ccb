package signing

import (
	"math"
	"time"
)

const (
	// MaxAge is the max-age of the JWK Set. A key is published for longer than that before
	// it signs.
	MaxAge = 5 * time.Minute
	// MaintenanceInterval is how often an issuing node calls Maintain, and other nodes
	// call Load.
	MaintenanceInterval = time.Minute

	// DefaultRotateEvery is how long a key signs.
	DefaultRotateEvery = 90 * 24 * time.Hour
	// MinRotateEvery is the shortest rotation interval. A successor is published for a
	// quarter of the interval, which must be more than minLead. It also limits the
	// published keys to about fifty.
	MinRotateEvery = time.Hour
)

const (
	// minLead is the least time for which a key is published before it signs: MaxAge, a
	// MaintenanceInterval until every node has read it, a minute for differences between
	// clocks, and three minutes for reads that fail or lag.
	minLead = 10 * time.Minute
	// maxLead is the longest such time: a day, for a node that cannot reach the storage.
	maxLead = 24 * time.Hour

	// A retired key is kept for the longest lifetime of a token, the leeway of a verifier,
	// and the time for which a node that cannot reach the storage may continue to sign
	// with it. Differences between clocks are much smaller.
	maxTokenLifetime = 24 * time.Hour
	leeway           = time.Minute
	cutOff           = 24 * time.Hour
	retention        = maxTokenLifetime + leeway + cutOff
)

// member is a key of a ring, with what only this node knows of it.
type member struct {
	*Key
	// trustedFrom is when this process has known the key for long enough to sign with it,
	// by the monotonic clock.
	trustedFrom time.Duration
	// missing means that the storage has lost it.
	missing bool
}

// ever is a time of the monotonic clock at which every key is trusted.
const ever = time.Duration(math.MaxInt64)

// takeover compares keys by when they begin to sign. Of two that begin at the same time,
// the one with the lower kid comes later, and so signs.
func takeover(a, b member) int {
	if c := a.SignsFrom.Compare(b.SignsFrom); c != 0 {
		return c
	}
	return byID(b.Key, a.Key)
}

// activeAt returns the index of the key that signs at a time, or -1. The keys are in the
// order of their takeover. With elapsed ever, it is the key that every node agrees on.
// Before, keys that this process does not trust yet, and those without private half, are
// skipped if there are others.
func activeAt(keys []member, now time.Time, elapsed time.Duration) int {
	if elapsed < ever {
		for _, fit := range []func(member) bool{
			func(m member) bool { return m.signs() && m.trustedFrom <= elapsed },
			func(m member) bool { return m.signs() },
		} {
			if i := lastBegun(keys, now, fit); i >= 0 {
				return i
			}
		}
	}
	return lastBegun(keys, now, func(member) bool { return true })
}

// lastBegun returns the last of the fit keys that has begun to sign. If none has, because
// the clock was set back or the keys before cannot be read, it returns the first.
func lastBegun(keys []member, now time.Time, fit func(member) bool) int {
	first := -1
	for i := len(keys) - 1; i >= 0; i-- {
		if !fit(keys[i]) {
			continue
		}
		if !keys[i].SignsFrom.After(now) {
			return i
		}
		if first < 0 || keys[i].SignsFrom.Before(keys[first].SignsFrom) {
			first = i
		}
	}
	return first
}

// stateAt returns the state of a key, given the active one.
func stateAt(keys []member, i, active int, now time.Time) State {
	switch {
	case i == active:
		return Active
	case i < active && !keys[i].SignsFrom.After(now):
		return Retired
	default:
		return Next
	}
}

// retiresAt returns when the successor takes over. It is zero if there is none yet.
func retiresAt(keys []member, i int) time.Time {
	if i+1 >= len(keys) {
		return time.Time{}
	}
	return keys[i+1].SignsFrom
}

// overdue reports whether, by the wall clock, the last token of a retired key has long
// expired.
func overdue(keys []member, i int, now time.Time) bool {
	return stateAt(keys, i, activeAt(keys, now, ever), now) == Retired && !now.Before(retiresAt(keys, i).Add(retention))
}

// rotation is the rotation interval. If it is not above zero, there is no scheduled
// rotation.
type rotation time.Duration

func newRotation(every time.Duration) rotation {
	switch {
	case every == 0:
		return rotation(DefaultRotateEvery)
	case every > 0:
		return rotation(max(every, MinRotateEvery))
	default:
		return 0
	}
}

func (r rotation) lead() time.Duration {
	return max(minLead, min(maxLead, time.Duration(r)/4))
}

// farAhead reports whether a key begins to sign so late that it must have been made with a
// wrong clock. It is published, and does not count otherwise before its time.
func (r rotation) farAhead(k *Key, now time.Time) bool {
	every := time.Duration(r)
	if every <= 0 {
		every = DefaultRotateEvery
	}
	return k.SignsFrom.After(now.Add(every + maxLead + 24*time.Hour))
}

// newest returns the last key to begin, of those that count, or nil.
func (r rotation) newest(keys []member, now time.Time) *Key {
	for i := len(keys) - 1; i >= 0; i-- {
		if !r.farAhead(keys[i].Key, now) {
			return keys[i].Key
		}
	}
	return nil
}

// due reports whether a successor must be made now.
func (r rotation) due(newest *Key, now time.Time) bool {
	return r > 0 && (newest == nil || !now.Before(newest.SignsFrom.Add(time.Duration(r)-r.lead())))
}

// successorSigns returns when a scheduled successor made now begins to sign.
func (r rotation) successorSigns(newest *Key, now time.Time) time.Time {
	soonest := now.Add(minLead)
	if newest == nil {
		return soonest
	}
	return later(newest.SignsFrom.Add(time.Duration(r)), soonest)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
