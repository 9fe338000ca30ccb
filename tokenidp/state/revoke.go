package state

import (
	"context"
	"errors"
	"fmt"
)

// batch is a group of records that are written together.
type batch struct {
	records []record
	written chan struct{} // closed at the end
	err     error         // after that
}

// Revoke implements [State]. The revocations are in force here at once, and in the storage
// when it returns nil. If a write fails, it is tried again for as long as this process
// lives.
func (s *Storage) Revoke(ctx context.Context, revocations ...Revocation) error {
	if err := check(revocations); err != nil {
		return err
	}
	records := s.revocations.news(s.store.Load(), newRecords(revocations))
	if len(records) == 0 {
		return nil
	}
	if err := s.revocations.room(records); err != nil {
		return err
	}
	s.revocations.add(0, records...)
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	b := s.submit(records)
	select {
	case <-b.written:
		return unavailable(b.err)
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

func unavailable(err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// submit adds the records to the next batch, and makes sure that it is written.
func (s *Storage) submit(records []record) *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = true
	if s.pending == nil {
		s.pending = &batch{written: make(chan struct{})}
	}
	s.pending.records = append(s.pending.records, records...)
	if !s.writing {
		s.writing = true
		go s.writeBatches()
	}
	return s.pending
}

// writeBatches writes until no batch is left.
func (s *Storage) writeBatches() {
	for {
		s.mu.Lock()
		b := s.pending
		s.pending, s.writing = nil, b != nil
		s.mu.Unlock()
		if b == nil {
			return
		}
		b.err = s.writeRecords(joined(b.records))
		close(b.written)
	}
}

// writeRecords writes the records, and keeps those that it could not write. It ignores the
// contexts of callers, because several of them wait for one write.
func (s *Storage) writeRecords(records []record) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	for len(records) > 0 {
		part := segment{records: records[:min(len(records), s.splitAt)]}
		if err := s.write(ctx, part); err != nil {
			s.mu.Lock()
			s.unstored, s.failing = append(s.unstored, records...), true
			s.mu.Unlock()
			return err
		}
		records = records[len(part.records):]
	}
	s.mu.Lock()
	s.failing = len(s.unstored) > 0
	s.mu.Unlock()
	return nil
}

// write stores the segment, and adds it to the known ones.
func (s *Storage) write(ctx context.Context, seg segment) error {
	_, err := s.writeNamed(ctx, seg)
	return err
}

func (s *Storage) writeNamed(ctx context.Context, seg segment) (name string, err error) {
	store := s.store.Load()
	if name, err = s.segments.write(ctx, seg); err != nil {
		return "", err
	}
	s.know(name, seg)
	s.revocations.stored(store, seg.records)
	return name, nil
}

func (s *Storage) know(name string, seg segment) {
	now := s.clock.moment()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unreadable, name)
	s.known[name] = segmentInfo{
		records: len(seg.records), replaces: seg.replaces,
		term: now.term(max(expiry(name), latest(seg.records)), leastRemembered),
	}
}

// retry writes what could not be written before.
func (s *Storage) retry() {
	s.mu.Lock()
	unstored := s.unstored
	if s.writing { // the next retry writes them
		unstored = nil
	} else {
		s.unstored = nil
	}
	s.mu.Unlock()
	if news := s.revocations.news(s.store.Load(), unstored); len(news) > 0 {
		s.submit(news)
	}
}
