package lastuse

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

const (
	// syncInterval is how often Sync is called.
	syncInterval = time.Minute
	// lastSyncTimeout bounds the last Sync. A configuration reload waits for it.
	lastSyncTimeout = 5 * time.Second
)

// Syncer calls Sync of a [Record] in the background for one configuration. The Record may
// outlive it.
type Syncer struct {
	record  *Record
	logger  *zap.Logger
	problem background.Problem
}

// NewSyncer returns a Syncer, which does nothing before Run. The logger may be nil.
func NewSyncer(r *Record, logger *zap.Logger) *Syncer {
	if logger == nil {
		logger = zap.NewNop()
	}
	return &Syncer{record: r, logger: logger}
}

// Health describes whether a [Record] is written and read.
type Health struct {
	// Problem is the last error of Sync. It is empty if the last Sync succeeded.
	Problem string
}

// Health returns the result of the last Sync. It does not wait for the storage.
func (s *Syncer) Health() Health { return Health{s.problem.String()} }

// Run syncs the Record at once, every minute, and once more when ctx ends. Call it once.
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
