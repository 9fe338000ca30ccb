package signing

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"
)

func TestF03RotationIsPostponedDuringAnOutage(t *testing.T) {
	for _, op := range []string{"List", "Load", "Lock", "Store"} {
		storage := newStorage(t)
		n := newNode(t, storage, "EdDSA", testTime)
		mustEnsure(t, n.Ring)
		n.pass(89 * day)
		storage.failing(syscall.EIO, op)
		for range 3 {
			n.pass(time.Minute)
			if err := n.Maintain(t.Context()); !errors.Is(err, syscall.EIO) {
				t.Errorf("%s: %v", op, err)
			}
			mustSign(t, n.Ring)
		}
		if len(files(t, storage)) != 1 {
			t.Errorf("%s: the storage holds %q", op, files(t, storage))
		}
		storage.before = nil
		n.maintain()
		if len(n.States()) != 2 {
			t.Errorf("%s: after the storage healed: %s", op, n.states())
		}
	}
}

func TestDeletionFails(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	mustEnsure(t, n.Ring)
	if _, err := n.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	n.live(40*time.Hour, time.Hour)
	storage.failing(syscall.EIO, "Delete")
	n.pass(retention)
	if err := n.Maintain(t.Context()); !errors.Is(err, syscall.EIO) || len(n.States()) != 2 {
		t.Errorf("%v, %s", err, n.states())
	}
	storage.before = nil
	n.maintain()
	n.want("active 2026-03-16")
}

// TestF12HeldUpHolderOfTheLockMakesNoKey: when it wakes, the lock is another's.
func TestF12HeldUpHolderOfTheLockMakesNoKey(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	mustEnsure(t, n.Ring)
	n.pass(89 * day)
	storage.before = func(_ context.Context, c call) error {
		if c.op == "Load" && storage.count("Lock") == 2 {
			storage.before = nil
			n.pass(time.Hour)
		}
		return nil
	}
	if err := n.Maintain(t.Context()); !errors.Is(err, errHeldUp) || len(files(t, storage)) != 1 {
		t.Errorf("Maintain: %v, the storage holds %q", err, files(t, storage))
	}
	n.maintain()
	n.want("active 2026-03-16, next 2026-06-14")
}

// TestKeyWrittenLateWaits: a running node does not sign with a key that nobody
// has had the time to read.
func TestKeyWrittenLateWaits(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	first := mustEnsure(t, n.Ring)
	n.pass(time.Hour)
	k, err := generate("2026-03-16.482910", "EdDSA", testTime.Add(time.Minute), testTime.Add(2*minLead))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, storage, entryName(k), encoded(t, k))
	n.maintain()
	n.pass(MaxAge - 1)
	n.maintain()
	if n.Active().ID != first.ID || len(published(t, n.Ring)) != 2 {
		t.Errorf("signs with %s", n.Active())
	}
	n.pass(1)
	if n.Active().ID != k.ID {
		t.Errorf("signs with %s", n.Active())
	}
	started := newNode(t, storage, "EdDSA", n.wall.now())
	if mustEnsure(t, started.Ring); started.Active().ID != k.ID {
		t.Errorf("who starts signs with %s", started.Active())
	}
}

// TestF23SlowListingMakesNoSecondSuccessor: what was written is not listed yet.
func TestF23SlowListingMakesNoSecondSuccessor(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	mustEnsure(t, n.Ring)
	n.pass(89 * day)
	storage.listed = func(names []string, err error) ([]string, error) { return names[:1], err }
	for range 5 {
		n.maintain()
		n.pass(time.Minute)
	}
	if storage.count("Store") != 2 {
		t.Errorf("%d writes", storage.count("Store"))
	}
	n.want("active 2026-03-16, next 2026-06-13")
}

func TestF28OnlyReadingWritesNothing(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	mustEnsure(t, n.Ring)
	reader := newNode(t, storage.sharing(), "EdDSA", testTime)
	for range 100 {
		reader.pass(day)
		mustLoad(t, reader.Ring)
	}
	if reader.storage.writes() != 0 {
		t.Errorf("calls %v", reader.storage.calls)
	}
}
