// Package lastuse knows when each secret of each Application was last used, on
// all nodes together, so that an old secret can be removed once nobody uses it.
//
// A request only notes the use in memory. In the background, Sync writes what is
// new into Caddy's storage and reads what other processes wrote. An entry there
// never changes once it is written, and no two have one name. What all entries
// say is joined: the latest use and the earliest observation of a secret count,
// in whichever order they come. So there is no lock, and entries are folded by
// anyone at any time: whoever has read some may write one that says as much, and
// then delete them. At whatever point that breaks off, and whoever else does it
// at once, an entry is deleted only when one that says as much was stored after
// it, and the last one of such a chain is there.
//
// Whatever is in doubt makes a secret look used, or not observed for long enough:
// an entry that cannot be read, a time in which no node wrote, a clock that is
// wrong or was set.
//
// What it cannot know: uses in the last minute before a process was killed, and
// uses at a node that is cut off from the storage while others are not; that
// node's Sync returns errors.
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
	// SecretID is the id under which the Application has it, not the secret.
	SecretID string
}

// longestID is in bytes, and more than either id may have.
const longestID = 256

// storable keeps out what the reader of an entry would refuse.
func (s Secret) storable() bool { return storableID(s.ClientID) && storableID(s.SecretID) }

func storableID(id string) bool { return id != "" && len(id) <= longestID && utf8.ValidString(id) }

// Use is what is known of a secret, on all nodes together. It was not used for
// some time if SyncedAt is about now, and neither LastUsed nor ObservedSince
// (which must be there) lies within that time, or ahead.
type Use struct {
	// LastUsed may lie in the future, if the clock of some node did, or this one's
	// is behind; zero: never seen used.
	LastUsed time.Time
	// ObservedSince is since when some node has watched the secret, without a gap
	// of more than three hours in which no node did, and without a step of this
	// node's clock; zero: not at all.
	ObservedSince time.Time
}

// Options are what a Record can do without.
type Options struct {
	// Now is the wall clock. Default: time.Now.
	Now func() time.Time
	// Elapsed is a clock that nobody sets: the time since some moment in the
	// life of the process. Default: the monotonic clock.
	Elapsed func() time.Duration
	// Predecessor is this process's Record for the same issuer in another
	// storage, if any. What it knows is carried over, and uses that it notes
	// later, for requests that it still serves. Its clocks are used.
	Predecessor *Record
	// Logger default: none.
	Logger *zap.Logger
}

// Record is what one process knows of the secrets of one issuer.
type Record struct {
	store   store
	clock   clock
	logger  *zap.Logger
	foldsAt int // how many entries, besides those that are full

	// known is what a request looks up: the declared secrets. It is replaced, and
	// never changed.
	known  atomic.Pointer[map[Secret]*sighting]
	strays strays

	// syncing is held by one Sync.
	syncing chan struct{}
	// covered are entries that are folded, and are still to be deleted. Only Sync
	// uses it, like told.
	covered map[string]bool
	told    map[string]bool // what was logged once, by entry

	mu       sync.RWMutex
	secrets  map[Secret]*secret
	declared int              // counts the calls of Observe
	entries  map[string]watch // those that have been read, or written
	watching watching
	synced   synced
}

// New makes a Record whose entries are in folder, a storage key prefix such as
// "tokenidp/<issuer>/last_use". It reads nothing yet, and starts no goroutine.
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

// Used notes that the secret was used now. It never waits, and allocates only
// for a secret that Observe has not been told of.
func (r *Record) Used(s Secret) {
	at := r.clock.moment()
	if seen := (*r.known.Load())[s]; seen != nil {
		seen.mark(at)
		return
	}
	r.strays.mark(s, at)
}

// Use is what is known of the secret. Before the first Sync, that is what this
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

// knowledge needs r.mu.
func (r *Record) knowledge(s Secret, at moment) (k knowledge) {
	if known := r.secrets[s]; known != nil {
		k = known.now(at)
	}
	k.used = max(k.used, r.strays.lastUsed(s, at))
	return k
}

// SyncedAt is when the records of all nodes were last read completely; zero: not
// yet. If it is not about now, a use somewhere may not be known here.
func (r *Record) SyncedAt() time.Time {
	at := r.clock.moment()
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.synced.complete {
		return time.Time{}
	}
	return at.wall.Add(r.synced.completeAt - at.elapsed).UTC()
}

// instant is the time of whole seconds since 1970; 0 is the zero time.
func instant(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
