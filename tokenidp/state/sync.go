package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

// attempts bounds the readings of one Load. Others cannot write or merge this often
// meanwhile.
const attempts = 10

// againAfter is when a segment that could not be read is tried again.
const againAfter = time.Minute

// Load implements [State]. It reads the segments that are new.
func (s *Storage) Load(ctx context.Context) error {
	select {
	case s.syncing <- struct{}{}:
		defer func() { <-s.syncing }()
	case <-ctx.Done():
		return unavailable(fmt.Errorf("waiting for another reading of %s: %w", s.segments.Folder(), ctx.Err()))
	}
	return unavailable(s.read(ctx))
}

// read reads until a listing has everything that the listing before had. A listing is not
// a snapshot: while segments are merged, it may have neither the replaced segments nor the
// new one. The next listing shows this.
func (s *Storage) read(ctx context.Context) error {
	for range attempts {
		began := s.clock.now()
		before := s.knownNames()
		names, err := s.segments.List(ctx)
		if err != nil {
			return err
		}
		complete, err := s.readFresh(ctx, names)
		if err != nil {
			return err
		}
		s.forget(before, names)
		if s.settled(names) && complete {
			s.checkGone()
			s.current(began)
			return nil
		}
	}
	return fmt.Errorf("%s changed during each of %d attempts to read it", s.segments.Folder(), attempts)
}

func (s *Storage) knownNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.known))
	for name := range s.known {
		names = append(names, name)
	}
	return names
}

// readFresh reads the segments that are new. It is incomplete if a segment vanished
// meanwhile.
func (s *Storage) readFresh(ctx context.Context, names []string) (complete bool, err error) {
	complete = true
	store := s.store.Load()
	for _, name := range s.fresh(names) {
		seg, err := s.segments.load(ctx, name)
		switch {
		case ctx.Err() != nil:
			return false, fmt.Errorf("reading %s: %w", s.segments.Key(name), ctx.Err())
		case errors.Is(err, fs.ErrNotExist): // just merged, as the next listing will show
			complete = false
		case damaged(err) && (s.synced.Load() || !errors.Is(err, fs.ErrPermission)): // at a start, nothing may be readable
			s.quarantine(name, err)
		case err != nil:
			return false, fmt.Errorf("reading %s: %w", s.segments.Key(name), err)
		default:
			s.revocations.add(store, seg.records...)
			s.know(name, seg)
		}
	}
	return complete, nil
}

// damaged reports whether the error is about one segment, not about the storage.
func damaged(err error) bool {
	for _, cause := range []error{errOtherVersion, errForeign, storage.ErrTooLarge, errDamaged, errRecords, fs.ErrPermission} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

func (s *Storage) fresh(names []string) (fresh []string) {
	now := s.clock.elapsed()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		_, known := s.known[name]
		if t, unreadable := s.unreadable[name]; !known && (!unreadable || now >= t.again) {
			fresh = append(fresh, name)
		}
	}
	return fresh
}

// quarantine skips a segment that cannot be read, and logs it once.
func (s *Storage) quarantine(name string, cause error) {
	s.mu.Lock()
	_, known := s.unreadable[name]
	s.unreadable[name] = trouble{cause, s.clock.elapsed() + againAfter}
	s.mu.Unlock()
	if !known {
		s.logger.Error("a part of the revocations cannot be read and is left alone; what it revokes is not known here until it is repaired or restored",
			zap.String("entry", s.segments.Key(name)), zap.String("cause", fmt.Sprintf("%.300s", cause)))
	}
}

// forget drops the segments that are no longer listed. checkGone examines
// them after a whole reading, which may be a later one.
func (s *Storage) forget(before, names []string) {
	now := s.clock.moment()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range before {
		if _, listed := slices.BinarySearch(names, name); listed {
			continue
		}
		if !s.known[name].term.over(now) {
			s.gone = append(s.gone, name)
		}
		delete(s.known, name)
	}
	for name := range s.unreadable {
		if _, listed := slices.BinarySearch(names, name); !listed {
			delete(s.unreadable, name)
		}
	}
}

// settled reports whether nothing vanished between the listing before and this one.
func (s *Storage) settled(names []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.listed
	s.listed = names
	if before == nil && len(names) > 0 {
		return false // the first listing
	}
	for _, name := range before {
		if _, listed := slices.BinarySearch(names, name); !listed {
			return false
		}
	}
	return true
}

// checkGone finds vanished segments that have not expired and were not merged. The storage
// has lost them, so they are written again.
func (s *Storage) checkGone() {
	s.mu.Lock()
	replaced := make(map[string]bool)
	for _, info := range s.known {
		for _, name := range info.replaces {
			replaced[name] = true
		}
	}
	lost := slices.DeleteFunc(s.gone, func(name string) bool { return replaced[name] })
	s.gone = nil
	if len(lost) > 0 {
		s.store.Store(s.revocations.newStore())
		s.audit = true
	}
	s.mu.Unlock()
	if len(lost) > 0 {
		s.logger.Debug("parts of the revocations are no longer in the storage", zap.Strings("entries", lost[:min(len(lost), 10)]))
	}
}

func (s *Storage) current(began time.Time) {
	s.mu.Lock()
	s.lastSync = began
	s.mu.Unlock()
	s.synced.Store(true)
}
