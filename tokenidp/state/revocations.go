package state

import (
	"sync"
	"time"
)

// mostRevocations is how many are taken; more are refused. A million takes about
// 50 MB.
const mostRevocations = 2_000_000

// leastRemembered is for how long a revocation is kept after it was learned, even
// if the clock says that its tokens have expired: so long a clock may be wrong at a
// start.
const leastRemembered = time.Hour

// revocations are those in force in this node.
type revocations struct {
	clock                    clock
	most                     int
	tokens, clients, issuers table

	full  sync.Mutex // held by who looks for room
	swept time.Duration
}

// revoked allocates nothing, and takes some 100 ns for each kind of revocation that
// there is.
func (r *revocations) revoked(t Token) bool {
	if t.ID != "" && r.tokens.len() > 0 && r.tokens.find(newKey(tokenKind, t.Issuer, t.ID)) != nil {
		return true
	}
	issued := t.IssuedAt.Unix()
	return r.clients.len() > 0 && t.ClientID != "" && r.clients.reaches(newKey(clientKind, t.Issuer, t.ClientID), issued) ||
		r.issuers.len() > 0 && r.issuers.reaches(newKey(issuerKind, t.Issuer, ""), issued)
}

// reaches tells whether what was issued in that second is revoked.
func (t *table) reaches(k key, issued int64) bool {
	s := t.find(k)
	return s != nil && issued <= int64(s.fact().before)
}

// add puts the records in force. Of two for the same tokens, both hold.
func (r *revocations) add(records ...record) {
	now := r.clock.moment()
	for _, rec := range records {
		learned := fact{rec.before, now.term(rec.until, leastRemembered)}
		r.table(rec.kind).update(rec.key, now, func(known *fact) fact {
			if known == nil {
				return learned
			}
			return fact{max(known.before, learned.before), known.term.join(learned.term)}
		})
	}
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

// room returns ErrFull where there is none for n more.
func (r *revocations) room(n int) error {
	if r.len()+n <= r.most {
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

// all are the records that are in force.
func (r *revocations) all(yield func(record) bool) {
	now := r.clock.moment()
	for _, k := range []kind{tokenKind, clientKind, issuerKind} {
		for name, f := range r.table(k).remembered(now) {
			if !yield(record{k, name, f.before, sub(f.term.until, wholeSeconds(leeway))}) {
				return
			}
		}
	}
}

// missing are the records in force that are not there, or do not say as much there.
func (r *revocations) missing(there map[name]record) (missing []record) {
	for rec := range r.all {
		if !there[name{rec.kind, rec.key}].says(rec) {
			missing = append(missing, rec)
		}
	}
	return missing
}

func (r *revocations) sweep() {
	now := r.clock.moment()
	for _, t := range []*table{&r.tokens, &r.clients, &r.issuers} {
		t.sweep(now)
	}
}

func (r *revocations) len() int { return r.tokens.len() + r.clients.len() + r.issuers.len() }

func (r *revocations) bytes() int64 { return r.tokens.bytes() + r.clients.bytes() + r.issuers.bytes() }
