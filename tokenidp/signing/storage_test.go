package signing

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

const testIssuer = "https://idp.example.com"

// testTime is late in the UTC day, so that most of the world has another date.
var testTime = time.Date(2026, 3, 16, 23, 30, 0, 0, time.UTC)

// clock is set by hand.
type clock struct{ nanos atomic.Int64 }

func newClock(t time.Time) *clock {
	c := new(clock)
	c.set(t)
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) set(t time.Time)         { c.nanos.Store(t.UnixNano()) }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

// call is one operation on the storage.
type call struct{ op, key string }

// faultyStorage is file storage that fails as it is told to.
type faultyStorage struct {
	*certmagic.FileStorage
	tb testing.TB

	// before runs ahead of each operation, which does not happen if it returns
	// an error. It may block.
	before func(ctx context.Context, c call) error
	// listed changes what List answers.
	listed func(names []string, err error) ([]string, error)
	// brokenLock excludes nobody.
	brokenLock bool
	// mayDelete says that keys are due for deletion.
	mayDelete bool

	mu    sync.Mutex
	calls []call
}

func newStorage(tb testing.TB) *faultyStorage {
	return &faultyStorage{tb: tb, FileStorage: &certmagic.FileStorage{Path: tb.TempDir()}}
}

// sharing makes another node's view of the same files.
func (s *faultyStorage) sharing() *faultyStorage {
	return &faultyStorage{tb: s.tb, FileStorage: s.FileStorage, brokenLock: s.brokenLock}
}

func (s *faultyStorage) do(ctx context.Context, op, key string) error {
	s.mu.Lock()
	s.calls = append(s.calls, call{op, key})
	before := s.before
	s.mu.Unlock()
	if before != nil {
		return before(ctx, call{op, key})
	}
	return nil
}

// count tells how often one of the operations was asked for.
func (s *faultyStorage) count(ops ...string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if slices.Contains(ops, c.op) {
			n++
		}
	}
	return n
}

// writes counts everything that changes the storage.
func (s *faultyStorage) writes() int { return s.count("Store", "Delete", "Lock", "Unlock") }

// failing makes the operations fail with err.
func (s *faultyStorage) failing(err error, ops ...string) *faultyStorage {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = func(_ context.Context, c call) error {
		if slices.Contains(ops, c.op) {
			return err
		}
		return nil
	}
	return s
}

// Exists answers "no" to an outage too, so nobody may ask.
func (s *faultyStorage) Exists(context.Context, string) bool {
	s.tb.Error("Exists was called: its answer does not tell an outage from an empty storage")
	return false
}

func (s *faultyStorage) Store(ctx context.Context, key string, value []byte) error {
	if err := s.do(ctx, "Store", key); err != nil {
		return err
	}
	if before, err := os.ReadFile(s.Filename(key)); err == nil && !bytes.Equal(before, value) {
		s.tb.Errorf("%s was overwritten", key)
	}
	return s.FileStorage.Store(ctx, key, value)
}

func (s *faultyStorage) Load(ctx context.Context, key string) ([]byte, error) {
	if err := s.do(ctx, "Load", key); err != nil {
		return nil, err
	}
	return s.FileStorage.Load(ctx, key)
}

func (s *faultyStorage) Delete(ctx context.Context, key string) error {
	if err := s.do(ctx, "Delete", key); err != nil {
		return err
	}
	if !s.mayDelete {
		s.tb.Errorf("%s was deleted", key)
	}
	return s.FileStorage.Delete(ctx, key)
}

func (s *faultyStorage) List(ctx context.Context, prefix string, recursive bool) ([]string, error) {
	if err := s.do(ctx, "List", prefix); err != nil {
		return nil, err
	}
	names, err := s.FileStorage.List(ctx, prefix, recursive)
	if s.listed != nil {
		return s.listed(names, err)
	}
	return names, err
}

func (s *faultyStorage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	if err := s.do(ctx, "Stat", key); err != nil {
		return certmagic.KeyInfo{}, err
	}
	return s.FileStorage.Stat(ctx, key)
}

func (s *faultyStorage) Lock(ctx context.Context, name string) error {
	if err := s.do(ctx, "Lock", name); err != nil || s.brokenLock {
		return err
	}
	return s.FileStorage.Lock(ctx, name)
}

func (s *faultyStorage) Unlock(ctx context.Context, name string) error {
	if err := s.do(ctx, "Unlock", name); err != nil || s.brokenLock {
		return err
	}
	return s.FileStorage.Unlock(ctx, name)
}

// newTestRing is a ring that signs with EdDSA, whose keys cost nothing to make.
func newTestRing(storage certmagic.Storage) *Ring {
	return NewRing(storage, testIssuer, "EdDSA", Options{Now: newClock(testTime).now, Logger: zap.NewNop()})
}

func observedRing(storage certmagic.Storage, algorithm string) (*Ring, *observer.ObservedLogs) {
	core, logs := observer.New(zap.DebugLevel)
	return NewRing(storage, testIssuer, algorithm, Options{Now: newClock(testTime).now, Logger: zap.New(core)}), logs
}

func mustEnsure(t *testing.T, r *Ring) *Key {
	t.Helper()
	if err := r.Ensure(t.Context()); err != nil {
		t.Fatalf("Ensure: %v", err)
	}
	if r.Active() == nil {
		t.Fatal("no active key after Ensure")
	}
	return r.Active()
}

func mustLoad(t *testing.T, r *Ring) {
	t.Helper()
	if err := r.Load(t.Context()); err != nil {
		t.Fatalf("Load: %v", err)
	}
}

// folderOf is where the entries of the test issuer are.
func folderOf(s *faultyStorage) string {
	return s.Filename(newStore(s, testIssuer).folder)
}

// files lists what the folder of the test issuer holds.
func files(t *testing.T, s *faultyStorage) []string {
	t.Helper()
	found, err := os.ReadDir(folderOf(s))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Name())
	}
	return names
}

func writeFile(t *testing.T, s *faultyStorage, name string, data []byte) {
	t.Helper()
	file := filepath.Join(folderOf(s), name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// testKey makes a key without a storage.
func testKey(tb testing.TB, id, algorithm string) *Key {
	tb.Helper()
	k, err := generate(id, algorithm, testTime, testTime)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// addKey puts a new key into the storage, as a peer would.
func addKey(t *testing.T, s *faultyStorage, id, algorithm string) *Key {
	t.Helper()
	k := testKey(t, id, algorithm)
	writeFile(t, s, entryName(k), encoded(t, k))
	return k
}

func encoded(tb testing.TB, k *Key) []byte {
	tb.Helper()
	data, err := encodeEntry(testIssuer, k)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// edited is the entry with some members changed; the key's are in "key".
func edited(tb testing.TB, data []byte, edit func(entry, key map[string]any)) []byte {
	tb.Helper()
	var e map[string]any
	if err := json.Unmarshal(data, &e); err != nil {
		tb.Fatal(err)
	}
	edit(e, e["key"].(map[string]any))
	data, err := json.Marshal(e)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// published lists the kids of the JWK Set, newest first.
func published(t *testing.T, r *Ring) []string {
	t.Helper()
	var set struct {
		Keys []struct {
			KeyID string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(r.KeySet().JSON, &set); err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, k := range set.Keys {
		ids = append(ids, k.KeyID)
	}
	return ids
}

func ignoreLeaks() goleak.Option {
	// File storage keeps a lock fresh in a goroutine that notices only seconds
	// later that the lock is gone.
	return goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh")
}
