package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"go.uber.org/zap"
)

// leastMerged is the least number of segments of one tier that are merged.
const leastMerged = 16

// tiers are sizes of segments, in records. A segment is merged with others of its tier.
// Larger segments stay until they expire.
var tiers = []int{1 << 8, 1 << 12, mostRecords * 3 / 4}

// tidy writes again what the storage has lost, deletes expired and replaced segments, and
// merges small ones. It runs after a reading.
func (s *Storage) tidy(ctx context.Context) error {
	if err := s.restore(ctx); err != nil {
		return err
	}
	for _, name := range s.superfluous() {
		if err := s.drop(ctx, name); err != nil {
			return err
		}
	}
	for tier := range tiers {
		if names := s.mergeable(tier); len(names) >= s.mergesAt {
			if err := s.merge(ctx, names); err != nil {
				return err
			}
		}
	}
	return nil
}

// restore writes the revocations that are in force here and in no segment. There are some
// after a segment vanished that was not replaced, and after revocations under another
// state.
func (s *Storage) restore(ctx context.Context) error {
	s.mu.Lock()
	due := s.audit
	s.audit = false
	s.mu.Unlock()
	if !due {
		return nil
	}
	err := s.audited(ctx)
	if err != nil {
		s.mu.Lock()
		s.audit = true
		s.mu.Unlock()
	}
	return err
}

func (s *Storage) audited(ctx context.Context) error {
	store := s.revocations.newStore() // whatever seemed to be there before
	s.store.Store(store)
	var stored []record
	for _, name := range s.knownNames() {
		seg, err := s.segments.load(ctx, name)
		switch {
		case err == nil:
			stored = append(stored, seg.records...)
		case errors.Is(err, fs.ErrNotExist) || damaged(err): // then its records may be missing, and are written again
		default:
			return fmt.Errorf("reading %s: %w", s.segments.Key(name), err)
		}
	}
	s.revocations.stored(store, joined(stored))
	missing := s.revocations.lacking(store)
	for part := range slices.Chunk(missing, s.splitAt) {
		if err := s.write(ctx, segment{records: part}); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		s.logger.Warn("the storage lacked revocations that are known here; they are there now", zap.Int("revocations", len(missing)))
	}
	return nil
}

// superfluous returns the expired segments, and those that another segment replaces. A
// node that stopped during a merge leaves such segments.
func (s *Storage) superfluous() (names []string) {
	now := s.clock.moment()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, info := range s.known {
		if info.term.over(now) {
			names = append(names, name)
		}
		if _, listed := slices.BinarySearch(s.listed, name); !listed {
			continue // written since, or gone since
		}
		for _, replaced := range info.replaces {
			if _, known := s.known[replaced]; known && replaced != name {
				names = append(names, replaced)
			}
		}
	}
	return names
}

func (s *Storage) drop(ctx context.Context, name string) error {
	if err := s.segments.Remove(ctx, name); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.known, name)
	s.listed = slices.DeleteFunc(slices.Clone(s.listed), func(n string) bool { return n == name })
	s.mu.Unlock()
	return nil
}

// mergeable returns the segments of a tier, sorted by expiry.
func (s *Storage) mergeable(tier int) (names []string) {
	least := 0
	if tier > 0 {
		least = tiers[tier-1]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, info := range s.known {
		if info.records >= least && info.records < tiers[tier] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), mostReplaced)]
}

// merge writes the records of the segments into as few segments as it can, sorted by
// expiry, and then deletes the old ones.
func (s *Storage) merge(ctx context.Context, names []string) error {
	var records []record
	var merged []string
	for _, name := range names {
		seg, err := s.segments.load(ctx, name)
		switch {
		case err == nil:
			records, merged = append(records, seg.records...), append(merged, name)
		case errors.Is(err, fs.ErrNotExist), damaged(err): // the next reading reports it
		default:
			return fmt.Errorf("reading %s: %w", s.segments.Key(name), err)
		}
		if len(records) > mergedAtOnce {
			break
		}
	}
	if len(merged) < 2 {
		return nil
	}
	now := s.clock.moment()
	// What this node still holds has not expired by at least one of the clocks.
	records = slices.DeleteFunc(joined(records), func(r record) bool { return !s.revocations.holds(r, now) })
	if err := s.replace(ctx, merged, records); err != nil {
		return err
	}
	for _, name := range merged {
		if err := s.drop(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// replace writes the segments that replace the merged ones. The last one lists the
// replaced segments, because by then the others are written. They are removed again after
// an error before the last one. Once the write of the last one has begun, it may exist
// despite an error, so the others stay.
func (s *Storage) replace(ctx context.Context, merged []string, records []record) (err error) {
	var written []string
	begun := false
	defer func() {
		if err == nil || begun {
			return
		}
		removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
		defer cancel()
		for _, name := range written {
			_ = s.drop(removing, name) // else they expire
		}
	}()
	parts := slices.Collect(slices.Chunk(records, s.splitAt))
	for i, part := range parts {
		seg := segment{records: part}
		if i == len(parts)-1 {
			seg.replaces, begun = merged, true
		}
		var name string
		if name, err = s.writeNamed(ctx, seg); err != nil {
			return err
		}
		written = append(written, name)
	}
	return nil
}

// mergedAtOnce bounds the memory that a merge needs.
const mergedAtOnce = 16 * mostRecords
