package lastuse

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

const folder = "tokenidp/idp.example.com-01234567/last_use"

var (
	testTime = time.Date(2026, 3, 16, 23, 30, 0, 0, time.UTC)
	old      = Secret{"orders-worker", "2026-11"}
	fresh    = Secret{"orders-worker", "2027-05"}
	other    = Secret{"billing", "a"}
)

// testClock is a wall clock that can be set, and one that goes on.
type testClock struct{ wall, passed atomic.Int64 }

func newTestClock() *testClock {
	c := new(testClock)
	c.wall.Store(testTime.UnixNano())
	return c
}

func (c *testClock) now() time.Time         { return time.Unix(0, c.wall.Load()).UTC() }
func (c *testClock) elapsed() time.Duration { return time.Duration(c.passed.Load()) }
func (c *testClock) set(t time.Time)        { c.wall.Store(t.UnixNano()) }
func (c *testClock) pass(d time.Duration) {
	c.wall.Add(int64(d))
	c.passed.Add(int64(d))
}

// reboot is the clock of another process at the same time.
func (c *testClock) reboot() *testClock {
	again := new(testClock)
	again.wall.Store(c.wall.Load())
	return again
}

// faultyStorage is file storage that fails as it is told to, and cares for no
// context.
type faultyStorage struct {
	*certmagic.FileStorage
	tb testing.TB
	// before runs ahead of each operation, which does not happen if it returns an
	// error.
	before func(op, key string) error
	// after runs behind each operation, and its error replaces the answer.
	after func(op, key string) error

	mu     sync.Mutex
	ops    []string
	stored int // bytes
	names  map[string]bool
}

func newStorage(tb testing.TB) *faultyStorage {
	return &faultyStorage{tb: tb, FileStorage: &certmagic.FileStorage{Path: tb.TempDir()}, names: make(map[string]bool)}
}

// sharing makes another node's view of the same files.
func (s *faultyStorage) sharing() *faultyStorage {
	return &faultyStorage{tb: s.tb, FileStorage: s.FileStorage, names: make(map[string]bool)}
}

func (s *faultyStorage) do(op, key string, operation func() error) error {
	s.mu.Lock()
	s.ops = append(s.ops, op)
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(op, key); err != nil {
			return err
		}
	}
	err := operation()
	if after != nil {
		if failed := after(op, key); failed != nil {
			return failed
		}
	}
	return err
}

// count tells how often one of the operations was asked for since it was last told.
func (s *faultyStorage) count(ops ...string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range s.ops {
		if slices.Contains(ops, op) {
			n++
		}
	}
	s.ops = nil
	return n
}

func (s *faultyStorage) writes() int { return s.count("Store", "Delete", "Lock", "Unlock") }

// failing makes the operations fail.
func (s *faultyStorage) failing(ops ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = func(op, _ string) error {
		if slices.Contains(ops, op) {
			return errFault
		}
		return nil
	}
}

func (s *faultyStorage) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = nil, nil
}

var errFault = errors.New("the storage failed")

// Exists answers "no" to an outage too, so nobody may ask.
func (s *faultyStorage) Exists(context.Context, string) bool {
	s.tb.Error("Exists was called")
	return false
}

func (s *faultyStorage) Lock(context.Context, string) error {
	s.tb.Error("Lock was called")
	return nil
}

func (s *faultyStorage) Store(ctx context.Context, key string, value []byte) error {
	return s.do("Store", key, func() error {
		s.mu.Lock()
		again := s.names[key]
		s.names[key] = true
		s.stored += len(value)
		s.mu.Unlock()
		if _, err := os.Stat(s.Filename(key)); err == nil || again {
			s.tb.Errorf("%s was written twice", key)
		}
		return s.FileStorage.Store(ctx, key, value)
	})
}

func (s *faultyStorage) Load(ctx context.Context, key string) (data []byte, err error) {
	err = s.do("Load", key, func() error { data, err = s.FileStorage.Load(ctx, key); return err })
	return data, err
}

func (s *faultyStorage) Delete(ctx context.Context, key string) error {
	return s.do("Delete", key, func() error { return s.FileStorage.Delete(ctx, key) })
}

func (s *faultyStorage) List(ctx context.Context, prefix string, recursive bool) (names []string, err error) {
	err = s.do("List", prefix, func() error {
		names, err = s.FileStorage.List(context.WithoutCancel(ctx), prefix, recursive)
		return err
	})
	return names, err
}

func (s *faultyStorage) Stat(ctx context.Context, key string) (info certmagic.KeyInfo, err error) {
	err = s.do("Stat", key, func() error { info, err = s.FileStorage.Stat(ctx, key); return err })
	return info, err
}

// entries names the files of the folder.
func (s *faultyStorage) entries() (names []string) {
	files, err := os.ReadDir(s.Filename(folder))
	if err != nil && !os.IsNotExist(err) {
		s.tb.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

func (s *faultyStorage) put(name, content string) {
	s.tb.Helper()
	file := s.Filename(folder + "/" + name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		s.tb.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		s.tb.Fatal(err)
	}
}

func newRecord(s *faultyStorage, c *testClock, observed ...Secret) *Record {
	r := New(s, folder, Options{Now: c.now, Elapsed: c.elapsed})
	if len(observed) > 0 {
		r.Observe(slices.Values(observed))
	}
	return r
}

func logged(s *faultyStorage, c *testClock, observed ...Secret) (*Record, *observer.ObservedLogs) {
	core, logs := observer.New(zap.DebugLevel)
	r := New(s, folder, Options{Now: c.now, Elapsed: c.elapsed, Logger: zap.New(core)})
	r.Observe(slices.Values(observed))
	return r, logs
}

func mustSync(t testing.TB, records ...*Record) {
	t.Helper()
	for _, r := range records {
		if err := r.Sync(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// reader is what a process that starts now, and watches nothing, reads.
func reader(t testing.TB, s *faultyStorage, c *testClock) *Record {
	t.Helper()
	r := newRecord(s.sharing(), c.reboot())
	mustSync(t, r)
	return r
}

func wantUse(t testing.TB, r *Record, s Secret, used, since time.Time) {
	t.Helper()
	if got := r.Use(s); !got.LastUsed.Equal(used) || !got.ObservedSince.Equal(since) {
		t.Errorf("%v: used %v, observed since %v; want %v, %v", s, got.LastUsed, got.ObservedSince, used, since)
	}
}

func TestUseBeforeTheFirstSync(t *testing.T) {
	c := newTestClock()
	r := newRecord(newStorage(t), c, old)
	c.pass(time.Minute)
	wantUse(t, r, old, time.Time{}, testTime)
	wantUse(t, r, other, time.Time{}, time.Time{})
	r.Used(old)
	r.Used(other) // that the files have changed comes after the first request
	c.pass(time.Minute)
	wantUse(t, r, old, testTime.Add(time.Minute), testTime)
	wantUse(t, r, other, testTime.Add(time.Minute), time.Time{})
	if !r.SyncedAt().IsZero() {
		t.Error("synced before Sync")
	}
}

func TestUsesSurviveARestart(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	r := newRecord(s, c, old, fresh)
	c.pass(time.Minute)
	r.Used(old)
	mustSync(t, r)
	if got := r.SyncedAt(); !got.Equal(c.now()) {
		t.Errorf("synced at %v", got)
	}
	c = c.reboot()
	c.pass(time.Hour)
	r = newRecord(s, c, old, fresh)
	wantUse(t, r, old, time.Time{}, c.now())
	mustSync(t, r)
	wantUse(t, r, old, testTime.Add(time.Minute), testTime)
	wantUse(t, r, fresh, time.Time{}, testTime)
	wantUse(t, r, other, time.Time{}, time.Time{})
}

func TestNodesSeeEachOthersUses(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	a, b := newRecord(s, c, old, fresh), newRecord(s.sharing(), c, old)
	mustSync(t, a, b)
	c.pass(time.Hour)
	a.Used(fresh)
	c.pass(time.Minute)
	b.Used(old)
	mustSync(t, a, b, a)
	for _, r := range []*Record{a, b} {
		wantUse(t, r, old, testTime.Add(61*time.Minute), testTime)
		wantUse(t, r, fresh, testTime.Add(time.Hour), testTime)
	}
}

// TestWritingIsRare: an entry is written for a first use, a stored use that has
// become old, a change of the declared secrets, and once an hour.
func TestWritingIsRare(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	r, peer := newRecord(s, c, old), newRecord(s.sharing(), c, old)
	for _, row := range []struct {
		name   string
		pass   time.Duration
		do     func()
		writes int
	}{
		{"the first", 0, func() {}, 1},
		{"nothing new", time.Minute, func() {}, 0},
		{"a first use", time.Minute, func() { r.Used(old) }, 1},
		{"another", time.Minute, func() { r.Used(old) }, 0},
		{"another, later", 8*time.Minute + 59*time.Second, func() { r.Used(old) }, 0},
		{"the stored one is old", time.Second, func() {}, 1},
		{"old again, and not used", time.Hour - time.Second, func() {}, 0},
		{"not watched for an hour", time.Second, func() {}, 1},
		{"watched by a peer", time.Hour, func() { mustSync(t, peer) }, 0},
		{"used, at a peer too", time.Hour, func() { peer.Used(old); mustSync(t, peer); r.Used(old) }, 0},
		{"a new secret", time.Minute, func() { r.Observe(slices.Values([]Secret{old, fresh})) }, 1},
		{"the same", time.Minute, func() { r.Observe(slices.Values([]Secret{old, fresh})) }, 0},
		{"one gone", time.Minute, func() { r.Observe(slices.Values([]Secret{fresh})) }, 0},
	} {
		c.pass(row.pass)
		row.do()
		s.count()
		mustSync(t, r)
		if got := s.writes(); got != row.writes {
			t.Errorf("%s: %d writes, want %d", row.name, got, row.writes)
		}
	}
}

// TestTheLastUseIsStored, and not one of ten minutes before.
func TestTheLastUseIsStored(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	r := newRecord(s, c, old)
	r.Used(old)
	mustSync(t, r)
	c.pass(9 * time.Minute)
	r.Used(old)
	mustSync(t, r)
	c.pass(time.Minute)
	mustSync(t, r)
	wantUse(t, reader(t, s, c), old, testTime.Add(9*time.Minute), testTime)
}

func TestIdleSyncListsOnly(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	r := newRecord(s, c, old)
	mustSync(t, r)
	s.count()
	mustSync(t, r)
	if others := s.count("Load", "Stat", "Store", "Delete"); others != 0 {
		t.Errorf("%d operations but List", others)
	}
}

func TestRecordThatObservesNothingOnlyReads(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	mustSync(t, newRecord(s, c, old))
	r := newRecord(s, c)
	r.foldsAt = 0
	r.Used(old)
	c.pass(24 * time.Hour)
	s.count()
	mustSync(t, r)
	if writes := s.writes(); writes != 0 {
		t.Errorf("%d writes", writes)
	}
}

func TestUsedNeitherAllocatesNorWaits(t *testing.T) {
	s := newStorage(t)
	r := New(s, folder, Options{})
	r.Observe(slices.Values([]Secret{old}))
	if n := testing.AllocsPerRun(100, func() { r.Used(old) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	// A Sync that hangs, and a reader that holds the lock.
	hangs, release := make(chan struct{}), make(chan struct{})
	s.before = func(string, string) error { close(hangs); <-release; return errFault }
	done := make(chan error)
	go func() { done <- r.Sync(t.Context()) }()
	<-hangs
	r.mu.Lock()
	r.Used(old)
	r.Used(other)
	r.mu.Unlock()
	if r.Use(other).LastUsed.IsZero() {
		t.Error("not noted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a second Sync: %v", err)
	}
	close(release)
	if err := <-done; !errors.Is(err, errFault) {
		t.Error(err)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := newStorage(t)
	r := New(s, folder, Options{})
	r.foldsAt = 0
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 200 {
				r.Used([]Secret{old, fresh, other}[i%3])
				r.Use(old)
				r.SyncedAt()
			}
		})
	}
	all.Go(func() {
		for i := range 50 {
			r.Observe(slices.Values([]Secret{old, fresh, other}[:i%4]))
		}
	})
	all.Go(func() {
		for range 20 {
			if err := r.Sync(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	mustSync(t, r)
	got := reader(t, s, newTestClock())
	for _, secret := range []Secret{old, fresh, other} {
		if got.Use(secret).LastUsed.IsZero() {
			t.Errorf("%v was lost", secret)
		}
	}
}

func TestSecretsThatNoEntryCanHold(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	long := string(make([]byte, longestID+1))
	bad := []Secret{{"", "a"}, {"a", ""}, {long, "a"}, {"a", long}, {"a\xff", "a"}}
	r := newRecord(s, c, append(bad, old)...)
	for _, secret := range bad {
		r.Used(secret)
		wantUse(t, r, secret, time.Time{}, time.Time{})
	}
	mustSync(t, r)
	wantUse(t, reader(t, s, c), old, time.Time{}, testTime)
}

// TestPredecessor: another storage, and requests that the configuration before
// still serves.
func TestPredecessor(t *testing.T) {
	c, first, second := newTestClock(), newStorage(t), newStorage(t)
	mustSync(t, newRecord(first, c, old, fresh))
	c.pass(time.Hour)
	c = c.reboot()
	before := newRecord(first, c, old, fresh)
	mustSync(t, before)
	c.pass(4 * time.Hour)
	before.Used(old)
	before.Used(other)
	mustSync(t, before)
	c.pass(time.Minute)
	before.Used(fresh)
	r := New(second, folder, Options{Predecessor: before})
	c.pass(time.Minute)
	before.Used(fresh)
	r.Observe(slices.Values([]Secret{old, fresh}))
	if !r.SyncedAt().IsZero() {
		t.Error("synced with a storage that was never read")
	}
	mustSync(t, r)
	for _, got := range []*Record{r, reader(t, second, c)} {
		wantUse(t, got, old, testTime.Add(5*time.Hour), testTime)
		wantUse(t, got, fresh, testTime.Add(5*time.Hour+2*time.Minute), testTime)
		wantUse(t, got, other, testTime.Add(5*time.Hour), time.Time{})
	}
}

// TestFileVanishesDuringListing: file storage then says that the folder does not
// exist.
func TestFileVanishesDuringListing(t *testing.T) {
	for _, row := range []struct {
		name     string
		listings int
		fails    bool
	}{{"once", 1, false}, {"always", 1000, true}} {
		t.Run(row.name, func(t *testing.T) {
			s, c := newStorage(t), newTestClock()
			mustSync(t, newRecord(s, c, old))
			busy := s.sharing()
			busy.after = func(op, _ string) error {
				if op == "List" && row.listings > 0 {
					row.listings--
					return fs.ErrNotExist
				}
				return nil
			}
			r := newRecord(busy, c)
			if err := r.Sync(t.Context()); (err != nil) != row.fails {
				t.Fatal(err)
			}
			if !row.fails {
				wantUse(t, r, old, time.Time{}, testTime)
			}
		})
	}
}
