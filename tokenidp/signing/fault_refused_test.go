package signing

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
)

// TestF05EntryThatCannotBeLoadedIsQuarantined at a start: the others work.
func TestF05EntryThatCannotBeLoadedIsQuarantined(t *testing.T) {
	for what, damage := range map[string]func(s *faultyStorage, file string) error{
		"foreign owner": func(s *faultyStorage, file string) error {
			s.before = refusing(filepath.Base(file), &os.PathError{Op: "open", Path: file, Err: syscall.EACCES})
			return nil
		},
		"a folder": func(_ *faultyStorage, file string) error {
			if err := os.Remove(file); err != nil {
				return err
			}
			return os.Mkdir(file, 0o700)
		},
	} {
		t.Run(what, func(t *testing.T) {
			storage := newStorage(t)
			bad := addKey(t, storage, badID, "EdDSA")
			good := addKey(t, storage, "2026-03-16", "EdDSA")
			if err := damage(storage, filepath.Join(folderOf(storage), entryName(bad))); err != nil {
				t.Fatal(err)
			}
			r, logs := observedRing(storage, "EdDSA")
			if err := r.Ensure(t.Context()); err != nil || !sameKeyOrNil(r.Active(), good) {
				t.Fatalf("signs with %v; Ensure: %v", r.Active(), err)
			}
			if told := fmt.Sprint(logs.FilterLevelExact(zap.ErrorLevel).All()); !strings.Contains(told, entryName(bad)) {
				t.Errorf("log: %s", told)
			}
		})
	}
}

func sameKeyOrNil(a, b *Key) bool { return a != nil && sameKey(a, b) }

// TestF29TimeRegressIsWarnedOf at a start.
func TestF29TimeRegressIsWarnedOf(t *testing.T) {
	for name, age := range map[string]time.Duration{
		"the clock is behind the keys": -2 * time.Hour,
		"the keys are an old backup's": 180 * day,
	} {
		t.Run(name, func(t *testing.T) {
			storage := newStorage(t)
			mustEnsure(t, newNode(t, storage, "EdDSA", testTime).Ring)
			n := newNode(t, storage, "EdDSA", testTime.Add(age))
			mustEnsure(t, n.Ring)
			if n.logs.FilterLevelExact(zap.WarnLevel).Len() == 0 {
				t.Errorf("log: %v", n.logs.All())
			}
		})
	}
}

// TestF05StorageThatRefusesEveryEntry is an outage, and not a storage of broken
// keys.
func TestF05StorageThatRefusesEveryEntry(t *testing.T) {
	storage := newStorage(t)
	addKey(t, storage, "2026-03-16", "EdDSA")
	broken := storage.sharing().failing(syscall.EACCES, "Load")
	r := newTestRing(broken)
	if err := r.Ensure(t.Context()); err == nil || broken.count("Store") != 0 {
		t.Errorf("Ensure: %v, calls %v", err, broken.calls)
	}
}
