package lastuse

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

const (
	// syncInterval is how often the uses are written, and those that other nodes saw
	// are read.
	syncInterval = time.Minute
	// lastSyncTimeout bounds the last writing, for which a reload waits.
	lastSyncTimeout = 5 * time.Second
)

// Syncer writes and reads a [Record] in the background for one configuration. The
// Record may outlive it.
type Syncer struct {
	record  *Record
	logger  *zap.Logger
	problem background.Problem
}

// NewSyncer makes a Syncer, which does nothing before Run. The logger may be nil.
func NewSyncer(r *Record, logger *zap.Logger) *Syncer {
	if logger == nil {
		logger = zap.NewNop()
	}
	return &Syncer{record: r, logger: logger}
}

// Health is how a [Record] is kept.
type Health struct {
	// Problem is why the uses could not be written and read, the last time; empty if
	// they could.
	Problem string
}

// Health returns how the Record is kept. It does not wait for the storage.
func (s *Syncer) Health() Health { return Health{s.problem.String()} }

// Run writes and reads the Record at once and every minute, and writes it for the last
// time when ctx ends. Call it once.
func (s *Syncer) Run(ctx context.Context) {
	s.sync(ctx, syncInterval)
	background.Every(ctx, syncInterval, func() { s.sync(ctx, syncInterval) })
	s.sync(context.WithoutCancel(ctx), lastSyncTimeout)
}

func (s *Syncer) sync(ctx context.Context, timeout time.Duration) {
	working, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := s.record.Sync(working)
	if ctx.Err() != nil {
		return // the last one is to come
	}
	if s.problem.Note(err) == background.Failed {
		s.logger.Warn("the last uses of secrets cannot all be stored and read now; they are kept in memory, and no secret counts as unused", zap.Error(err))
	}
}
