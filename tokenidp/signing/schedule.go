package signing

import (
	"math"
	"time"
)

const (
	// MaxAge is how long others may keep the JWK Set: the max-age to serve it
	// with. A key is published for longer than that before it signs.
	MaxAge = 5 * time.Minute
	// MaintenanceInterval is how often an issuing node calls Maintain, and one
	// that only verifies calls Load.
	MaintenanceInterval = time.Minute

	// DefaultRotateEvery is how long a key signs.
	DefaultRotateEvery = 90 * 24 * time.Hour
	// MinRotateEvery keeps a quarter of the interval, for which a successor is
	// published ahead, above the least such time; and the keys that are
	// published at any moment to about fifty.
	MinRotateEvery = time.Hour
)

const (
	// minLead is the least time for which a key is published before it signs:
	// MaxAge, the MaintenanceInterval after which every node has read it, a
	// minute between the clocks of two nodes, and three minutes for reads that
	// fail or lag.
	minLead = 10 * time.Minute
	// maxLead is the most: a day, for a node that is cut off from the storage.
	maxLead = 24 * time.Hour

	// A retired key is kept for as long as the longest-lived token that it may
	// have signed, the leeway of a verifier, and the time for which a node that
	// is cut off from the storage may go on signing with it; differences
	// between clocks are far smaller.
	maxTokenLifetime = 24 * time.Hour
	leeway           = time.Minute
	cutOff           = 24 * time.Hour
	retention        = maxTokenLifetime + leeway + cutOff
)

// member is a key of a ring, with what this node alone knows of it.
type member struct {
	*Key
	// trustedFrom is when this process will have known the key for long enough
	// to sign with it, in the process's own time.
	trustedFrom time.Duration
	// missing from the storage, which has lost it.
	missing bool
}

// ever is a moment of the process's own time at which every key is trusted.
const ever = time.Duration(math.MaxInt64)

// takeover orders keys by when they begin to sign. Of two that begin together the
// one with the lower kid comes later, and so is the one that signs.
func takeover(a, b member) int {
	if c := a.SignsFrom.Compare(b.SignsFrom); c != 0 {
		return c
	}
	return byID(b.Key, a.Key)
}

// activeAt finds the key that signs at a time, given the keys in the order of
// their takeover; -1 where there is none. At the moment ever, it is the key that
// every node agrees on. Before that, keys that this process does not trust yet
// wait, as long as there are others, and so do those whose private half it lacks.
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

// lastBegun is the last of the fit keys that has begun. Where none has, the clock
// was set back, or the keys before are out of reach, and it is the first to begin.
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

// stateAt tells the state of one key, where another or the same is active.
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

// retiresAt is when the successor takes over; zero where there is none yet.
func retiresAt(keys []member, i int) time.Time {
	if i+1 >= len(keys) {
		return time.Time{}
	}
	return keys[i+1].SignsFrom
}

// overdue reports whether the wall clock says that the last token of a retired key
// is long expired.
func overdue(keys []member, i int, now time.Time) bool {
	return stateAt(keys, i, activeAt(keys, now, ever), now) == Retired && !now.Before(retiresAt(keys, i).Add(retention))
}

// rotation is how often keys take turns. Not above zero, they do not by
// themselves.
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

// farAhead tells a key that begins to sign so late that the clock was wrong where
// it was made. It is published, and otherwise waits for its time.
func (r rotation) farAhead(k *Key, now time.Time) bool {
	every := time.Duration(r)
	if every <= 0 {
		every = DefaultRotateEvery
	}
	return k.SignsFrom.After(now.Add(every + maxLead + 24*time.Hour))
}

// newest is the last key to begin, of those that count; nil where there is none.
func (r rotation) newest(keys []member, now time.Time) *Key {
	for i := len(keys) - 1; i >= 0; i-- {
		if !r.farAhead(keys[i].Key, now) {
			return keys[i].Key
		}
	}
	return nil
}

// due reports whether a successor is to be made now.
func (r rotation) due(newest *Key, now time.Time) bool {
	return r > 0 && (newest == nil || !now.Before(newest.SignsFrom.Add(time.Duration(r)-r.lead())))
}

// successorSigns is when a scheduled successor made now begins to sign.
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
