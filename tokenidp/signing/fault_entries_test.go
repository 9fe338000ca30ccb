package signing

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// leftAlone: beside a good key, an entry is not used, and named in the log once.
func (b bad) leftAlone(t *testing.T) {
	storage := newStorage(t)
	good := addKey(t, storage, "2026-03-16", "EdDSA")
	writeFile(t, storage, b.name, b.data)
	r, logs := observedRing(storage, "EdDSA")
	mustLoad(t, r)
	mustLoad(t, r)
	if k := mustEnsure(t, r); k.ID != good.ID {
		t.Errorf("active is %s", k.ID)
	}
	if err := verifyAt(t, r, mustSign(t, r)); err != nil {
		t.Error(err)
	}
	if got := published(t, r); !slices.Equal(got, []string{good.ID}) {
		t.Errorf("published %q", got)
	}
	if lines := fmt.Sprint(logs.All()); logs.Len() != 1 || strings.Count(lines, b.name) != 1 {
		t.Errorf("log: %s", lines)
	}
	kept(t, storage, b)
}

// refusedAlone: it may be the key that signed yesterday's tokens, or the active
// key of a newer release, so no other is made in its place.
func (b bad) refusedAlone(t *testing.T) (err error) {
	storage := newStorage(t)
	writeFile(t, storage, b.name, b.data)
	r := newTestRing(storage)
	err = r.Ensure(t.Context())
	if err == nil || !strings.Contains(err.Error(), b.name) {
		t.Errorf("Ensure: %v", err)
	}
	if r.Active() != nil || storage.count("Store") != 0 {
		t.Errorf("active %v, calls %v", r.Active(), storage.calls)
	}
	kept(t, storage, b)
	return err
}

func TestF05DamagedEntryIsLeftAlone(t *testing.T) {
	for what, b := range damagedEntries(t) {
		t.Run(what+", beside a good one", b.leftAlone)
		t.Run(what+", alone", func(t *testing.T) { b.refusedAlone(t) })
	}
}

func TestF06UnfitKeyIsRefused(t *testing.T) {
	for what, b := range unfitEntries(t) {
		t.Run(what+", beside a good one", b.leftAlone)
		t.Run(what+", alone", func(t *testing.T) { b.refusedAlone(t) })
	}
}

func TestF27EntryOfANewerReleaseIsLeftAlone(t *testing.T) {
	for what, b := range newerEntries(t) {
		t.Run(what+", beside ours", b.leftAlone)
		t.Run(what+", alone", func(t *testing.T) {
			if err := b.refusedAlone(t); err == nil || !strings.Contains(err.Error(), "newer version") {
				t.Errorf("Ensure: %v", err)
			}
		})
	}
}

func kept(t *testing.T, s *faultyStorage, b bad) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folderOf(s), b.name))
	if err != nil || !bytes.Equal(data, b.data) {
		t.Errorf("the entry was changed: %v", err)
	}
}

// damages are what befalls the entry of a key that was in use.
var damages = map[string]func(file string) error{
	"corrupt":     func(file string) error { return flipped(file) },
	"truncated":   func(file string) error { return os.Truncate(file, 40) },
	"zero length": func(file string) error { return os.Truncate(file, 0) },
	"wrong type":  func(file string) error { return os.WriteFile(file, []byte(`{"version":1,"key":{"kty":"oct"}}`), 0o600) },
	"a PEM file":  func(file string) error { return os.WriteFile(file, []byte("-----BEGIN PRIVATE KEY-----\n"), 0o600) },
}

// flipped changes one bit in the midst of the private key.
func flipped(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	data[bytes.Index(data, []byte(`"d":"`))+20] ^= 1
	return os.WriteFile(file, data, 0o600)
}

// TestF05ActiveKeyIsDamaged, and an older one is left: who starts then signs with
// that, which everyone verifies, and says so as an error. Who had the key in
// memory goes on with it. The entry stays, and counts again when it is mended.
func TestF05ActiveKeyIsDamaged(t *testing.T) {
	for what, damage := range damages {
		t.Run(what, func(t *testing.T) {
			storage := newStorage(t)
			running := newNode(t, storage, "EdDSA", testTime)
			older := mustEnsure(t, running.Ring)
			if _, err := running.Rotate(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			running.live(minLead, minLead/10)
			active, good := running.Active(), entries(t, storage)
			file := filepath.Join(folderOf(storage), entryName(active))
			if err := damage(file); err != nil || sameKey(active, older) {
				t.Fatal(err, active)
			}
			bad := entries(t, storage)

			if err := running.Maintain(t.Context()); err == nil || !strings.Contains(err.Error(), active.ID) {
				t.Errorf("Maintain: %v", err)
			}
			started := newNode(t, storage, "EdDSA", running.wall.now())
			mustEnsure(t, started.Ring)
			if !sameKey(running.Active(), active) || !sameKey(started.Active(), older) {
				t.Errorf("they sign with %s and %s", running.Active(), started.Active())
			}
			if told := fmt.Sprint(started.logs.FilterMessageSnippet("cannot be used").All()); !strings.Contains(told, entryName(active)) {
				t.Errorf("log: %v", started.logs.All())
			}
			if err := verifyAt(t, running.Ring, mustSign(t, started.Ring)); err != nil {
				t.Errorf("a token of who started: %v", err)
			}
			if err := verifyAt(t, started.Ring, mustSign(t, running.Ring)); err == nil {
				t.Error("verifies with a key that cannot be read")
			}
			wantKept(t, storage, bad)
			if err := os.WriteFile(file, good[entryName(active)], 0o600); err != nil {
				t.Fatal(err)
			}
			for _, n := range []*node{running, started} {
				if n.live(MaxAge+time.Minute, time.Minute); !sameKey(n.Active(), active) {
					t.Errorf("mended, signs with %s", n.Active())
				}
			}
		})
	}
}

// TestF05EntryThatCannotBeLoaded, for it is another user's, or a folder: whatever
// becomes of the start, the entry is named and left alone, no key is made in its
// place, and who runs goes on.
func TestF05EntryThatCannotBeLoaded(t *testing.T) {
	for _, row := range []struct {
		name   string
		damage func(s *faultyStorage, file string)
	}{
		{"foreign owner", func(s *faultyStorage, file string) {
			// Root reads everything, so the storage refuses.
			s.before = refusing(filepath.Base(file), &os.PathError{Op: "open", Path: file, Err: os.ErrPermission})
		}},
		{"a folder", func(s *faultyStorage, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(file, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			storage := newStorage(t)
			running := newNode(t, storage, "EdDSA", testTime)
			k := mustEnsure(t, running.Ring)
			row.damage(storage, filepath.Join(folderOf(storage), entryName(k)))
			if err := running.Maintain(t.Context()); err == nil || !strings.Contains(err.Error(), k.ID) {
				t.Errorf("Maintain: %v", err)
			}
			if err := verifyAt(t, running.Ring, mustSign(t, running.Ring)); err != nil {
				t.Error(err)
			}
			started := newNode(t, storage, "EdDSA", testTime)
			if err := started.Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), entryName(k)) {
				t.Errorf("Ensure: %v", err)
			}
			if started.Active() != nil || storage.count("Store") != 1 || storage.count("Delete") != 0 || len(files(t, storage)) != 1 {
				t.Errorf("signs with %v, the storage holds %q", started.Active(), files(t, storage))
			}
		})
	}
}

// refusing lets no entry of that name be loaded.
func refusing(name string, err error) func(context.Context, call) error {
	return func(_ context.Context, c call) error {
		if c.op == "Load" && strings.HasSuffix(c.key, name) {
			return err
		}
		return nil
	}
}
