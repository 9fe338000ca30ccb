// Package usage counts what the nodes see: secrets that are used, tokens that are issued,
// and requests that routes let through or refuse.
//
// A request adds to a [Counter] in memory, and never waits. In the background, a process
// overwrites one entry of its own in Caddy's storage, and reads those of the others. The
// sum of all entries is what all nodes saw. Each process adds to its own entry only, so no
// lock is needed, and the order of reading does not matter.
//
// A process ends its entry once a day, and when it stops. Entries that no process writes
// any more are folded: one entry contains the values of several and lists them by name.
// Only then are they deleted. A reader ignores an entry that is listed. So no count is lost
// or added twice if a process stops at any point. A lock of the storage lets one process
// fold at a time.
//
// The counts of a killed process since its last write are lost. A process writes once a
// second while more than one part in two hundred is unwritten, and otherwise once a minute.
//
// In case of doubt, a secret looks used, or not observed for long enough: after an entry
// that cannot be read, a time in which no node wrote, or a clock that is wrong or was set.
package usage

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

// Kind is what a [Key] counts.
type Kind int

// The kinds. Their numbers are in the storage.
const (
	// Secret is a use of the secret Name. It is declared.
	Secret Kind = iota + 1
	// Network is a use of the secret Name from the network Detail.
	Network
	// Issued is a token that the client got.
	Issued
	// Asked is a scope Name of such a token.
	Asked
	// Denied is a scope Name that the client requested without having it.
	Denied
	// Granted is a scope Name that the client may request. It is declared, not counted.
	Granted
	// Passed is a request to the route Name. Detail are the scopes that decided.
	Passed
	// Refused is a request that the route Name refused for the reason Detail.
	Refused
	// Reported is a request that the route Name, with report_only, would have refused.
	Reported
	// Read is a scope Name on which something behind a route may have decided: a matcher, or
	// an upstream.
	Read
	// Dropped counts keys that have no Counter of their own. Name is the kind.
	Dropped
	// RouteRefusals are the requests that the route Name refused for the reason Detail, of
	// all clients, by hour and day.
	RouteRefusals
	// RouteReports are those that it would have refused, with report_only.
	RouteReports
	// TokenRefusals are the token requests that the issuer refused for the reason Detail, by
	// hour and day.
	TokenRefusals

	lastKind = TokenRefusals
)

// Key names one counter.
type Key struct {
	Kind Kind
	// Issuer and Client are empty for a caller without a verified token.
	Issuer, Client string
	Name, Detail   string
}

// Others is the Issuer of a Key for all clients that share a counter.
const Others = "*"

// Options are optional.
type Options struct {
	// Now is the wall clock. Default: time.Now.
	Now func() time.Time
	// Elapsed is a clock that cannot be set: the time since a fixed moment in the life of
	// the process. Default: the monotonic clock.
	Elapsed func() time.Duration
	// Logger default: none.
	Logger *zap.Logger
}

// Store holds the counts of this process, and what it has read of other processes. A nil
// Store counts nothing, and knows nothing.
type Store struct {
	clock    clock
	logger   *zap.Logger
	entries  entries
	counters counters
	reading  background.Problem
	writing  background.Problem

	// syncing is held while the storage is used. It guards the next fields.
	syncing  chan struct{}
	own      own
	readAt   time.Duration // when the last read began
	foldedAt time.Duration

	observing atomic.Bool

	mu       sync.RWMutex
	known    map[string]*known // stored entries, by name
	others   map[Key]Value     // their sum, without this process' current entry
	watching watching
	synced   synced
	legacy   legacy
}

// New returns a Store whose entries are in the folder, a prefix of storage keys. It does
// not use the storage before [Store.Sync], and starts no goroutine.
func New(s certmagic.Storage, folder string, o Options) *Store {
	store := &Store{
		clock:   newClock(o),
		logger:  o.Logger,
		entries: newEntries(s, folder),
		syncing: make(chan struct{}, 1),
		known:   make(map[string]*known),
	}
	if store.logger == nil {
		store.logger = zap.NewNop()
	}
	store.counters.init()
	store.watching.from = store.clock.moment()
	store.foldedAt = store.clock.elapsed()
	store.own.begin(&store.entries, store.clock.elapsed())
	return store
}

// Value returns what all nodes counted for a key, as far as this process knows.
func (s *Store) Value(k Key) Value {
	if s == nil {
		return Value{}
	}
	at := s.clock.moment()
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.others[k].plus(s.counters.value(k, at)).join(s.legacy.values[k]).current(at)
}

// All returns what all nodes counted.
func (s *Store) All() map[Key]Value {
	if s == nil {
		return nil
	}
	at := s.clock.moment()
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make(map[Key]Value, len(s.others))
	for k, v := range s.others {
		all[k] = v.current(at)
	}
	for k, v := range s.counters.values(at) {
		all[k] = all[k].plus(v).current(at)
	}
	for k, v := range s.legacy.values {
		all[k] = all[k].join(v)
	}
	return all
}

// SyncedAt returns when the entries of all nodes were last read completely, or the zero
// time.
func (s *Store) SyncedAt() time.Time {
	if s == nil {
		return time.Time{}
	}
	at := s.clock.moment()
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.syncedAt(at)
}

func (s *Store) syncedAt(at moment) time.Time {
	if !s.synced.complete {
		return time.Time{}
	}
	return at.wall.Add(s.synced.completeAt - at.elapsed).UTC()
}

// Window describes the data behind a Value.
type Window struct {
	// Since is the time since which a node has counted, without a gap of more than three
	// hours and without a step of this node's clock. It is zero if no node counts.
	Since time.Time
	// Nodes are the processes that count now, this one included.
	Nodes int
	// SyncedAt is when the entries of all nodes were last read completely, or zero.
	SyncedAt time.Time
	// Unwritten is how much this process has counted since it last wrote.
	Unwritten int64
}

// Window returns the current Window.
func (s *Store) Window() Window {
	if s == nil {
		return Window{}
	}
	at := s.clock.moment()
	s.mu.RLock()
	defer s.mu.RUnlock()
	w := Window{Nodes: s.nodes(at), Unwritten: s.counters.total() - s.own.total.Load()}
	w.Since = instant(s.synced.unbrokenSince(1, at))
	if !s.synced.once {
		w.Since = s.watching.from.wall
	}
	w.SyncedAt = s.syncedAt(at)
	return w
}

// Use is the use of something declared, on all nodes. It was not used for some time if
// SyncedAt is about now, and both times are before that time. ObservedSince must not be
// zero.
type Use struct {
	// LastUsed is zero if no use was seen. It may be in the future if clocks differ.
	LastUsed time.Time
	// ObservedSince is the time since which a node has watched it, see Since.
	ObservedSince time.Time
}

// Use returns what is known about the use of a secret.
func (s *Store) Use(k Key) Use {
	v := s.Value(k)
	return Use{v.LastTime(), s.Since(v)}
}

// Since returns the time since which something declared has been observed without a gap, or
// zero.
func (s *Store) Since(v Value) time.Time {
	if s == nil {
		return time.Time{}
	}
	at := s.clock.moment()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.synced.once {
		return instant(v.First)
	}
	return instant(s.synced.unbrokenSince(v.First, at))
}

// instant converts seconds since 1970 to a time. 0 gives the zero time.
func instant(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
