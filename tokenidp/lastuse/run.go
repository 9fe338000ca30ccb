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

// Flush stores the uses that came after the end of Run, if the storage is still open.
func (s *Syncer) Flush() {
	if s.problem.String() != "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastSyncTimeout)
	defer cancel()
	_ = s.record.Flush(ctx)
}

// Health describes whether a [Record] is written and read.
type Health struct {
	// Problem is the last error of Sync. It is empty if the last Sync succeeded.
	Problem string
}

// Health returns the result of the last Sync. It does not wait for the storage.
func (s *Syncer) Health() Health { return Health{s.problem.String()} }

// Run syncs the Record at once, every minute, and flushes it when ctx ends. Call it once.
func (s *Syncer) Run(ctx context.Context) {
	s.sync(ctx, syncInterval, s.record.Sync)
	background.Every(ctx, syncInterval, func() { s.sync(ctx, syncInterval, s.record.Sync) })
	s.sync(context.WithoutCancel(ctx), lastSyncTimeout, s.record.Flush)
}

func (s *Syncer) sync(ctx context.Context, timeout time.Duration, do func(context.Context) error) {
	working, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := do(working)
	if ctx.Err() != nil {
		return // the last one is to come
	}
	if s.problem.Note(err) == background.Failed {
		s.logger.Warn("the last uses of secrets cannot all be stored and read now; they are kept in memory, and no secret counts as unused", zap.Error(err))
	}
}
