package signing

import "time"

// State is the state of a key.
type State string

const (
	// Next is published, and does not sign yet.
	Next State = "next"
	// Active signs.
	Active State = "active"
	// Retired only verifies.
	Retired State = "retired"
	// Unreadable is an entry that claims a kid and cannot be used.
	Unreadable State = "unreadable"
)

// KeyState describes a key, or an unreadable entry, to an operator.
type KeyState struct {
	ID        string
	Algorithm string
	State     State
	CreatedAt time.Time
	SignsFrom time.Time
	// RetiresAt is when the successor takes over. It is zero if there is none.
	RetiresAt time.Time
	// DeletesAt is the earliest time of deletion. It is zero if there is no successor.
	DeletesAt time.Time
	// Encryption is the id of the key encryption key of the stored private half. It is
	// empty if the private half is unencrypted, or not stored.
	Encryption string
	// Outside is true if the private half is kept outside, and not stored.
	Outside bool
	// SignsHere is true if this process has the private half.
	SignsHere bool
	// Missing is true if the storage has lost the key. It is still used from memory.
	Missing bool
	// Entry is the name of the entry in the storage.
	Entry string
	// Cause says why an entry is unreadable.
	Cause string
}

// States returns all keys in the order in which they sign, oldest first, and then the
// unreadable entries.
func (r *Ring) States() []KeyState {
	ks, now := r.current.Load(), r.now()
	active := activeAt(ks.members, now, r.elapsed())
	states := make([]KeyState, 0, len(ks.members)+len(ks.unreadable))
	for i, m := range ks.members {
		s := KeyState{
			ID: m.ID, Algorithm: m.Algorithm, State: stateAt(ks.members, i, active, now),
			CreatedAt: m.CreatedAt, SignsFrom: m.SignsFrom,
			Encryption: m.encryption(), Outside: m.outside, SignsHere: m.signs(),
			Missing: m.missing, Entry: r.store.nameOf(m.Key),
		}
		if t := retiresAt(ks.members, i); !t.IsZero() && !r.rotation.farAhead(ks.members[i+1].Key, now) {
			s.RetiresAt, s.DeletesAt = t, t.Add(retention)
		}
		states = append(states, s)
	}
	for _, u := range ks.unreadable {
		states = append(states, KeyState{ID: u.id.String(), State: Unreadable, Entry: u.name, Cause: u.cause})
	}
	return states
}
