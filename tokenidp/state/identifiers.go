package state

import (
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// mostIdentifiers is how many identifiers are kept. More are refused.
	mostIdentifiers = 1_000_000
	// shares is the number of parts of the room. While more than half of the room is
	// taken, each owner gets one part. So a client that fills it shuts out only itself.
	shares = 16
	// ownerBits is the size of the hash by which owners are distinguished. Its seed is
	// secret.
	ownerBits = 14
	// sweepEvery is the shortest time between two searches for expired identifiers.
	sweepEvery = time.Second
)

// identifiers holds the used single-use identifiers of this node.
type identifiers struct {
	clock  clock
	most   int
	used   table // with the owner as the moment
	seed   maphash.Seed
	owners [1 << ownerBits]atomic.Int64 // about how many identifiers each has: counted when room is searched, and incremented since

	full  sync.Mutex // held while room is searched
	swept time.Duration

	replayed, unavailable atomic.Uint64
}

func newIdentifiers(c clock, most int) *identifiers {
	return &identifiers{clock: c, most: most, seed: maphash.MakeSeed()}
}

// once reports whether this is the first use of the identifier.
func (i *identifiers) once(owner, id string, until time.Time) (first bool, err error) {
	o := i.owner(owner)
	if err := i.room(o); err != nil {
		i.unavailable.Add(1)
		return false, err
	}
	now := i.clock.moment()
	i.used.update(newKey(onceKind, "", id), now, func(known *fact) fact {
		learned := fact{before: o, term: now.term(seconds(until), 0)}
		if known != nil {
			return fact{before: known.before, term: known.term.join(learned.term)}
		}
		first = true
		return learned
	})
	if first {
		i.owners[o].Add(1)
	} else {
		i.replayed.Add(1)
	}
	return first, nil
}

// remember adds an identifier that was used according to another state. If there is no
// room, it adds nothing: the other state has it.
func (i *identifiers) remember(owner, id string, until time.Time) {
	o := i.owner(owner)
	if i.room(o) != nil {
		return
	}
	now := i.clock.moment()
	i.used.update(newKey(onceKind, "", id), now, func(*fact) fact { return fact{before: o, term: now.term(seconds(until), 0)} })
	i.owners[o].Add(1)
}

// known reports whether the identifier was used in this node.
func (i *identifiers) known(id string) bool {
	f, found := i.used.find(newKey(onceKind, "", id))
	return found && !f.term.over(i.clock.moment())
}

func (i *identifiers) owner(name string) uint32 {
	return uint32(maphash.String(i.seed, name) >> (64 - ownerBits))
}

// room returns an ErrFull if there is no room for one more of this owner.
func (i *identifiers) room(owner uint32) error {
	share := max(i.most/shares, 1)
	switch held := i.used.len(); {
	case held < i.most/2:
		return nil
	case held >= i.most || i.owners[owner].Load() >= int64(share):
		i.makeRoom()
	}
	switch {
	case i.used.len() >= i.most:
		return ErrFull
	case i.used.len() >= i.most/2 && i.owners[owner].Load() >= int64(share):
		return fmt.Errorf("%w for this client, which has %d identifiers in it", ErrFull, share)
	}
	return nil
}

// makeRoom removes expired identifiers, and counts the others.
func (i *identifiers) makeRoom() {
	i.full.Lock()
	defer i.full.Unlock()
	elapsed := i.clock.elapsed()
	if elapsed-i.swept < sweepEvery {
		return
	}
	i.swept = elapsed
	now := i.clock.moment()
	i.used.sweep(now)
	var counts [1 << ownerBits]int64
	for _, f := range i.used.remembered(now) {
		counts[f.before]++
	}
	for owner, count := range counts {
		i.owners[owner].Store(count)
	}
}
