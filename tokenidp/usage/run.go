package usage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

const (
	// interval is how often the storage is read, and how often news is written at least.
	interval = time.Minute
	// tick is how often run checks whether that is due.
	tick = time.Second
	// refreshTimeout limits the time that an operator waits.
	refreshTimeout = 5 * time.Second
	// endTimeout limits the last write. The end of the process waits for it.
	endTimeout = 5 * time.Second
)

// interval differs between processes, so that they do not use the storage at once.
func (e entries) interval() time.Duration {
	return interval - time.Duration(e.Process()[0])*50*time.Millisecond
}

// Health describes whether a [Store] is written and read.
type Health struct {
	// Problem is the last error. It is empty if all is in order.
	Problem string
}

// Health returns the result of the last work. It does not wait for the storage.
func (s *Store) Health() Health {
	if s == nil {
		return Health{}
	}
	return Health{cmp.Or(s.writing.String(), s.reading.String())}
}

// Run reads and writes until ctx ends. It may run for several configurations at once.
func (s *Store) Run(ctx context.Context) {
	s.work(ctx)
	background.Every(ctx, tick, func() { s.work(ctx) })
}

// work does what is due.
func (s *Store) work(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, interval)
	defer cancel()
	if s.acquire(ctx) != nil {
		return
	}
	defer s.releaseStorage()
	at := s.clock.moment()
	read := s.readAt == 0 || at.elapsed-s.readAt >= s.entries.interval()
	if read || s.due(at) {
		_ = s.sync(ctx, read, false) // it is noted
	}
}

// Sync reads what other processes wrote, and writes what is new here. It takes as long as
// the storage needs. After an error, everything stays in memory.
func (s *Store) Sync(ctx context.Context) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.releaseStorage()
	return s.sync(ctx, true, true)
}

func (s *Store) sync(ctx context.Context, read, force bool) error {
	var reading, writing error
	if read {
		reading = s.read(ctx)
	}
	folds := read && !isStopping(reading)
	if read {
		reading = errors.Join(reading, s.readLegacy(ctx))
	}
	if at := s.clock.moment(); force || s.due(at) {
		writing = s.write(ctx, at.elapsed-s.own.begun >= renewal)
		s.note(&s.writing, writing)
	}
	if folds && writing == nil {
		reading = errors.Join(reading, s.fold(ctx))
	}
	if read {
		s.note(&s.reading, reading)
	}
	return errors.Join(reading, writing)
}

// note logs a failure when it begins. A read or write that the end of a configuration
// cancels is no failure.
func (s *Store) note(p *background.Problem, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	if p.Note(err) == background.Failed {
		s.logger.Warn("usage cannot all be stored and read now; it is kept in memory, and nothing counts as unused", zap.Error(err))
	}
}

// Refresh reads what other processes wrote, unless a read happened in the last second. It
// waits for a few seconds at most.
func (s *Store) Refresh(ctx context.Context) {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	if s.acquire(ctx) != nil {
		return
	}
	defer s.releaseStorage()
	if s.clock.elapsed()-s.readAt >= tick || s.readAt == 0 {
		s.note(&s.reading, errors.Join(s.readLegacy(ctx), s.read(ctx)))
	}
}

// End writes everything, and ends the entry. Call it when the process stops counting, while
// the storage is open. Counting may continue.
func (s *Store) End() {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if s.acquire(ctx) != nil {
		return
	}
	defer s.releaseStorage()
	if s.counters.footprint() == (footprint{}) && len(s.own.versions) == 0 {
		return
	}
	if err := s.read(ctx); isStopping(err) && !errors.Is(err, ErrIncomplete) {
		return // the entry may have been folded
	}
	_ = s.write(ctx, true) // nobody waits for it any more
}

func (s *Store) acquire(ctx context.Context) error {
	select {
	case s.syncing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for another use of %s: %w", s.entries.Folder(), ctx.Err())
	}
}

func (s *Store) releaseStorage() { <-s.syncing }
