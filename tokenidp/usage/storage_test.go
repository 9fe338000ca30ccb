package usage

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

const (
	folder = "tokenidp/usage"
	idp    = "https://idp.example.com"
)

var (
	testTime = time.Date(2026, 3, 16, 23, 30, 0, 0, time.UTC)
	old      = Key{Kind: Secret, Issuer: idp, Client: "orders-worker", Name: "2026-11"}
	fresh    = Key{Kind: Secret, Issuer: idp, Client: "orders-worker", Name: "2027-05"}
	granted  = Key{Kind: Granted, Issuer: idp, Client: "orders-worker", Name: "orders.read"}
	issued   = Key{Kind: Issued, Issuer: idp, Client: "orders-worker"}
	passed   = Key{Kind: Passed, Issuer: idp, Client: "orders-worker", Name: "api.example.com/orders*", Detail: "orders.read"}
	refusals = Key{Kind: RouteRefusals, Name: "api.example.com/orders*", Detail: "no_token"}
	refused  = Key{Kind: Refused, Name: "api.example.com/orders*", Detail: "no_token"}
)

// testClock has a wall clock that can be set, and a clock that cannot.
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

// files are the storage that all nodes share.
type files struct {
	mu     sync.Mutex
	values map[string][]byte
	locks  map[string]bool
}

// testStorage is one node's view of the files. The test decides when it fails.
type testStorage struct {
	tb testing.TB
	*files
	// before runs before each operation. If it returns an error, the operation does not
	// happen.
	before func(op, key string) error
	// after runs after each operation, and its error replaces the answer.
	after func(op, key string) error
	ops   []string
}

func newStorage(tb testing.TB) *testStorage {
	return &testStorage{tb: tb, files: &files{values: make(map[string][]byte), locks: make(map[string]bool)}}
}

// sharing returns another node's view of the same files.
func (s *testStorage) sharing() *testStorage { return &testStorage{tb: s.tb, files: s.files} }

func (s *testStorage) do(op, key string, operation func() error) error {
	s.mu.Lock()
	s.ops = append(s.ops, op)
	before := s.before
	s.mu.Unlock()
	if before != nil {
		if err := before(op, key); err != nil {
			return err
		}
	}
	s.mu.Lock()
	err := operation()
	after := s.after
	s.mu.Unlock()
	if after != nil {
		if failed := after(op, key); failed != nil {
			return failed
		}
	}
	return err
}

// count returns how often one of the operations was called since the last call.
func (s *testStorage) count(ops ...string) (n int) {
	for _, op := range s.ops {
		if slices.Contains(ops, op) {
			n++
		}
	}
	s.ops = nil
	return n
}

var errFault = errors.New("the storage failed")

func (s *testStorage) failing(ops ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = func(op, _ string) error {
		if slices.Contains(ops, op) {
			return errFault
		}
		return nil
	}
}

func (s *testStorage) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = nil, nil
}

func (s *testStorage) Lock(_ context.Context, key string) error {
	return s.do("Lock", key, func() error {
		if s.locks[key] {
			return errors.New("locked")
		}
		s.locks[key] = true
		return nil
	})
}

func (s *testStorage) Unlock(_ context.Context, key string) error {
	return s.do("Unlock", key, func() error { delete(s.locks, key); return nil })
}

// Exists also answers "no" in an outage, so the code must not call it.
func (s *testStorage) Exists(context.Context, string) bool {
	s.tb.Error("Exists was called")
	return false
}

func (s *testStorage) Store(_ context.Context, key string, value []byte) error {
	return s.do("Store", key, func() error { s.values[key] = slices.Clone(value); return nil })
}

func (s *testStorage) Load(_ context.Context, key string) (data []byte, err error) {
	err = s.do("Load", key, func() error {
		value, ok := s.values[key]
		if !ok {
			return fs.ErrNotExist
		}
		data = slices.Clone(value)
		return nil
	})
	return data, err
}

func (s *testStorage) Delete(_ context.Context, key string) error {
	return s.do("Delete", key, func() error { delete(s.values, key); return nil })
}

func (s *testStorage) List(_ context.Context, prefix string, _ bool) (keys []string, err error) {
	err = s.do("List", prefix, func() error {
		for key := range s.values {
			if path.Dir(key) == prefix {
				keys = append(keys, key)
			}
		}
		return nil
	})
	return keys, err
}

func (s *testStorage) Stat(_ context.Context, key string) (info certmagic.KeyInfo, err error) {
	err = s.do("Stat", key, func() error {
		value, ok := s.values[key]
		if !ok {
			return fs.ErrNotExist
		}
		info = certmagic.KeyInfo{Key: key, Size: int64(len(value)), IsTerminal: true}
		return nil
	})
	return info, err
}

// names returns the stored entries, sorted.
func (s *testStorage) names() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		if strings.HasPrefix(key, folder) {
			names = append(names, path.Base(key))
		}
	}
	return names
}

func (s *testStorage) put(name, content string) { s.values[folder+"/"+name] = []byte(content) }

// node starts a process now.
func node(s *testStorage, c *testClock, declared ...Key) *Store {
	own := c.elapsed()
	n := New(s, folder, Options{Now: c.now, Elapsed: func() time.Duration { return c.elapsed() - own }})
	if len(declared) > 0 {
		n.Observe(idp, slices.Values(declared))
	}
	return n
}

func logged(s *testStorage, c *testClock) (*Store, *observer.ObservedLogs) {
	core, logs := observer.New(zap.DebugLevel)
	return New(s, folder, Options{Now: c.now, Elapsed: c.elapsed, Logger: zap.New(core)}), logs
}

func mustSync(t testing.TB, nodes ...*Store) {
	t.Helper()
	for _, n := range nodes {
		if err := n.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// reader returns what a process that starts now reads.
func reader(t testing.TB, s *testStorage, c *testClock) *Store {
	t.Helper()
	n := node(s.sharing(), c)
	if err := n.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

func countTo(n *Store, k Key, times int) {
	for range times {
		n.Count(k)
	}
}

func want(t testing.TB, n *Store, k Key, count int64) {
	t.Helper()
	if got := n.Value(k).Count; got != count {
		t.Errorf("%v: %d, want %d", k, got, count)
	}
}
