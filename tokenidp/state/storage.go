package state

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

const (
	// DefaultPoll is how often the storage is read for revocations of other nodes.
	DefaultPoll = 2 * time.Second
	// LeastPoll and MostPoll are the limits of the poll interval.
	LeastPoll, MostPoll = 100 * time.Millisecond, time.Minute

	// writeTimeout bounds the writing of what was revoked, and the wait for it.
	writeTimeout = 5 * time.Second
	// syncTimeout bounds one reading.
	syncTimeout = 30 * time.Second
)

// Storage keeps the revocations in Caddy's storage. They are durable, and reach every node
// on that storage within seconds. Single-use identifiers and quotas are in the memory of
// each node.
//
// Revocations of about the same time are written together, as one segment that never
// changes. Every node lists the segments and reads those that are new to it. Nodes that
// revoke or issue merge small segments into larger ones: they write the merged segment
// first, and then delete the segments that it replaces. So no lock is needed, and nothing
// is lost if a node stops at any point.
type Storage struct {
	*Node
	segments segments
	poll     time.Duration
	logger   *zap.Logger
	mergesAt int           // how many segments of about one size
	splitAt  int           // how many records are one segment
	running  chan struct{} // held by the one Run that works
	syncing  chan struct{} // held by who reads the storage
	synced   atomic.Bool
	store    atomic.Uint32 // what has been stored since the last loss is known by it
	problem  background.Problem

	mu         sync.Mutex
	known      map[string]segmentInfo // that were read or written
	listed     []string               // last
	gone       []string               // vanished from the listings, before one was complete
	unreadable map[string]trouble
	writes     bool     // this node may write where it is not asked to
	audit      bool     // the storage may lack what is known here
	ended      uint64   // states of this node, for endedSince
	pending    *batch   // the next write
	writing    bool     // somebody writes the batches
	unstored   []record // in force here, and not in the storage
	failing    bool     // the last writing failed
	lastSync   time.Time
}

// segmentInfo describes a segment that was read.
type segmentInfo struct {
	records  int
	replaces []string
	term     term
}

// trouble describes a segment that cannot be read.
type trouble struct {
	cause error
	again time.Duration // when it is tried again
}

// NewStorage returns a Storage. Operations of the storage must end with their context.
func NewStorage(n *Node, storage certmagic.Storage, folder string, poll time.Duration, logger *zap.Logger) *Storage {
	if logger == nil {
		logger = zap.NewNop()
	}
	s := &Storage{
		Node: n, segments: newSegments(storage, folder), poll: poll, logger: logger, splitAt: mostRecords,
		running: make(chan struct{}, 1), syncing: make(chan struct{}, 1),
		known: make(map[string]segmentInfo), unreadable: make(map[string]trouble),
	}
	s.endedSince(&s.ended)
	s.audit = n.revocations.len() > 0 // under a state before
	s.store.Store(n.revocations.newStore())
	// Nodes that see the same segments mostly merge at different times.
	s.mergesAt = leastMerged + int(s.segments.Process()[0])%leastMerged
	return s
}

// Once implements [State]. It knows the identifiers of this node only.
func (s *Storage) Once(_ context.Context, owner, id string, until time.Time) (first bool, err error) {
	return s.identifiers.once(owner, id, until)
}

// Take implements [State]. It counts in this node only.
func (s *Storage) Take(_ context.Context, name string, limit int, window time.Duration) (wait time.Duration) {
	return s.quotas.take(name, limit, window)
}

// Ready implements [State].
func (s *Storage) Ready() error {
	if s.synced.Load() {
		return nil
	}
	return ErrNotSynced
}

// Health implements [State].
func (s *Storage) Health() Health {
	h := s.health("storage")
	s.mu.Lock()
	defer s.mu.Unlock()
	h.Synced, h.LastSync, h.Problem = s.synced.Load(), s.lastSync, s.problem.String()
	if s.failing && h.Problem == "" {
		h.Problem = "revocations of this node are not in the storage yet"
	}
	for name, t := range s.unreadable {
		h.Warnings = append(h.Warnings, fmt.Sprintf("%s %.300s; what it revokes is not known here", s.segments.Key(name), t.cause))
	}
	slices.Sort(h.Warnings)
	return h
}

// Run implements [State].
func (s *Storage) Run(ctx context.Context, issues bool) {
	runAlone(ctx, s.running, func() {
		s.mu.Lock()
		s.writes = s.writes || issues
		s.mu.Unlock()
		swept := s.clock.elapsed()
		s.keepCurrent(ctx)
		background.Every(ctx, s.poll, func() {
			s.keepCurrent(ctx)
			if now := s.clock.elapsed(); now-swept >= sweepInterval {
				swept = now
				s.sweep()
			}
		})
	})
}

// keepCurrent reads what others wrote, and writes what is missing in the storage. It logs
// a problem once, not every two seconds.
func (s *Storage) keepCurrent(ctx context.Context) {
	working, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	s.heedEnded()
	err := s.Load(working)
	if err == nil && s.mayWrite() {
		err = s.tidy(working)
	}
	if ctx.Err() != nil {
		return // this configuration has ended
	}
	s.retry()
	switch s.problem.Note(err) {
	case background.Nothing:
	case background.Failed:
		s.logger.Error("the revocations in the storage are out of reach; those known here stay in force", zap.Error(err))
	case background.Mended:
		s.logger.Info("the revocations in the storage are within reach again")
	}
}

func (s *Storage) heedEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.audit = s.endedSince(&s.ended) || s.audit
}

func (s *Storage) mayWrite() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// Interface guard
var _ State = (*Storage)(nil)
