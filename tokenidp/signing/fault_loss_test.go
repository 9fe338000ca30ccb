package signing

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// replace makes the folder hold just those entries.
func (s *faultyStorage) replace(t *testing.T, with map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll(folderOf(s)); err != nil {
		t.Fatal(err)
	}
	for name, data := range with {
		writeFile(t, s, name, data)
	}
}

// without leaves one entry out.
func without(entries map[string][]byte, k *Key) map[string][]byte {
	left := maps.Clone(entries)
	delete(left, entryName(k))
	return left
}

// rotatedPair is two nodes that have seen one rotation: a retired key, and one
// that signs.
func rotatedPair(t *testing.T) (n, peer *node, retired *Key) {
	t.Helper()
	storage := newStorage(t)
	n, peer = newNode(t, storage, "EdDSA", testTime), newNode(t, storage, "EdDSA", testTime)
	retired = mustEnsure(t, n.Ring)
	mustEnsure(t, peer.Ring)
	if _, err := n.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	n.live(minLead, time.Minute)
	peer.live(minLead, time.Minute)
	if sameKey(n.Active(), retired) || !sameKey(n.Active(), peer.Active()) {
		t.Fatalf("they sign with %s and %s", n.Active(), peer.Active())
	}
	return n, peer, retired
}

// TestF23StorageLosesKeysInRun: the active key is stored again, byte for byte, in
// the next minute, and it is said. No node makes another one, and every token
// goes on to verify at both.
func TestF23StorageLosesKeysInRun(t *testing.T) {
	for _, row := range []struct {
		name   string
		befall func(t *testing.T, s *faultyStorage, retired *Key)
		lost   int // keys that the storage has lost and gets back
	}{
		{"a restart, in memory only", func(t *testing.T, s *faultyStorage, _ *Key) { s.replace(t, nil) }, 1},
		{"it evicts the active key", func(t *testing.T, s *faultyStorage, retired *Key) {
			s.replace(t, map[string][]byte{entryName(retired): entries(t, s)[entryName(retired)]})
		}, 1},
		{"it evicts the retired key", func(t *testing.T, s *faultyStorage, retired *Key) {
			s.replace(t, without(entries(t, s), retired))
		}, 0},
		{"a fail-over to an empty replica, after an outage", func(t *testing.T, s *faultyStorage, _ *Key) {
			s.replace(t, nil)
			s.failing(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, everyOperation...)
		}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			n, peer, retired := rotatedPair(t)
			active, before, stored := n.Active(), entries(t, n.storage), n.storage.count("Store")
			row.befall(t, n.storage, retired)
			tokens := []string{mustSign(t, n.Ring)}
			for minute := range 30 {
				n.pass(time.Minute)
				peer.pass(time.Minute)
				if minute == 3 {
					n.storage.before = nil
				}
				for _, alive := range []*node{n, peer} {
					if err := alive.Maintain(t.Context()); err != nil && minute > 3 {
						t.Errorf("Maintain: %v", err)
					}
					tokens = append(tokens, mustSign(t, alive.Ring))
				}
			}
			verifyEverywhere(t, 0, tokens, n, peer)
			if !sameKey(n.Active(), active) || !sameKey(peer.Active(), active) || n.storage.count("Store") != stored+row.lost {
				t.Errorf("they sign with %s and %s, %d keys were stored", n.Active(), peer.Active(), n.storage.count("Store")-stored)
			}
			if got := entries(t, n.storage)[entryName(active)]; !bytes.Equal(got, before[entryName(active)]) {
				t.Errorf("the active key is now %d bytes", len(got))
			}
			said := n.logs.FilterMessageSnippet("lost a signing key").Len() + peer.logs.FilterMessageSnippet("lost a signing key").Len()
			if lost := n.logs.FilterMessageSnippet("stored again").Len() + peer.logs.FilterMessageSnippet("stored again").Len(); lost != row.lost || said == 0 {
				t.Errorf("logs: %v, %v", n.logs.All(), peer.logs.All())
			}
		})
	}
}

// TestF23LostRetiredKeysAreNotInOrder: a restart would refuse their tokens. It is said
// until they are back, or until the last of their tokens has expired.
func TestF23LostRetiredKeysAreNotInOrder(t *testing.T) {
	n, _, retired := rotatedPair(t)
	all := entries(t, n.storage)
	maintain := func(lost bool) {
		t.Helper()
		if err := n.Maintain(t.Context()); err != nil {
			t.Error(err)
		}
		if problem := n.Health().Problem; strings.Contains(problem, retired.ID) != lost || (problem == "") == lost {
			t.Errorf("health: %q", problem)
		}
	}
	maintain(false)
	n.storage.replace(t, without(all, retired))
	maintain(true)
	n.storage.replace(t, nil) // the active one is stored again
	maintain(true)
	n.storage.replace(t, all)
	maintain(false)
	n.storage.replace(t, without(all, retired))
	n.live(retention-time.Hour, time.Minute)
	maintain(true)
	n.live(time.Hour, time.Minute)
	maintain(false)
}

// TestF23ReloadOnAStorageThatLostTheKey fails, rather than to begin anew; the
// configuration before stores the key again, and the next reload is content.
func TestF23ReloadOnAStorageThatLostTheKey(t *testing.T) {
	n, _, _ := rotatedPair(t)
	before, active, stored := n.Ring, n.Active(), n.storage.count("Store")
	n.storage.replace(t, nil)
	n.start("EdDSA", Options{Predecessor: before})
	if err := n.Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), active.ID) || n.storage.count("Store") != stored {
		t.Errorf("Ensure: %v", err)
	}
	if err := before.Maintain(t.Context()); err != nil {
		t.Errorf("Maintain: %v", err)
	}
	if k := mustEnsure(t, n.Ring); !sameKey(k, active) {
		t.Errorf("signs with %s", k)
	}
}

// TestF23StartOnALaggingReplica that does not have the newest key yet: who starts
// there signs with the one before, which everyone has, and reads the newest when
// a token asks for it.
func TestF23StartOnALaggingReplica(t *testing.T) {
	n, _, retired := rotatedPair(t)
	active, all := n.Active(), entries(t, n.storage)
	replica := newStorage(t)
	replica.replace(t, without(all, active))
	started := newNode(t, replica, "EdDSA", n.wall.now())
	if k := mustEnsure(t, started.Ring); !sameKey(k, retired) || replica.count("Store") != 0 {
		t.Errorf("signs with %s", k)
	}
	verifyEverywhere(t, 0, []string{mustSign(t, started.Ring)}, n, started)
	replica.replace(t, all) // it has caught up
	verifyEverywhere(t, 0, []string{mustSign(t, n.Ring)}, started)
	if started.live(MaxAge+time.Minute, time.Minute); !sameKey(started.Active(), active) || replica.count("Store") != 0 {
		t.Errorf("signs with %s, %d keys were stored", started.Active(), replica.count("Store"))
	}
}

// TestF23SlowStorage takes two seconds for each operation: maintenance gets its
// work done in the time it has, a request for an unknown key its answer in two
// seconds, and all others theirs at once.
func TestF23SlowStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, _ := rotatedPair(t)
		n.pass(89 * day)
		n.storage.before = func(ctx context.Context, _ call) error {
			select {
			case <-time.After(2 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		n.hurry(30 * time.Second) // may leave the deletion to the next
		if err := n.hurry(30 * time.Second); err != nil || n.states() != "active 2026-03-16, next 2026-06-13" {
			t.Errorf("Maintain: %v, %s", err, n.states())
		}
		start := time.Now()
		if _, err := n.Key(t.Context(), "2026-03-17", ""); err == nil || errors.Is(err, verifier.ErrUnknownKey) || time.Since(start) != rereadTimeout {
			t.Errorf("%v, after %s", err, time.Since(start))
		}
		start = time.Now()
		if err := verifyAt(t, n.Ring, mustSign(t, n.Ring)); err != nil || time.Since(start) != 0 {
			t.Errorf("%v, after %s", err, time.Since(start))
		}
		time.Sleep(time.Minute)
	})
}

// hurry maintains, in so much time.
func (n *node) hurry(most time.Duration) error {
	ctx, cancel := context.WithTimeout(n.t.Context(), most)
	defer cancel()
	return n.Maintain(ctx)
}

// TestF29OldBackupAtAStart: the tokens of keys that the backup does not have are
// refused, and its own keys sign and verify.
func TestF29OldBackupAtAStart(t *testing.T) {
	n, _, _ := rotatedPair(t)
	backup := entries(t, n.storage)
	n.pass(90 * day)
	n.live(2*day, time.Hour)
	lost := mustSign(t, n.Ring)
	if _, held := backup[entryName(n.Active())]; held {
		t.Fatal("nothing was made since")
	}
	n.storage.replace(t, backup)
	for _, name := range []string{"one node", "the other"} {
		started := newNode(t, n.storage, "EdDSA", n.wall.now())
		k := mustEnsure(t, started.Ring)
		if _, held := backup[entryName(k)]; !held {
			t.Errorf("%s signs with %s", name, k)
		}
		if err := verifyAt(t, started.Ring, lost); !errors.Is(err, verifier.ErrUnknownKey) {
			t.Errorf("%s: a token of a lost key: %v", name, err)
		}
		verifyEverywhere(t, 0, []string{mustSign(t, started.Ring)}, started)
		started.maintain() // its rotation is long due
		if s := started.States(); s[len(s)-1].State != Next {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestF29OldBackupInRun: who has the keys in memory stores again those that sign,
// and says so. A key that was long deleted, and is back, never signs, and goes.
func TestF29OldBackupInRun(t *testing.T) {
	n, peer, _ := rotatedPair(t)
	backup := entries(t, n.storage)
	old := n.Active()
	for _, alive := range []*node{n, peer} {
		alive.pass(90 * day)
	}
	for range 4 * 24 {
		n.live(time.Hour, time.Hour)
		peer.live(time.Hour, time.Hour)
	}
	active, token, deleted := n.Active(), mustSign(t, n.Ring), n.storage.count("Delete")
	if _, held := entries(t, n.storage)[entryName(old)]; held || sameKey(active, old) {
		t.Fatalf("not rotated: %s", n.states())
	}
	n.storage.replace(t, backup)
	for _, alive := range []*node{n, peer} {
		alive.live(time.Minute, time.Minute)
		if !sameKey(alive.Active(), active) {
			t.Errorf("signs with %s", alive.Active())
		}
	}
	verifyEverywhere(t, 0, []string{token, mustSign(t, peer.Ring)}, n, peer)
	if _, held := entries(t, n.storage)[entryName(active)]; !held || n.logs.FilterMessageSnippet("lost").Len() == 0 {
		t.Errorf("the storage holds %q, log %v", files(t, n.storage), n.logs.All())
	}
	for range retention/time.Hour + 2 {
		n.live(time.Hour, time.Hour)
		peer.live(time.Hour, time.Hour)
		if !sameKey(n.Active(), active) {
			t.Fatalf("signs with %s", n.Active())
		}
	}
	if got := files(t, n.storage); !slices.Equal(got, []string{entryName(active)}) || n.storage.count("Delete") != deleted+2 {
		t.Errorf("the storage holds %q in %s", got, filepath.Base(folderOf(n.storage)))
	}
}
