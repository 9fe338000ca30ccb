package lastuse

import (
	"iter"
	"time"
)

// knowledge is what is known of one secret. Times are in seconds since 1970; 0 is unknown.
type knowledge struct{ used, since int64 }

// join is commutative, associative and idempotent, so entries may be read in any order,
// and twice.
func (k knowledge) join(other knowledge) knowledge {
	return knowledge{max(k.used, other.used), earlier(k.since, other.since)}
}

func earlier(a, b int64) int64 {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

// secret is what this process knows of a secret, by source.
type secret struct {
	// seen is shared with the Record's successor.
	seen *sighting
	// observed is since when this process watches the secret. It is nil if it does not.
	observed *mark
	// told joins everything that was ever read or written.
	told knowledge
	// stored is what the storage has, as far as it was read.
	stored knowledge
	// declared is the number of the call of Observe that last had the secret.
	declared int
	// absentSince is since when the secret is no longer declared.
	absentSince time.Duration
}

// now joins told with what this process has seen.
func (s *secret) now(at moment) knowledge {
	seen := knowledge{used: s.seen.lastUsed(at)}
	if s.observed != nil {
		seen.since = s.observed.seconds(at)
	}
	return s.told.join(seen)
}

// Observe sets the declared secrets. Call it with all of them when the files are loaded
// and after each change. New secrets are observed from now on. Removed ones are kept for a
// while, because a change may be reverted.
func (r *Record) Observe(secrets iter.Seq[Secret]) {
	at := r.clock.moment()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.declared++
	r.watching.begin(at)
	before := *r.known.Load()
	fresh := false
	for s := range secrets {
		if !s.storable() {
			continue
		}
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

// lift corrects the start of observations if the wall clock was behind: by the times in
// the storage, they would seem to have begun long ago. The caller holds r.mu.
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

// secret returns the secret, which it adds if it is new. The caller holds r.mu.
func (r *Record) secret(s Secret, at moment) *secret {
	known := r.secrets[s]
	if known == nil {
		known = &secret{seen: new(sighting), absentSince: at.elapsed}
		r.secrets[s] = known
	}
	return known
}

// publish updates the secrets that requests look up. Removed secrets stay as long as they
// are kept, because requests may still use them. The caller holds r.mu.
func (r *Record) publish() {
	known := make(map[Secret]*sighting, len(r.secrets))
	for s, secret := range r.secrets {
		if secret.observed != nil {
			known[s] = secret.seen
		}
	}
	r.known.Store(&known)
}

// adopt adds the strays. The caller holds r.mu.
func (r *Record) adopt(at moment) {
	for s, seen := range r.strays.take() {
		r.secret(s, at).seen.join(seen)
	}
}

// inherit takes over what the predecessor has in memory. Nothing of it is in the storage
// of this Record yet.
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
	// absentFor and idleFor are how long a secret is kept: nodes may have different
	// versions of the files, and a change may be reverted.
	absentFor = time.Hour
	idleFor   = 30 * 24 * time.Hour
)

// forget drops secrets that were removed long ago. A node that still declares one writes
// it again. The caller holds r.mu.
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
