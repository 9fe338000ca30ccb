package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/tokenidp/caddy-tokenidp/internal/testclock"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

const folder = "tokenidp/state/revocations"

// faulty is file storage that fails, or hangs, where it is told to.
type faulty struct {
	*certmagic.FileStorage
	mu     sync.Mutex
	before func(op, key string) error // nil: all is well
	writes int
}

func newFaulty(t *testing.T) *faulty {
	return &faulty{FileStorage: &certmagic.FileStorage{Path: t.TempDir()}}
}

// on is the same storage as another process sees it.
func (f *faulty) again() *faulty { return &faulty{FileStorage: f.FileStorage} }

func (f *faulty) fail(before func(op, key string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

func (f *faulty) begin(op, key string) error {
	f.mu.Lock()
	before := f.before
	if op == "Store" || op == "Delete" || op == "Lock" {
		f.writes++
	}
	f.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(op, key)
}

func (f *faulty) Store(ctx context.Context, key string, value []byte) error {
	if err := f.begin("Store", key); err != nil {
		return err
	}
	return f.FileStorage.Store(ctx, key, value)
}

func (f *faulty) Load(ctx context.Context, key string) ([]byte, error) {
	if err := f.begin("Load", key); err != nil {
		return nil, err
	}
	return f.FileStorage.Load(ctx, key)
}

func (f *faulty) Delete(ctx context.Context, key string) error {
	if err := f.begin("Delete", key); err != nil {
		return err
	}
	return f.FileStorage.Delete(ctx, key)
}

func (f *faulty) List(ctx context.Context, prefix string, recursive bool) ([]string, error) {
	if err := f.begin("List", prefix); err != nil {
		return nil, err
	}
	return f.FileStorage.List(ctx, prefix, recursive)
}

func (f *faulty) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	if err := f.begin("Stat", key); err != nil {
		return certmagic.KeyInfo{}, err
	}
	return f.FileStorage.Stat(ctx, key)
}

// entries are the files of the segments.
func (f *faulty) entries(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(f.Path, folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var errOut = errors.New("the storage is out")

// always fails each such operation.
func always(ops string) func(op, key string) error {
	return func(op, _ string) error {
		if strings.Contains(ops, op) {
			return errOut
		}
		return nil
	}
}

// process is a new process on the storage, which has read nothing.
func process(f certmagic.Storage, c *testclock.Clock) *Storage {
	return NewStorage(NewNode(optionsWith(c)), storage.NewBounded(f), folder, DefaultPoll, nil)
}

// issuing is one that also keeps the storage in order.
func issuing(f certmagic.Storage, c *testclock.Clock) *Storage {
	s := process(f, c)
	s.writes = true
	return s
}

func revoke(t *testing.T, s State, c *testclock.Clock, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := s.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: id, Until: c.Now().Add(time.Hour)}); err != nil {
			t.Fatalf("revoking %s: %v", id, err)
		}
	}
}

func knows(s State, id string) bool { return s.Revoked(Token{Issuer: issuer, ID: id}) }

func load(t *testing.T, s State) {
	t.Helper()
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRevocationsReachOtherNodes(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	a, b := process(f, c), process(f.again(), c)
	load(t, b)
	revoke(t, a, c, "t1")
	if !knows(a, "t1") || knows(b, "t1") {
		t.Error("not in force at once here, or known there before it can be")
	}
	load(t, b)
	if !knows(b, "t1") || knows(b, "t2") {
		t.Error("not known there, after it was read")
	}
	revoke(t, b, c, "t2")
	load(t, a)
	if !knows(a, "t2") {
		t.Error("not known here")
	}
}

func TestRevocationsOutliveTheProcess(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	revoke(t, process(f, c), c, "t1", "t2")
	s := process(f.again(), c)
	if err := s.Ready(); !errors.Is(err, ErrNotSynced) || !errors.Is(err, ErrUnavailable) || s.Health().Synced {
		t.Errorf("before it is read: %v", err)
	}
	load(t, s)
	if h := s.Health(); s.Ready() != nil || !h.Synced || !h.LastSync.Equal(c.Now()) || h.Revocations != 2 || h.Problem != "" || len(h.Warnings) > 0 || h.Kind != "storage" {
		t.Errorf("%v, %+v", s.Ready(), h)
	}
	if !knows(s, "t1") || !knows(s, "t2") {
		t.Error("forgotten")
	}
}

// A storage in which nothing was ever stored is one that can be read.
func TestEmptyStorageIsReady(t *testing.T) {
	s := process(newFaulty(t), newClocks())
	load(t, s)
	if s.Ready() != nil {
		t.Error(s.Ready())
	}
}

// What is revoked while the storage is busy is written together.
func TestRevocationsAreWrittenTogether(t *testing.T) {
	const count = 200
	f, c := newFaulty(t), newClocks()
	s := process(f, c)
	begun, release := make(chan struct{}), make(chan struct{})
	var first sync.Once
	f.fail(func(op, _ string) error {
		if op == "Store" {
			first.Do(func() { close(begun); <-release })
		}
		return nil
	})
	var revoking sync.WaitGroup
	one := func(n int) {
		revoking.Go(func() {
			if err := s.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: fmt.Sprint(n), Until: c.Now().Add(time.Hour)}); err != nil {
				t.Error(err)
			}
		})
	}
	one(0)
	<-begun
	for n := range count - 1 {
		one(n + 1)
	}
	for s.Health().Revocations < count {
		time.Sleep(time.Millisecond)
	}
	close(release)
	revoking.Wait()
	if n := len(f.entries(t)); n < 2 || n > count/4 {
		t.Errorf("%d segments for %d revocations", n, count)
	}
	other := process(f.again(), c)
	load(t, other)
	if n := other.Health().Revocations; n != count {
		t.Errorf("%d of %d are stored", n, count)
	}
}

// TestF04StorageThatFails makes a revocation fail, which stays in force, and is
// stored as soon as it can be.
func TestF04StorageThatFails(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	a, b := process(f, c), process(f.again(), c)
	revoke(t, a, c, "before")
	f.fail(always("Store"))
	err := a.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: "t1", Until: c.Now().Add(time.Hour)})
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, errOut) {
		t.Errorf("told to be durable: %v", err)
	}
	if !knows(a, "t1") || !knows(a, "before") {
		t.Error("not in force here")
	}
	a.keepCurrent(t.Context())
	if a.Health().Problem == "" {
		t.Error("nobody is told that it is not stored")
	}
	settleWriting(a)
	f.fail(nil)
	a.keepCurrent(t.Context())
	settleWriting(a)
	load(t, b)
	if !knows(b, "t1") {
		t.Error("never stored")
	}
	a.keepCurrent(t.Context())
	if h := a.Health(); h.Problem != "" {
		t.Errorf("still a problem: %s", h.Problem)
	}
}

// settleWriting waits until nothing is being written.
func settleWriting(s *Storage) {
	for {
		s.mu.Lock()
		writing := s.writing
		s.mu.Unlock()
		if !writing {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// What was read stays in force while the storage is out, and its age shows.
func TestF04StorageThatCannotBeRead(t *testing.T) {
	for _, ops := range []string{"List", "Load", "Stat"} {
		f, c := newFaulty(t), newClocks()
		other := process(f.again(), c)
		revoke(t, other, c, "t1")
		s := process(f, c)
		load(t, s)
		read := c.Now()
		c.Advance(time.Minute)
		revoke(t, other, c, "t2")
		f.fail(always(ops))
		s.keepCurrent(t.Context())
		if h := s.Health(); !knows(s, "t1") || !h.LastSync.Equal(read) || h.Problem == "" || s.Ready() != nil {
			t.Errorf("%s fails: %+v", ops, h)
		}
		never := process(f, c)
		if err := never.Load(t.Context()); !errors.Is(err, ErrUnavailable) || !errors.Is(never.Ready(), ErrNotSynced) {
			t.Errorf("%s fails at the start: %v, %v", ops, err, never.Ready())
		}
		f.fail(nil)
		s.keepCurrent(t.Context())
		if h := s.Health(); !knows(s, "t2") || !h.LastSync.Equal(c.Now()) || h.Problem != "" {
			t.Errorf("after %s failed: %+v", ops, h)
		}
	}
}

// TestF04StorageThatHangs holds up a revocation for five seconds, and is asked no
// more than a bounded number of things.
func TestF04StorageThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty(t)
		s := NewStorage(NewNode(Options{}), storage.NewBounded(f), folder, DefaultPoll, nil)
		if err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		healed := make(chan struct{})
		f.fail(func(string, string) error { <-healed; return nil })
		running, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { s.Run(running, true); close(ended) }()
		for n := range 30 {
			start := time.Now()
			err := s.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: fmt.Sprint(n), Until: time.Now().Add(time.Hour)})
			if !errors.Is(err, ErrUnavailable) || time.Since(start) > writeTimeout {
				t.Fatalf("%v after %s", err, time.Since(start))
			}
		}
		time.Sleep(time.Minute)
		if h := s.Health(); h.Problem == "" || time.Since(h.LastSync) < time.Minute {
			t.Errorf("%+v", h)
		}
		close(healed)
		time.Sleep(3 * time.Minute) // more than any wait
		other := NewStorage(NewNode(Options{}), f.again(), folder, DefaultPoll, nil)
		if err := other.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		for n := range 30 {
			if !knows(other, fmt.Sprint(n)) {
				t.Errorf("%d was never stored", n)
			}
		}
		if h := s.Health(); h.Problem != "" {
			t.Errorf("%+v", h)
		}
		stop()
		<-ended
		synctest.Wait()
	})
}

// TestF28ReadOnlyStorage: a node that only verifies writes nothing, whatever it
// finds.
func TestF28ReadOnlyStorage(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	writer := process(f.again(), c)
	for n := range 5 * leastMerged {
		revoke(t, writer, c, fmt.Sprint(n))
	}
	f.fail(always("Store Delete Lock"))
	s := process(f, c)
	s.keepCurrent(t.Context())
	if err := os.Remove(f.entries(t)[0]); err != nil { // lost
		t.Fatal(err)
	}
	c.Advance(30 * time.Minute)
	s.keepCurrent(t.Context())
	c.Advance(30 * time.Hour) // all has expired
	s.keepCurrent(t.Context())
	if h := s.Health(); f.writes != 0 || h.Problem != "" || s.Ready() != nil || h.Revocations != 5*leastMerged {
		t.Errorf("%d writes, %+v", f.writes, h)
	}
}

// A revocation that cannot be written to read-only storage is refused.
func TestRevokingOnReadOnlyStorage(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	f.fail(always("Store"))
	err := process(f, c).Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: "a", Until: c.Now()})
	if !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}

func TestDamagedEntriesAreLeftAlone(t *testing.T) {
	newer := sealed("tokenidp revocations 2\nwhatever\n")
	for name, damage := range map[string]func(data []byte) []byte{
		"cut off":         func(data []byte) []byte { return data[:len(data)-1] },
		"empty":           func([]byte) []byte { return nil },
		"damaged":         func(data []byte) []byte { data[len(data)/2] ^= 1; return data },
		"foreign":         func([]byte) []byte { return []byte(`{"a":"b"}`) },
		"a newer version": func([]byte) []byte { return newer },
		"too large":       func([]byte) []byte { return make([]byte, mostSegmentSize+1) },
	} {
		t.Run(name, func(t *testing.T) {
			f, c := newFaulty(t), newClocks()
			writer := process(f.again(), c)
			revoke(t, writer, c, "lost")
			broken := f.entries(t)[0]
			data, err := os.ReadFile(broken)
			if err != nil {
				t.Fatal(err)
			}
			damaged := damage(data)
			if err := os.WriteFile(broken, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			for n := range 3 * leastMerged {
				revoke(t, writer, c, fmt.Sprint(n))
			}
			s := issuing(f, c)
			for range 3 {
				s.keepCurrent(t.Context())
				c.Advance(2 * againAfter)
			}
			h := s.Health()
			if s.Ready() != nil || !knows(s, "0") || !knows(s, fmt.Sprint(3*leastMerged-1)) || h.Problem != "" {
				t.Errorf("the others do not work: %+v", h)
			}
			if len(h.Warnings) != 1 || !strings.Contains(h.Warnings[0], filepath.Base(broken)) {
				t.Errorf("warnings %q", h.Warnings)
			}
			if left, err := os.ReadFile(broken); err != nil || string(left) != string(damaged) {
				t.Errorf("it was touched: %v", err)
			}
			if n := len(f.entries(t)); n > leastMerged {
				t.Errorf("%d segments: the others are not merged", n)
			}
			// It is repaired.
			if err := os.WriteFile(broken, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if name == "damaged" {
				return // the slice was changed in place
			}
			s.keepCurrent(t.Context())
			if h := s.Health(); !knows(s, "lost") || len(h.Warnings) != 0 {
				t.Errorf("after it was repaired: %+v", h)
			}
		})
	}
}

// An entry that this process may not read is one entry, and no outage; but at a start,
// when nothing may be readable, it is.
func TestRefusedEntry(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	writer := process(f.again(), c)
	revoke(t, writer, c, "a", "b")
	refused := filepath.Base(f.entries(t)[0])
	f.fail(func(op, key string) error {
		if op == "Load" && strings.HasSuffix(key, refused) {
			return os.ErrPermission
		}
		return nil
	})
	s := process(f, c)
	if err := s.Load(t.Context()); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), refused) || s.Ready() == nil {
		t.Fatalf("at a start: %v", err)
	}
	refuse := f.before
	f.fail(nil)
	load(t, s)
	revoke(t, writer, c, "c")
	refused = filepath.Base(slices.MaxFunc(f.entries(t), func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) }))
	f.fail(refuse)
	load(t, s)
	if h := s.Health(); h.Revocations != 2 || len(h.Warnings) != 1 || s.Ready() != nil {
		t.Errorf("%+v", h)
	}
}

// A loss that was seen in a reading that then failed is a loss all the same.
func TestLossThatIsSeenByAReadingThatFails(t *testing.T) {
	for name, fault := range map[string]func(end context.CancelFunc) error{
		"the storage fails":       func(context.CancelFunc) error { return errOut },
		"the configuration ended": func(end context.CancelFunc) error { end(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			f, c := newFaulty(t), newClocks()
			s := issuing(f, c)
			revoke(t, s, c, "t1")
			load(t, s)
			for _, file := range f.entries(t) {
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
			}
			ctx, end := context.WithCancel(t.Context())
			listings := 0
			f.fail(func(op, _ string) error {
				if op == "List" {
					if listings++; listings == 2 {
						return fault(end)
					}
				}
				return nil
			})
			s.keepCurrent(ctx)
			f.fail(nil)
			s.keepCurrent(t.Context())
			later := process(f.again(), c)
			load(t, later)
			if !knows(s, "t1") || !knows(later, "t1") {
				t.Errorf("this process knows %t, a later one %t", knows(s, "t1"), knows(later, "t1"))
			}
		})
	}
}

// What a state that has ended learned at last gets into the one that came after it.
func TestRevocationsOfAStateThatEnds(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	node := NewNode(optionsWith(c))
	before, after := NewMemory(node), NewStorage(node, storage.NewBounded(f), folder, DefaultPoll, nil)
	after.writes = true
	after.keepCurrent(t.Context())
	revoke(t, before, c, "t1") // a request that was slow
	node.Released()
	after.keepCurrent(t.Context())
	later := process(f.again(), c)
	if load(t, later); !knows(later, "t1") {
		t.Error("it is not in the storage")
	}
}

// Whoever revokes a token again and again writes it once.
func TestRevokingAgainWritesNothing(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	s, other := issuing(f, c), process(f.again(), c)
	for range 10 {
		revoke(t, s, c, "t1", "t1")
	}
	if got := len(f.entries(t)); got != 1 {
		t.Errorf("%d entries", got)
	}
	load(t, other)
	revoke(t, other, c, "t1")
	if got := len(f.entries(t)); got != 1 {
		t.Errorf("after another process revoked it too, %d entries", got)
	}
	if err := s.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: "t1", Until: c.Now().Add(2 * time.Hour)}); err != nil || len(f.entries(t)) != 2 {
		t.Errorf("for longer: %v, %d entries", err, len(f.entries(t)))
	}
}

// A storage that lost something has not stored it: what is revoked again is written.
func TestRevokingAgainAfterALoss(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	s := process(f, c)
	revoke(t, s, c, "t1")
	load(t, s)
	if err := os.Remove(f.entries(t)[0]); err != nil {
		t.Fatal(err)
	}
	load(t, s)
	revoke(t, s, c, "t1")
	if got := len(f.entries(t)); got != 1 {
		t.Errorf("%d entries", got)
	}
}

// Files of others are none of the revocations.
func TestForeignFilesAreNotRead(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	revoke(t, process(f.again(), c), c, "a")
	for _, name := range []string{"README", replacedName + ".tmp123", "x/" + replacedName, strings.ToUpper(replacedName)} {
		if err := f.FileStorage.Store(t.Context(), folder+"/"+name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	s := issuing(f, c)
	s.keepCurrent(t.Context())
	if h := s.Health(); h.Revocations != 1 || len(h.Warnings) != 0 || h.Problem != "" {
		t.Errorf("%+v", h)
	}
}

// What this node knew under the state before is in force, and gets into the storage.
func TestRevocationsMoveToAnotherState(t *testing.T) {
	f, c := newFaulty(t), newClocks()
	node := NewNode(optionsWith(c))
	revoke(t, NewMemory(node), c, "t1")
	s := NewStorage(node, storage.NewBounded(f), folder, DefaultPoll, nil)
	s.writes = true
	s.keepCurrent(t.Context())
	other := process(f.again(), c)
	load(t, other)
	if !knows(s, "t1") || !knows(other, "t1") {
		t.Error("lost on the way")
	}
}
