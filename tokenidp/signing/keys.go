package signing

import (
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// keys is one immutable state of a ring.
type keys struct {
	members    []member // in the order of their takeover
	unreadable []unreadable
	byID       map[string]*jws.Key
	set        KeySet
	read       *moment // of the storage, the last; nil before the first
}

// newKeys takes the members in any order. Those of one kid are of one key.
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

// unchanged spares the encoding of what is published already.
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

// sameEntry is for the entries of a key: one that was made here has one, one from
// outside has one for each time that it takes over.
func sameEntry(a, b *Key) bool { return a.kid == b.kid && sameKey(a, b) }

func (ks *keys) entry(k *Key) (member, bool) {
	i := slices.IndexFunc(ks.members, func(m member) bool { return sameEntry(m.Key, k) })
	if i < 0 {
		return member{}, false
	}
	return ks.members[i], true
}

// merge makes the next state of a ring: all that the storage holds, and what the
// ring knows and the storage has lost.
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

// withoutForgettable drops the keys that the storage no longer holds, and need
// not: those whose tokens have expired, and those that a wrong clock made, which
// an operator can so remove.
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

// trustedFrom makes a running node wait where a key appears too late: because it
// was written late, or because the clock was set since. The node signs with the
// key before meanwhile, which is kept for much longer than that. A node that
// starts, or comes back after long, knows nothing, and takes the clock's word.
func trustedFrom(k *Key, read *moment, at moment) time.Duration {
	if read == nil || k.atOnce() || at.elapsed-read.elapsed > cutOff/2 || at.wall.Sub(read.wall) > cutOff/2 {
		return 0
	}
	return at.elapsed + MaxAge
}
