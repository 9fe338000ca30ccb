package signing

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestF02OutageNeverLooksLikeAnEmptyStorage: an outage never looks like an empty storage.
func TestF02OutageNeverLooksLikeAnEmptyStorage(t *testing.T) {
	for _, op := range []string{"List", "Load"} {
		t.Run(op, func(t *testing.T) {
			storage := newStorage(t)
			mustEnsure(t, newTestRing(storage))

			broken := storage.sharing().failing(syscall.EIO, op)
			r := newTestRing(broken)
			if err := r.Ensure(t.Context()); !errors.Is(err, syscall.EIO) {
				t.Errorf("Ensure: %v", err)
			}
			if r.Active() != nil || broken.writes() != 0 {
				t.Errorf("active %v, calls %v", r.Active(), broken.calls)
			}
		})
	}
}

func TestF02OutageUnderTheLock(t *testing.T) {
	storage := newStorage(t)
	storage.before = func(_ context.Context, c call) error {
		if c.op == "List" && storage.count("List") == 2 {
			return syscall.EIO
		}
		return nil
	}
	if err := newTestRing(storage).Ensure(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("Ensure: %v", err)
	}
	if storage.count("Store") != 0 || storage.count("Unlock") != 1 {
		t.Errorf("calls %v", storage.calls)
	}
}

func TestF03RingKeepsItsKeysDuringAnOutage(t *testing.T) {
	for _, op := range []string{"List", "Load"} {
		storage := newStorage(t)
		r := newTestRing(storage)
		mustEnsure(t, r)
		token, before := mustSign(t, r), r.KeySet()

		storage.failing(syscall.EIO, op)
		if err := r.Load(t.Context()); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: Load: %v", op, err)
		}
		if err := verifyAt(t, r, token); err != nil {
			t.Errorf("%s: %v", op, err)
		}
		if r.KeySet().ETag != before.ETag {
			t.Errorf("%s: the JWK Set changed", op)
		}
		mustSign(t, r)
	}
}

// TestF23RingKeepsItsKeyWhenTheStorageLosesIt: the ring issues on, and says so.
func TestF23RingKeepsItsKeyWhenTheStorageLosesIt(t *testing.T) {
	for name, lose := range map[string]func(file string) error{
		"entry removed":  os.Remove,
		"folder removed": func(file string) error { return os.RemoveAll(filepath.Dir(file)) },
		"truncated":      func(file string) error { return os.Truncate(file, 20) },
		"emptied":        func(file string) error { return os.Truncate(file, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			storage := newStorage(t)
			r := newTestRing(storage)
			k := mustEnsure(t, r)
			if err := lose(filepath.Join(folderOf(storage), entryName(k))); err != nil {
				t.Fatal(err)
			}
			if err := r.Load(t.Context()); err == nil || !strings.Contains(err.Error(), k.ID) {
				t.Errorf("Load: %v", err)
			}
			if err := r.Ensure(t.Context()); err == nil {
				t.Error("Ensure is content")
			}
			if err := verifyAt(t, r, mustSign(t, r)); err != nil {
				t.Error(err)
			}
			if storage.count("Store") != 1 {
				t.Error("another key was made")
			}
		})
	}
}

func TestF14FullDiskAtAStart(t *testing.T) {
	storage := newStorage(t).failing(syscall.ENOSPC, "Store")
	r := newTestRing(storage)
	if err := r.Ensure(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Ensure: %v", err)
	}
	if r.Active() != nil || len(files(t, storage)) != 0 || len(published(t, r)) != 0 || storage.count("Unlock") != 1 {
		t.Errorf("active %v, files %q, calls %v", r.Active(), files(t, storage), storage.calls)
	}
	storage.before = nil
	mustEnsure(t, r)
}

func TestF02LockFailsAtAStart(t *testing.T) {
	storage := newStorage(t).failing(syscall.EIO, "Lock")
	r := newTestRing(storage)
	if err := r.Ensure(t.Context()); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "locking") {
		t.Errorf("Ensure: %v", err)
	}
	if storage.count("Store", "Unlock") != 0 || r.Active() != nil {
		t.Errorf("active %v, calls %v", r.Active(), storage.calls)
	}
}

func TestUnlockFails(t *testing.T) {
	storage := newStorage(t).failing(syscall.EIO, "Unlock")
	r, logs := observedRing(storage, "EdDSA")
	mustEnsure(t, r)
	mustSign(t, r)
	if logs.FilterMessage("unlocking").Len() != 1 {
		t.Errorf("log: %v", logs.All())
	}
}

// TestUnlockAfterCancel: the work was cut short, and the lock is released still.
func TestUnlockAfterCancel(t *testing.T) {
	storage := newStorage(t)
	ctx, cancel := context.WithCancel(t.Context())
	storage.before = func(ctx context.Context, c call) error {
		if c.op == "Store" {
			cancel()
		}
		return ctx.Err()
	}
	if err := newTestRing(storage).Ensure(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Ensure: %v", err)
	}
	if locks, err := os.ReadDir(storage.Filename("locks")); err != nil || len(locks) != 0 {
		t.Fatalf("the lock is still held: %v, %v", locks, err)
	}
	storage.before = nil
	mustEnsure(t, newTestRing(storage))
}

func TestF23WrittenButNotListed(t *testing.T) {
	storage := newStorage(t)
	storage.listed = func([]string, error) ([]string, error) { return nil, nil }
	r := newTestRing(storage)
	err := r.Ensure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the key 2026-03-16.") || !strings.Contains(err.Error(), " was written, but is not found on reading back") {
		t.Errorf("Ensure: %v", err)
	}
	if r.Active() != nil {
		t.Error("signs with a key that nobody else can see")
	}
}

// TestF02VanishingFileIsNoEmptyStorage: file storage lists with an error that says
// "does not exist" when a peer's temporary file is renamed meanwhile.
func TestF02VanishingFileIsNoEmptyStorage(t *testing.T) {
	storage := newStorage(t)
	first := newTestRing(storage)
	made := mustEnsure(t, first)
	vanishing := func(times int) *faultyStorage {
		s := storage.sharing()
		s.listed = func(names []string, err error) ([]string, error) {
			if s.count("List") <= times {
				return nil, &fs.PathError{Op: "lstat", Path: "keys/123456", Err: syscall.ENOENT}
			}
			return names, err
		}
		return s
	}

	s := vanishing(3)
	if k := mustEnsure(t, newTestRing(s)); k.ID != made.ID || s.writes() != 0 {
		t.Errorf("active %s, calls %v", k.ID, s.calls)
	}

	s = vanishing(1000)
	if err := newTestRing(s).Ensure(t.Context()); err == nil || s.writes() != 0 {
		t.Errorf("Ensure: %v, calls %v", err, s.calls)
	}
	if s.count("List") > 20 {
		t.Errorf("listed %d times", s.count("List"))
	}

	first.store.storage = vanishing(1000)
	if err := first.Load(t.Context()); err == nil {
		t.Error("Load is content")
	}
	mustSign(t, first)

	s = vanishing(1)
	s.failing(syscall.EIO, "Stat")
	if err := newTestRing(s).Ensure(t.Context()); !errors.Is(err, syscall.EIO) || s.writes() != 0 {
		t.Errorf("Ensure: %v, calls %v", err, s.calls)
	}
}

// TestF23ListedButGone: in a storage that lags, a key may be in the list before it
// can be loaded. It counts as a key.
func TestF23ListedButGone(t *testing.T) {
	storage := newStorage(t)
	k := mustEnsure(t, newTestRing(storage))
	lagging := storage.sharing().failing(fs.ErrNotExist, "Load")
	r, logs := observedRing(lagging, "EdDSA")
	if err := r.Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), entryName(k)) {
		t.Errorf("Ensure: %v", err)
	}
	if lagging.count("Store") != 0 || r.Active() != nil || logs.Len() != 1 {
		t.Errorf("calls %v, log %v", lagging.calls, logs.All())
	}
	lagging.before = nil
	if got := mustEnsure(t, r); got.ID != k.ID {
		t.Errorf("active %s, want %s", got.ID, k.ID)
	}
}

func TestF23PartialListing(t *testing.T) {
	storage := newStorage(t)
	k := mustEnsure(t, newTestRing(storage))
	addKey(t, storage, "2026-03-17", "EdDSA")
	partial := storage.sharing()
	partial.listed = func(names []string, err error) ([]string, error) { return names[:1], err }
	r := newTestRing(partial)
	if got := mustEnsure(t, r); got.ID != k.ID || partial.writes() != 0 {
		t.Errorf("active %s", got.ID)
	}
	partial.listed = nil
	if _, err := r.Key(t.Context(), "2026-03-17", ""); err != nil {
		t.Errorf("the key missing from the list is not found by the next read: %v", err)
	}
}
