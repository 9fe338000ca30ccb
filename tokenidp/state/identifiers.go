package state

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// mostIdentifiers is how many are remembered at once; more are refused.
	mostIdentifiers = 1_000_000
	// sweepEvery is how often, at most, all is searched for what is over.
	sweepEvery = time.Second
)

// identifiers are those used once in this node.
type identifiers struct {
	clock clock
	most  int
	used  table

	full  sync.Mutex // held by who looks for room
	swept time.Duration

	replayed, unavailable atomic.Uint64
}

// once tells whether this is the first use of the identifier.
func (i *identifiers) once(id string, until time.Time) (first bool, err error) {
	if i.used.len() >= i.most && !i.makeRoom() {
		i.unavailable.Add(1)
		return false, ErrFull
	}
	now := i.clock.moment()
	i.used.update(newKey(onceKind, "", id), now, func(known *fact) fact {
		learned := fact{term: now.term(seconds(until), 0)}
		if known != nil {
			return fact{term: known.term.join(learned.term)}
		}
		first = true
		return learned
	})
	if !first {
		i.replayed.Add(1)
	}
	return first, nil
}

// remember notes an identifier of which another state has told that it was used. What
// does not fit is not noted: the other state knows.
func (i *identifiers) remember(id string, until time.Time) {
	if i.used.len() >= i.most && !i.makeRoom() {
		return
	}
	now := i.clock.moment()
	i.used.update(newKey(onceKind, "", id), now, func(*fact) fact { return fact{term: now.term(seconds(until), 0)} })
}

// known tells whether the identifier was used in this node.
func (i *identifiers) known(id string) bool {
	s := i.used.find(newKey(onceKind, "", id))
	return s != nil && !s.fact().term.over(i.clock.moment())
}

func (i *identifiers) makeRoom() bool {
	i.full.Lock()
	defer i.full.Unlock()
	if elapsed := i.clock.elapsed(); elapsed-i.swept >= sweepEvery {
		i.swept = elapsed
		i.used.sweep(i.clock.moment())
	}
	return i.used.len() < i.most
}
