package lastuse

import (
	"iter"
	"slices"
	"time"
)

// knowledge is what is known of one secret, in seconds since 1970; 0: nothing.
type knowledge struct{ used, since int64 }

// join is commutative, associative and idempotent: it does not matter which
// entries are read in which order, or twice.
func (k knowledge) join(other knowledge) knowledge {
	return knowledge{max(k.used, other.used), earlier(k.since, other.since)}
}

func earlier(a, b int64) int64 {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

// secret is what this process knows of a secret, and how it knows.
type secret struct {
	// seen is shared with the Record's successor.
	seen *sighting
	// observed is since when this process watches the secret; nil: it does not.
	observed *mark
	// told is the join of all that was ever read, or written.
	told knowledge
	// stored is what the storage has, as far as it has been read.
	stored knowledge
	// declared is the call of Observe that last named the secret.
	declared int
	// absentSince is since when the secret is not declared, if it is not.
	absentSince time.Duration
}

// now joins what was told with what this process has seen.
func (s *secret) now(at moment) knowledge {
	seen := knowledge{used: s.seen.lastUsed(at)}
	if s.observed != nil {
		seen.since = s.observed.seconds(at)
	}
	return s.told.join(seen)
}

// Observe names the secrets that are declared now, all of them, when the files
// are loaded and at each change of them. Those that are new begin to be
// observed. Those that are gone are forgotten later: a change may be taken back.
func (r *Record) Observe(secrets iter.Seq[Secret]) {
	storable := slices.DeleteFunc(slices.Collect(secrets), func(s Secret) bool { return !s.storable() })
	at := r.clock.moment()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.declared++
	r.watching.begin(at)
	before := *r.known.Load()
	fresh := false
	for _, s := range storable {
		known := r.secret(s, at)
		if known.observed == nil {
			known.observed = &mark{at.seconds(), at.elapsed}
		}
		known.declared = r.declared
		fresh = fresh || before[s] == nil
	}
	for _, known := range r.secrets {
		if known.declared == r.declared-1 {
			known.absentSince = at.elapsed
		}
	}
	if fresh {
		r.publish()
	}
	r.adopt(at)
}

// lift is for a clock that is behind what was written already: by that clock, an
// observation that began here would seem to have begun long ago. It needs r.mu.
func (r *Record) lift(at moment) {
	last := r.lastWritten(lastSecond)
	if last <= at.believable() {
		return
	}
	for _, known := range r.secrets {
		if known.observed != nil && known.observed.seconds(at) < last {
			known.observed = &mark{last, at.elapsed}
		}
	}
}

// secret needs r.mu.
func (r *Record) secret(s Secret, at moment) *secret {
	known := r.secrets[s]
	if known == nil {
		known = &secret{seen: new(sighting), absentSince: at.elapsed}
		r.secrets[s] = known
	}
	return known
}

// publish gives requests what they look up. Those that are no longer declared
// stay as long as they are remembered: requests may still be using them. It
// needs r.mu.
func (r *Record) publish() {
	known := make(map[Secret]*sighting, len(r.secrets))
	for s, secret := range r.secrets {
		if secret.observed != nil {
			known[s] = secret.seen
		}
	}
	r.known.Store(&known)
}

// adopt takes in the strays. It needs r.mu.
func (r *Record) adopt(at moment) {
	for s, seen := range r.strays.take() {
		r.secret(s, at).seen.join(seen)
	}
}

// inherit takes over what is in the predecessor's memory. What its storage
// holds, the Record's own does not.
func (r *Record) inherit(before *Record) {
	at := r.clock.moment()
	before.mu.Lock()
	defer before.mu.Unlock()
	before.adopt(at)
	r.declared, r.watching = before.declared, before.watching
	r.synced.run = before.synced.run
	for s, known := range before.secrets {
		inherited := *known
		inherited.stored = knowledge{}
		r.secrets[s] = &inherited
	}
	r.publish()
}

const (
	// absentFor and idleFor are how long a secret is not forgotten: while nodes
	// have different versions of the files, and while a change may be taken back.
	absentFor = time.Hour
	idleFor   = 30 * 24 * time.Hour
)

// forget leaves out the secrets that are long gone. A node that still declares
// one will miss it in the storage, and write it again. It needs r.mu.
func (r *Record) forget(at moment) {
	forgotten := false
	for s, known := range r.secrets {
		if known.declared == r.declared || at.elapsed-known.absentSince < absentFor {
			continue
		}
		k := known.now(at)
		if max(k.used, k.since) < at.seconds()-int64(idleFor/time.Second) {
			delete(r.secrets, s)
			forgotten = true
		}
	}
	if forgotten {
		r.publish()
	}
}
