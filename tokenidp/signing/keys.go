package signing

import (
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// keys is an immutable state of a ring.
type keys struct {
	members    []member // in the order of their takeover
	unreadable []unreadable
	byID       map[string]*jws.Key
	set        KeySet
	read       *moment // of the storage, the last; nil before the first
}

// newKeys returns a state with the members, in any order. Members with one kid have the
// same key.
func newKeys(members []member) (*keys, error) {
	published := make([]*Key, 0, len(members))
	ks := &keys{members: members, byID: make(map[string]*jws.Key, len(members))}
	for _, m := range members {
		if ks.byID[m.ID] == nil {
			published = append(published, m.Key)
			ks.byID[m.ID] = m.public
		}
	}
	slices.SortFunc(published, byID)
	slices.SortFunc(ks.members, takeover)
	var err error
	ks.set, err = encodeKeySet(published)
	return ks, err
}

// unchanged reports whether the published document stays the same.
func (ks *keys) unchanged(members []member) bool {
	return slices.EqualFunc(ks.members, members, func(a, b member) bool { return a.Key == b.Key })
}

func (ks *keys) find(id string) (member, bool) {
	i := slices.IndexFunc(ks.members, func(m member) bool { return m.ID == id })
	if i < 0 {
		return member{}, false
	}
	return ks.members[i], true
}

func (ks *keys) has(k *Key) bool {
	m, ok := ks.find(k.ID)
	return ok && sameKey(m.Key, k)
}

func sameKey(a, b *Key) bool { return a.ID == b.ID && a.thumbprint == b.thumbprint }

// sameEntry reports whether two members are of the same entry. A key that was made here
// has one entry; a key from outside has one for each time that it takes over.
func sameEntry(a, b *Key) bool { return a.kid == b.kid && sameKey(a, b) }

func (ks *keys) entry(k *Key) (member, bool) {
	i := slices.IndexFunc(ks.members, func(m member) bool { return sameEntry(m.Key, k) })
	if i < 0 {
		return member{}, false
	}
	return ks.members[i], true
}

// merge returns the next state of a ring: everything in the storage, and what the storage
// has lost.
func merge(before *keys, found *listing, rot rotation, at moment) (*keys, error) {
	members := make([]member, 0, len(found.keys)+1)
	for _, k := range found.keys {
		if m, known := before.entry(k); known {
			// The entry may have been stored again, encrypted.
			if m.missing = false; k.signs() && (!m.signs() || k.encryption() != m.encryption()) {
				m.Key = k
			}
			members = append(members, m)
			continue
		}
		if other, known := before.find(k.ID); known && other.thumbprint < k.thumbprint {
			continue // it would lose its kid to one that the storage has lost
		}
		members = append(members, member{Key: k, trustedFrom: trustedFrom(k, before.read, at)})
	}
	for _, m := range before.members {
		if !slices.ContainsFunc(members, func(other member) bool {
			return sameEntry(other.Key, m.Key) || other.ID == m.ID && other.thumbprint < m.thumbprint
		}) {
			m.missing = true
			members = append(members, m)
		}
	}
	slices.SortFunc(members, takeover)
	members = withoutForgettable(members, rot, at)
	if before.unchanged(members) {
		return &keys{members: members, unreadable: found.unreadable, byID: before.byID, set: before.set, read: &at}, nil
	}
	next, err := newKeys(members)
	if err != nil {
		return nil, err
	}
	next.unreadable, next.read = found.unreadable, &at
	return next, nil
}

// withoutForgettable drops keys that the storage no longer has and does not need: those
// whose tokens have expired, and those that a wrong clock made. So an operator can remove
// the latter.
func withoutForgettable(members []member, rot rotation, at moment) []member {
	now := at.wall
	active, signing := activeAt(members, now, ever), activeAt(members, now, at.elapsed)
	var kept []member
	for i, m := range members {
		if m.missing && i != signing && (overdue(members, i, now) || i != active && rot.farAhead(m.Key, now)) {
			continue
		}
		kept = append(kept, m)
	}
	return kept
}

// trustedFrom returns when a running node may sign with a key that appears too late: it
// was written late, or the clock was set since. Until then the node signs with the key
// before, which is kept for much longer. A node that starts, or was away for long, relies
// on the clock.
func trustedFrom(k *Key, read *moment, at moment) time.Duration {
	if read == nil || k.atOnce() || at.elapsed-read.elapsed > cutOff/2 || at.wall.Sub(read.wall) > cutOff/2 {
		return 0
	}
	return at.elapsed + MaxAge
}
