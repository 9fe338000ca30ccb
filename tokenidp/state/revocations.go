package state

import (
	"sync"
	"sync/atomic"
	"time"
)

// mostRevocations is how many revocations are kept. More are refused. A million takes
// about 80 MB.
const mostRevocations = 2_000_000

// leastRemembered is how long a revocation is kept at least, even if its tokens have
// expired by the wall clock. The clock may be wrong for a while after a start.
const leastRemembered = time.Hour

// revocations holds the revocations in force in this node.
type revocations struct {
	clock                    clock
	most                     int
	tokens, clients, issuers table
	stores                   atomic.Uint32 // that were numbered

	full  sync.Mutex // held while room is searched
	swept time.Duration
}

// revoked does not allocate, and takes about 100 ns for each kind of revocation in force.
func (r *revocations) revoked(t Token) bool {
	if t.ID != "" && r.tokens.len() > 0 {
		if _, found := r.tokens.find(newKey(tokenKind, t.Issuer, t.ID)); found {
			return true
		}
	}
	issued := t.IssuedAt.Unix()
	return r.clients.len() > 0 && t.ClientID != "" && r.clients.reaches(newKey(clientKind, t.Issuer, t.ClientID), issued) ||
		r.issuers.len() > 0 && r.issuers.reaches(newKey(issuerKind, t.Issuer, ""), issued)
}

// reaches reports whether a token issued in that second is revoked.
func (t *table) reaches(k key, issued int64) bool {
	f, found := t.find(k)
	return found && issued <= int64(f.before)
}

// newStore returns a number for a store that is new, or has lost something: nothing is
// known to be in it.
func (r *revocations) newStore() uint32 { return r.stores.Add(1) }

// add puts the records in force, which are in the store; 0 is no store. Of two records for
// the same tokens, both hold.
func (r *revocations) add(store uint32, records ...record) {
	now := r.clock.moment()
	for _, rec := range records {
		learned := fact{rec.before, now.term(rec.until, leastRemembered), store}
		r.table(rec.kind).update(rec.key, now, func(known *fact) fact {
			if known == nil {
				return learned
			}
			return known.join(learned)
		})
	}
}

// join returns a fact that says what both say. It is in a store if one of the two says it
// all and is in that store.
func (f fact) join(g fact) fact {
	both := fact{before: max(f.before, g.before), term: f.term.join(g.term)}
	for _, one := range []fact{f, g} { // the later one is of the store in use
		if one.store != 0 && one.before == both.before && one.term.until == both.term.until {
			both.store = one.store
		}
	}
	return both
}

// stored marks the records that are in force as being in the store.
func (r *revocations) stored(store uint32, records []record) {
	for _, rec := range records {
		r.table(rec.kind).revise(rec.key, func(f fact) fact {
			if rec.before >= f.before && add(rec.until, leeway) >= f.term.until {
				f.store = store
			}
			return f
		})
	}
}

// news returns the records that are not known to be in the store, each once.
func (r *revocations) news(store uint32, records []record) (news []record) {
	for _, rec := range joined(records) {
		f, found := r.table(rec.kind).find(rec.key)
		if !found || f.store != store || f.before < rec.before || f.term.until < add(rec.until, leeway) {
			news = append(news, rec)
		}
	}
	return news
}

// holds reports whether the revocation of the record is in force.
func (r *revocations) holds(rec record, now moment) bool {
	f, found := r.table(rec.kind).find(rec.key)
	return found && !f.term.over(now)
}

func (r *revocations) table(k kind) *table {
	switch k {
	case clientKind:
		return &r.clients
	case issuerKind:
		return &r.issuers
	default:
		return &r.tokens
	}
}

// room returns ErrFull if there is no room for the records. There is always room for
// revocations of more than one token, because only operators make them.
func (r *revocations) room(records []record) error {
	n := 0
	for _, rec := range records {
		if rec.kind != tokenKind {
			continue
		}
		if _, found := r.tokens.find(rec.key); !found {
			n++
		}
	}
	if n == 0 || r.len()+n <= r.most {
		return nil
	}
	r.full.Lock()
	defer r.full.Unlock()
	if elapsed := r.clock.elapsed(); elapsed-r.swept >= sweepEvery {
		r.swept = elapsed
		r.sweep()
	}
	if r.len()+n <= r.most {
		return nil
	}
	return ErrFull
}

// lacking returns the records in force that are not known to be in the store.
func (r *revocations) lacking(store uint32) (lacking []record) {
	now := r.clock.moment()
	for _, k := range []kind{tokenKind, clientKind, issuerKind} {
		for name, f := range r.table(k).remembered(now) {
			if f.store != store {
				lacking = append(lacking, record{k, name, f.before, sub(f.term.until, wholeSeconds(leeway))})
			}
		}
	}
	return lacking
}

func (r *revocations) sweep() {
	now := r.clock.moment()
	for _, t := range []*table{&r.tokens, &r.clients, &r.issuers} {
		t.sweep(now)
	}
}

func (r *revocations) len() int { return r.tokens.len() + r.clients.len() + r.issuers.len() }

func (r *revocations) bytes() int64 { return r.tokens.bytes() + r.clients.bytes() + r.issuers.bytes() }
