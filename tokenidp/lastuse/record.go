// Package lastuse records when each secret of each Application was last used, on all
// nodes. So an operator knows when an old secret can be removed.
//
// A request records the use in memory only. In the background, Sync writes what is new
// into Caddy's storage, and reads what other processes wrote. An entry never changes after
// it is written, and no name is used twice. The entries are joined: the latest use and the
// earliest observation of a secret count, in any order. So no lock is needed. Any process
// may fold entries at any time: it reads some, writes one that says the same, and then
// deletes them. An entry is deleted only after another that says the same was stored, so
// nothing is lost if a process stops at any point, or if several fold at once.
//
// In case of doubt, a secret looks used, or not observed for long enough: after an entry
// that cannot be read, a time in which no node wrote, or a clock that is wrong or was set.
//
// It misses uses in the last minute before a process is killed, and uses at a node that
// cannot reach the storage while others can. The Sync of that node returns errors.
package lastuse

import (
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Secret names one secret of one Application.
type Secret struct {
	ClientID string
	// SecretID is the id of the secret in its Application, not the secret itself.
	SecretID string
}

// longestID, in bytes, is more than either id may have.
const longestID = 256

// storable reports whether a reader of the entry accepts the ids.
func (s Secret) storable() bool { return storableID(s.ClientID) && storableID(s.SecretID) }

func storableID(id string) bool { return id != "" && len(id) <= longestID && utf8.ValidString(id) }

// Use is the use of a secret on all nodes. The secret was not used for some time if
// SyncedAt is about now, and both LastUsed and ObservedSince are before that time.
// ObservedSince must not be zero.
type Use struct {
	// LastUsed is zero if no use was seen. It may be in the future if clocks differ.
	LastUsed time.Time
	// ObservedSince is the time since which some node has watched the secret, without a
	// gap of more than three hours, and without a step of this node's clock. It is zero if
	// no node does.
	ObservedSince time.Time
}

// Options are optional.
type Options struct {
	// Now is the wall clock. Default: time.Now.
	Now func() time.Time
	// Elapsed is a clock that cannot be set: the time since a fixed moment in the life of
	// the process. Default: the monotonic clock.
	Elapsed func() time.Duration
	// Predecessor is this process's Record for the same issuer in another storage, if any.
	// The new Record takes over what it knows, its clocks, and the uses that it records
	// later for requests that it still serves.
	Predecessor *Record
	// Logger default: none.
	Logger *zap.Logger
}

// Record holds what one process knows of the secrets of one issuer.
type Record struct {
	store   store
	clock   clock
	logger  *zap.Logger
	foldsAt int // how many entries, besides those that are full

	// known has the declared secrets, for requests. It is replaced, never changed.
	known  atomic.Pointer[map[Secret]*sighting]
	strays strays

	// syncing is held by one Sync.
	syncing chan struct{}
	// covered are the replaced entries that are not deleted yet. Only Sync uses it, like
	// told.
	covered map[string]bool
	told    map[string]bool // what was logged once, by entry

	mu       sync.RWMutex
	secrets  map[Secret]*secret
	declared int              // counts the calls of Observe
	entries  map[string]watch // those that have been read, or written
	watching watching
	synced   synced
}

// New returns a Record whose entries are in folder, a prefix of storage keys such as
// "tokenidp/<issuer>/last_use". It does not read the storage, and starts no goroutine.
func New(s certmagic.Storage, folder string, o Options) *Record {
	r := &Record{
		store:   newStore(s, folder),
		clock:   newClock(o),
		logger:  o.Logger,
		syncing: make(chan struct{}, 1),
		covered: make(map[string]bool),
		told:    make(map[string]bool),
		secrets: make(map[Secret]*secret),
		entries: make(map[string]watch),
	}
	r.foldsAt = leastFold + int(r.store.Process()[0])%leastFold
	if r.logger == nil {
		r.logger = zap.NewNop()
	}
	r.known.Store(new(map[Secret]*sighting))
	if o.Predecessor != nil {
		r.inherit(o.Predecessor)
	}
	return r
}

// Used records that the secret was used now. It never waits, and allocates only for a
// secret that Observe was not called with.
func (r *Record) Used(s Secret) {
	at := r.clock.moment()
	if seen := (*r.known.Load())[s]; seen != nil {
		seen.mark(at)
		return
	}
	r.strays.mark(s, at)
}

// Use returns what is known of the secret. Before the first Sync, that is what this
// process and its predecessor have seen.
func (r *Record) Use(s Secret) Use {
	at := r.clock.moment()
	r.mu.RLock()
	defer r.mu.RUnlock()
	k := r.knowledge(s, at)
	if r.synced.once {
		k.since = r.synced.unbrokenSince(k.since, at)
	}
	return Use{LastUsed: instant(k.used), ObservedSince: instant(k.since)}
}

// knowledge returns what is known of the secret. The caller holds r.mu.
func (r *Record) knowledge(s Secret, at moment) (k knowledge) {
	if known := r.secrets[s]; known != nil {
		k = known.now(at)
	}
	k.used = max(k.used, r.strays.lastUsed(s, at))
	return k
}

// SyncedAt returns when the entries of all nodes were last read completely, or the zero
// time. If it is long ago, a use on another node may not be known here.
func (r *Record) SyncedAt() time.Time {
	at := r.clock.moment()
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.synced.complete {
		return time.Time{}
	}
	return at.wall.Add(r.synced.completeAt - at.elapsed).UTC()
}

// instant returns the time for seconds since 1970. 0 gives the zero time.
func instant(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
