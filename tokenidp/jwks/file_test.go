package jwks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func fileSource(t *testing.T, name string) *Source {
	t.Helper()
	s, err := New(Options{Issuer: "https://idp.example", File: name, Algorithms: []string{"EdDSA"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFileIsReadAtOnceAndWhenItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "jwks.json")
		a := newJWK(t, "a", "EdDSA", nil)
		writeFile(t, name, setOf(t, a))
		s := fileSource(t, name)
		if err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.serving() == nil {
			t.Fatal("no keys after Load")
		}
		run(t, s)
		key := mustKey(t, s, "a")
		time.Sleep(2 * DefaultMaxStale) // a file that is there confirms its keys
		if mustKey(t, s, "a") != key {
			t.Error("the pointer changed")
		}
		writeFile(t, name, setOf(t, newJWK(t, "b", "EdDSA", nil), a))
		time.Sleep(fileRefresh)
		if _, ok := s.serving().key("b", ""); !ok {
			t.Error("the change is not noticed")
		}
		if h := s.Health(); h.From != name || h.Keys != 2 {
			t.Errorf("%+v", h)
		}
	})
}

// What cannot be read costs no keys, until they are too old.
func TestBadFileCostsNoKey(t *testing.T) {
	for name, row := range map[string]struct {
		spoil func(t *testing.T, name string)
		want  string
	}{
		"removed":      {func(t *testing.T, name string) { _ = os.Remove(name) }, "no such file"},
		"emptied":      {func(t *testing.T, name string) { writeFile(t, name, "") }, "JSON"},
		"half written": {func(t *testing.T, name string) { writeFile(t, name, `{"keys":[`) }, "JSON"},
		"empty set":    {func(t *testing.T, name string) { writeFile(t, name, `{"keys":[]}`) }, "no usable key"},
		"too large":    {func(t *testing.T, name string) { writeFile(t, name, strings.Repeat(" ", maxBody+1)) }, "more than 512 KiB"},
		"a folder": {func(t *testing.T, name string) {
			_ = os.Remove(name)
			_ = os.Mkdir(name, 0o700)
		}, "not a regular file"},
		"a device without end": {func(t *testing.T, name string) {
			_ = os.Remove(name)
			_ = os.Symlink("/dev/zero", name)
		}, "not a regular file"},
		"a link to nowhere": {func(t *testing.T, name string) {
			_ = os.Remove(name)
			_ = os.Symlink(name+"2", name)
		}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "jwks.json")
				writeFile(t, file, newSet(t, "k1"))
				s := fileSource(t, file)
				run(t, s)
				key := mustKey(t, s, "k1")
				row.spoil(t, file)
				time.Sleep(DefaultMaxStale - time.Minute)
				if mustKey(t, s, "k1") != key {
					t.Error("the key is gone")
				}
				if h := s.Health(); !strings.Contains(h.LastError, row.want) {
					t.Errorf("%+v; want %q", h, row.want)
				}
				time.Sleep(time.Minute)
				wantOutOfReach(t, s, "k1")
			})
		})
	}
}

// A file is there after a restart, or it is not: the storage has no part in it.
func TestFileIsNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, storage := filepath.Join(t.TempDir(), "jwks.json"), newStorage(t)
		writeFile(t, file, newSet(t, "k1"))
		s, err := New(Options{Issuer: "https://idp.example", File: file, Algorithms: []string{"EdDSA"}, Storage: storage, Folder: testFolder})
		if err != nil {
			t.Fatal(err)
		}
		run(t, s)
		mustKey(t, s, "k1")
		time.Sleep(time.Hour)
		if storage.stores.Load() != 0 {
			t.Error("stored")
		}
	})
}

func TestLoadTellsOfABadFile(t *testing.T) {
	s := fileSource(t, filepath.Join(t.TempDir(), "missing.json"))
	if err := s.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "missing.json") {
		t.Error(err)
	}
}
