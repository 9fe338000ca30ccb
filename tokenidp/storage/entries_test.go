package storage

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/certmagic"
)

const folder = "tokenidp/example/things"

var noteName = regexp.MustCompile(`^[0-9a-f]{32}-[0-9]{1,18}\.note$`)

// watched is file storage that does something before an operation, and may fail it.
type watched struct {
	*certmagic.FileStorage
	before func(op, key string) error
}

func newWatched(t *testing.T) *watched {
	return &watched{&certmagic.FileStorage{Path: t.TempDir()}, func(string, string) error { return nil }}
}

func (w *watched) List(ctx context.Context, prefix string, recursive bool) ([]string, error) {
	if err := w.before("List", prefix); err != nil {
		return nil, err
	}
	return w.FileStorage.List(ctx, prefix, recursive)
}

func (w *watched) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	if err := w.before("Stat", key); err != nil {
		return certmagic.KeyInfo{}, err
	}
	return w.FileStorage.Stat(ctx, key)
}

func (w *watched) Load(ctx context.Context, key string) ([]byte, error) {
	if err := w.before("Load", key); err != nil {
		return nil, err
	}
	return w.FileStorage.Load(ctx, key)
}

func (w *watched) Exists(context.Context, string) bool {
	panic("Exists answers no to an outage too")
}

func mustStore(t *testing.T, e *Entries, text string) string {
	t.Helper()
	name, err := e.Store(t.Context(), "", ".note", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestEntries(t *testing.T) {
	w := newWatched(t)
	here, there := NewEntries(w, folder+"/", noteName, 10), NewEntries(w, folder, noteName, 10)
	names := []string{mustStore(t, here, "one"), mustStore(t, here, "two"), mustStore(t, there, "three")}
	slices.Sort(names)
	for _, stray := range []string{folder + "/1234567890.tmp", folder + "/below/" + names[0], folder + "-of-another/" + names[0]} {
		if err := w.Store(t.Context(), stray, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := here.List(t.Context()); err != nil || !slices.Equal(got, names) {
		t.Errorf("%q, %v; want %q", got, err, names)
	}
	if data, err := there.Load(t.Context(), mustStore(t, here, "ten bytes.")); err != nil || string(data) != "ten bytes." {
		t.Errorf("loaded %q, %v", data, err)
	}
	for range 2 { // another process may have removed it
		if err := there.Remove(t.Context(), names[0]); err != nil {
			t.Error(err)
		}
	}
	if _, err := here.Load(t.Context(), names[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a removed entry: %v", err)
	}
}

func TestNoEntryNameIsUsedTwice(t *testing.T) {
	w := newWatched(t)
	e := NewEntries(w, folder, noteName, 10)
	failed := &failingStore{w, errors.New("no answer")}
	e.storage = failed
	if _, err := e.Store(t.Context(), "", ".note", nil); !errors.Is(err, failed.err) || !strings.Contains(err.Error(), "writing "+folder) {
		t.Errorf("a failed write: %v", err)
	}
	e.storage = w
	if name := mustStore(t, e, "x"); name != e.Process()+"-2.note" {
		t.Errorf("after a write of which nobody knows whether it was done: %s", name)
	}
	if other := NewEntries(w, folder, noteName, 10); other.Process() == e.Process() {
		t.Error("two processes have the same id")
	}
}

// What gets into the storage after its time stays: its name is nobody else's, and what
// it replaces may be gone by then.
func TestEntryThatArrivesLateStays(t *testing.T) {
	w := newWatched(t)
	release, arrived := make(chan struct{}), make(chan struct{})
	slow := &slowStore{w, release, arrived}
	b := NewBounded(slow)
	e := NewEntries(b, folder, noteName, 10)
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error)
	go func() {
		_, err := e.Store(ctx, "", ".note", []byte("late"))
		cancelled <- err
	}()
	<-arrived
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(release)
	for b.abandoned.Load() > 0 {
		runtime.Gosched()
	}
	if names, err := e.List(t.Context()); err != nil || len(names) != 1 {
		t.Errorf("%q, %v", names, err)
	}
}

// slowStore begins to store, and waits.
type slowStore struct {
	certmagic.Storage
	release, arrived chan struct{}
}

func (s *slowStore) Store(ctx context.Context, key string, value []byte) error {
	close(s.arrived)
	<-s.release
	return s.Storage.Store(context.WithoutCancel(ctx), key, value)
}

type failingStore struct {
	certmagic.Storage
	err error
}

func (f *failingStore) Store(context.Context, string, []byte) error { return f.err }

// What is too large is not read at all, or, where the storage was wrong about its
// size, not used.
func TestEntryThatIsTooLarge(t *testing.T) {
	w := newWatched(t)
	e := NewEntries(w, folder, noteName, 10)
	name := mustStore(t, e, "eleven here")
	w.before = func(op, _ string) error {
		if op == "Load" {
			t.Error("it was read")
		}
		return nil
	}
	if _, err := e.Load(t.Context(), name); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
	grows := mustStore(t, e, "small")
	w.before = func(op, key string) error {
		if op == "Load" && path.Base(key) == grows {
			return w.Store(t.Context(), key, []byte("larger than before"))
		}
		return nil
	}
	if _, err := e.Load(t.Context(), grows); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one that grew: %v, want ErrTooLarge", err)
	}
}

// A folder that changes while it is listed is listed again, one that is not there is
// empty, and an outage is neither.
func TestList(t *testing.T) {
	outage := errors.New("no answer")
	for _, row := range []struct {
		name    string
		missing bool
		fails   map[string]error // operation
		times   int
		want    error
		names   int
	}{
		{name: "as it is", names: 1},
		{name: "no folder", missing: true},
		{name: "an entry vanished meanwhile", fails: map[string]error{"List": fs.ErrNotExist}, times: 3, names: 1},
		{name: "entries vanish each time", fails: map[string]error{"List": fs.ErrNotExist}, times: 100, want: fs.ErrNotExist},
		{name: "an outage", fails: map[string]error{"List": outage}, times: 1, want: outage},
		{name: "an outage in between", fails: map[string]error{"List": fs.ErrNotExist, "Stat": outage}, times: 1, want: outage},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWatched(t)
			if !row.missing {
				mustStore(t, NewEntries(w, folder, noteName, 10), "x")
			}
			done := make(map[string]int)
			w.before = func(op, _ string) error {
				if done[op]++; done[op] <= row.times {
					return row.fails[op]
				}
				return nil
			}
			keys, err := List(t.Context(), w, folder)
			if !errors.Is(err, row.want) || row.want != nil && !strings.HasPrefix(err.Error(), "listing "+folder+": ") || len(keys) != row.names {
				t.Errorf("%q, %v", keys, err)
			}
		})
	}
}
