package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/testclock"
)

// A million revocations are no million entries: what is small is merged, whoever
// revoked it.
func TestSegmentsAreMerged(t *testing.T) {
	const each = 150
	f, c := newFaulty(t), newClocks()
	a, b := process(f, c), process(f.again(), c)
	for n := range each {
		revoke(t, a, c, fmt.Sprint("a", n))
		revoke(t, b, c, fmt.Sprint("b", n))
		if n%5 == 0 {
			a.keepCurrent(t.Context())
			b.keepCurrent(t.Context())
		}
	}
	if n := len(f.entries(t)); n > 3*2*leastMerged {
		t.Errorf("%d entries", n)
	}
	for _, s := range []*Storage{a, b, process(f.again(), c)} {
		load(t, s)
		if n := s.Health().Revocations; n != 2*each {
			t.Errorf("%d of %d are known", n, 2*each)
		}
	}
}

func TestManyRevocationsAreFewEntries(t *testing.T) {
	const count, each = 20_000, 200
	f, c := newFaulty(t), newClocks()
	a := process(f, c)
	for n := range count / each {
		many := make([]Revocation, each)
		for i := range many {
			many[i] = Revocation{Issuer: issuer, TokenID: fmt.Sprint(n, i), Until: c.Now().Add(time.Duration(i+1) * time.Minute)}
		}
		if err := a.Revoke(t.Context(), many...); err != nil {
			t.Fatal(err)
		}
		a.keepCurrent(t.Context())
	}
	if n := len(f.entries(t)); n > 3*2*leastMerged {
		t.Errorf("%d entries", n)
	}
	b := process(f.again(), c)
	load(t, b)
	if n := b.Health().Revocations; n != count {
		t.Errorf("%d of %d are known", n, count)
	}
}

// One call may revoke more than fits into a segment.
func TestMoreThanOneSegmentAtOnce(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	many := make([]Revocation, 101)
	for i := range many {
		many[i] = Revocation{Issuer: issuer, TokenID: fmt.Sprint(i), Until: c.Now().Add(time.Hour)}
	}
	a := process(f, c)
	a.splitAt = 100
	if err := a.Revoke(t.Context(), many...); err != nil {
		t.Fatal(err)
	}
	s := process(f.again(), c)
	load(t, s)
	if n := s.Health().Revocations; n != len(many) || len(f.entries(t)) != 2 {
		t.Errorf("%d known, %d entries", n, len(f.entries(t)))
	}
}

func TestExpiredSegmentsAreDeleted(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	s := process(f, c)
	revoke(t, s, c, "t1", "t2")
	for _, step := range []struct {
		pass    time.Duration
		entries int
	}{{0, 2}, {time.Hour, 2}, {2 * leeway, 0}} {
		c.Advance(step.pass)
		s.keepCurrent(t.Context())
		if n := len(f.entries(t)); n != step.entries {
			t.Errorf("%d entries after %s", n, step.pass)
		}
	}
	s.sweep()
	if h := s.Health(); h.Revocations != 0 || h.Problem != "" {
		t.Errorf("%+v", h)
	}
}

// TestF13WrongClockDeletesNothing for the hour in which it can be set right.
func TestF13WrongClockDeletesNothing(t *testing.T) {
	f, c, wrong := newFaulty(t), newClocks(), newClocks()
	revoke(t, process(f, c), c, "t1")
	setBy(wrong, 10*365*24*time.Hour)
	s := issuing(f.again(), wrong)
	for range 5 {
		s.keepCurrent(t.Context())
		wrong.Advance(11 * time.Minute)
	}
	s.sweep()
	if !knows(s, "t1") || len(f.entries(t)) != 1 {
		t.Error("forgotten by a wrong clock")
	}
}

// A wall clock that jumps ahead while segments are merged, and back, loses none of
// them, though the process has run for long.
func TestF13ClockStepDuringAMerge(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	s := issuing(f, c)
	load(t, s)
	c.Advance(90 * time.Minute)
	for n := range 3 * leastMerged {
		revoke(t, s, c, fmt.Sprint("t", n))
	}
	setBy(c, 36*time.Hour)
	s.keepCurrent(t.Context())
	setBy(c, -36*time.Hour)
	s.keepCurrent(t.Context())
	later := process(f.again(), c)
	load(t, later)
	for n := range 3 * leastMerged {
		if !knows(later, fmt.Sprint("t", n)) {
			t.Fatalf("of %d entries, t%d is not known to a later process", len(f.entries(t)), n)
		}
	}
}

// manySegments is a process that has written enough to merge, of which no segment will
// hold more than ten.
func manySegments(t *testing.T) (*faulty, *testclock.Clock, *Storage) {
	t.Helper()
	f, c := newFaulty(t), newClocks()
	s := issuing(f, c)
	s.splitAt = 10
	for n := range 2 * leastMerged {
		revoke(t, s, c, fmt.Sprint("t", n))
	}
	load(t, s)
	return f, c, s
}

// What tells whom it replaces may get into the storage though it seemed to fail: then
// all that it stands for is there too.
func TestMergeWhoseLastPartArrivesLate(t *testing.T) {
	f, c, s := manySegments(t)
	stores := 0
	s.segments = newSegments(&lateStore{f, func() bool { stores++; return stores == 4 }}, folder)
	if err := s.tidy(t.Context()); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.segments = newSegments(f, folder)
	for range 3 {
		s.keepCurrent(t.Context())
	}
	later := process(f.again(), c)
	if load(t, later); later.Health().Revocations != 2*leastMerged {
		t.Errorf("%+v", later.Health())
	}
}

// lateStore stores, and sometimes says that it did not.
type lateStore struct {
	*faulty
	late func() bool
}

func (l *lateStore) Store(ctx context.Context, key string, value []byte) error {
	if err := l.faulty.Store(ctx, key, value); err != nil || !l.late() {
		return err
	}
	return context.Canceled
}

// A merge that breaks off leaves nothing behind.
func TestMergeThatBreaksOff(t *testing.T) {
	f, c, s := manySegments(t)
	before, stores := len(f.entries(t)), 0
	f.fail(func(op, _ string) error {
		if op == "Store" {
			if stores++; stores%3 == 0 {
				return errOut
			}
		}
		return nil
	})
	for range 5 {
		if err := s.tidy(t.Context()); !errors.Is(err, errOut) {
			t.Fatal(err)
		}
		load(t, s)
	}
	if got := len(f.entries(t)); got != before {
		t.Errorf("%d entries, and %d before", got, before)
	}
	f.fail(nil)
	s.keepCurrent(t.Context())
	later := process(f.again(), c)
	if load(t, later); later.Health().Revocations != 2*leastMerged {
		t.Errorf("%+v", later.Health())
	}
}

// What the storage loses, whoever knows it and may write stores again.
func TestLostSegmentsAreRestored(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	a, b := process(f, c), issuing(f.again(), c)
	revoke(t, a, c, "t1", "t2", "t3")
	load(t, b)
	for _, file := range f.entries(t)[:2] {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	b.keepCurrent(t.Context())
	for range 2 {
		s := process(f.again(), c)
		load(t, s)
		if n := s.Health().Revocations; n != 3 {
			t.Errorf("%d of 3 are stored", n)
		}
		// All is lost.
		if err := os.RemoveAll(filepath.Join(f.Path, folder)); err != nil {
			t.Fatal(err)
		}
		a.keepCurrent(t.Context())
	}
}

// A node that sees that others merged does not write what they hold again.
func TestMergedSegmentsAreNotTakenForLost(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	other := f.again()
	a, b := process(f, c), issuing(other, c)
	b.mergesAt = 1000
	for n := range 3 * leastMerged {
		revoke(t, a, c, fmt.Sprint(n))
	}
	b.keepCurrent(t.Context())
	a.keepCurrent(t.Context())
	writes := other.writes
	b.keepCurrent(t.Context())
	if other.writes != writes || len(f.entries(t)) != 1 {
		t.Errorf("%d writes, %d entries", other.writes-writes, len(f.entries(t)))
	}
}

// TestF12KilledAtAnyMoment: a process is killed before or after each operation on
// the storage, in turn. Whatever was told to be revoked is known to the next one,
// and the rest of the storage is as usable as before.
func TestF12KilledAtAnyMoment(t *testing.T) {
	for _, after := range []bool{false, true} {
		for last := 0; ; last++ {
			f, c := newFaulty(t), newClocks()
			acknowledged, killed := liveUntil(t, f, c, last, after)
			next := issuing(f.again(), c)
			next.keepCurrent(t.Context())
			if h := next.Health(); h.Problem != "" || len(h.Warnings) > 0 {
				t.Fatalf("killed at operation %d: %+v", last, h)
			}
			for range 3 {
				next.keepCurrent(t.Context())
			}
			other := process(f.again(), c)
			load(t, other)
			for _, id := range acknowledged {
				if !knows(next, id) || !knows(other, id) {
					t.Fatalf("killed at operation %d: %s is forgotten", last, id)
				}
			}
			if n := len(f.entries(t)); n > 2*leastMerged {
				t.Fatalf("killed at operation %d: %d entries are left", last, n)
			}
			if !killed {
				break
			}
		}
	}
}

// liveUntil revokes and merges until the given operation, which is the last one of
// the process: nothing after it reaches the storage.
func liveUntil(t *testing.T, f *faulty, c *testclock.Clock, last int, after bool) (acknowledged []string, killed bool) {
	count := 0
	dying := &killable{faulty: f, allowed: func() bool { count++; killed = killed || count > last; return !killed }, after: after}
	s := process(dying, c)
	s.mergesAt = leastMerged
	for n := range leastMerged + 2 {
		id := fmt.Sprint(n)
		if s.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: id, Until: c.Now().Add(time.Hour)}) == nil {
			acknowledged = append(acknowledged, id)
		}
	}
	s.keepCurrent(t.Context())
	settleWriting(s)
	return acknowledged, killed
}
