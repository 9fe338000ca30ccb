package signing

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

func lose(t *testing.T, s *faultyStorage, k *Key) {
	t.Helper()
	if err := os.Remove(filepath.Join(folderOf(s), entryName(k))); err != nil {
		t.Fatal(err)
	}
}

func TestF23LostActiveKeyIsStoredAgain(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		storage := newStorage(t)
		n := newNode(t, storage, algorithm, testTime)
		k := mustEnsure(t, n.Ring)
		file := filepath.Join(folderOf(storage), entryName(k))
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lose(t, storage, k)
		if err := n.Load(t.Context()); err == nil || !strings.Contains(err.Error(), k.ID) {
			t.Errorf("Load: %v", err)
		}
		if s := n.States(); len(s) != 1 || !s[0].Missing {
			t.Errorf("states %+v", s)
		}
		n.maintain()
		after, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(before, after) || len(files(t, storage)) != 1 {
			t.Errorf("stored again: %s, %v", after, err)
		}
		mustLoad(t, n.Ring)
		if got := n.logs.FilterLevelExact(zap.WarnLevel).Len(); got != 2 {
			t.Errorf("log: %v", n.logs.All())
		}
	}
}

func TestF23LostNextKeyIsStoredAgain(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	mustEnsure(t, n.Ring)
	plan, err := n.Rotate(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := n.current.Load().find(plan.KeyID)
	lose(t, storage, m.Key)
	n.maintain()
	if got := files(t, storage); !slices.Contains(got, entryName(m.Key)) {
		t.Errorf("the storage holds %q", got)
	}
}

// TestF05BrokenActiveKeyIsLeftAlone: what is there is never overwritten.
func TestF05BrokenActiveKeyIsLeftAlone(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	k := mustEnsure(t, n.Ring)
	if err := os.Truncate(filepath.Join(folderOf(storage), entryName(k)), 20); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := n.Maintain(t.Context()); err == nil || !strings.Contains(err.Error(), k.ID) {
			t.Errorf("Maintain: %v", err)
		}
	}
	mustSign(t, n.Ring)
	if storage.count("Store") != 1 || n.states() != "active 2026-03-16, unreadable 2026-03-16" {
		t.Errorf("%d writes, %s", storage.count("Store"), n.states())
	}
	if s := n.States()[1]; s.Cause == "" || !strings.HasSuffix(s.Entry, entryName(k)) {
		t.Errorf("unreadable: %+v", s)
	}
}

// TestF23LostRetiredKeyVerifiesOn until it is due, here, and is not stored again.
func TestF23LostRetiredKeyVerifiesOn(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	first := mustEnsure(t, n.Ring)
	token := mustSign(t, n.Ring)
	if _, err := n.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	n.live(2*minLead, time.Minute)
	lose(t, storage, first)
	n.maintain()
	mustLoad(t, n.Ring)
	n.maintain()
	if err := verifyAt(t, n.Ring, token); err != nil || len(published(t, n.Ring)) != 2 {
		t.Errorf("%v, published %q", err, published(t, n.Ring))
	}
	if got := n.logs.FilterLevelExact(zap.WarnLevel).Len(); got != 1 || storage.count("Store") != 2 {
		t.Errorf("%d writes, log: %v", storage.count("Store"), n.logs.All())
	}
	n.pass(retention)
	n.maintain()
	n.want("active 2026-03-16")
}

func TestDeletionByAPeerIsNoLoss(t *testing.T) {
	storage := newStorage(t)
	n, peer := newNode(t, storage, "EdDSA", testTime), newNode(t, storage, "EdDSA", testTime.Add(-time.Minute))
	mustEnsure(t, n.Ring)
	mustLoad(t, peer.Ring)
	if _, err := n.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	for range (retention + time.Hour) / (10 * time.Minute) {
		n.live(10*time.Minute, 10*time.Minute)
		peer.live(10*time.Minute, 10*time.Minute)
	}
	if storage.count("Delete") != 1 || peer.logs.FilterLevelExact(zap.WarnLevel).Len() != 0 {
		t.Errorf("%d deleted, log: %v", storage.count("Delete"), peer.logs.All())
	}
	n.want("active 2026-03-16")
	peer.want("active 2026-03-16")
}
