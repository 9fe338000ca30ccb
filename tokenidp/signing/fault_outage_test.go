package signing

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// outages are the ways in which a storage fails.
var outages = map[string]error{
	"an I/O error":         syscall.EIO,
	"a time-out":           os.ErrDeadlineExceeded,
	"a refused connection": &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED},
	"a reset connection":   syscall.ECONNRESET,
	"a lost permission":    &os.PathError{Op: "open", Path: "keys", Err: syscall.EACCES},
	"a stale file handle":  syscall.ESTALE,
}

var everyOperation = []string{"List", "Stat", "Load", "Store", "Delete", "Lock", "Unlock"}

// entries is what the folder holds, by name.
func entries(t *testing.T, s *faultyStorage) map[string][]byte {
	t.Helper()
	contents := make(map[string][]byte)
	for _, name := range files(t, s) {
		data, err := os.ReadFile(filepath.Join(folderOf(s), name))
		if err != nil {
			t.Fatal(err)
		}
		contents[name] = data
	}
	return contents
}

// wantKept fails where an entry is gone, or is not what it was.
func wantKept(t *testing.T, s *faultyStorage, before map[string][]byte) {
	t.Helper()
	after := entries(t, s)
	for name, data := range before {
		if got, ok := after[name]; !ok || !bytes.Equal(got, data) {
			t.Errorf("%s is gone, or was changed", name)
		}
	}
}

// TestF02StorageUnavailableAtStart: the start fails and says why. No key is made
// in memory alone, and the one that was there is found when the storage is back.
func TestF02StorageUnavailableAtStart(t *testing.T) {
	for name, outage := range outages {
		for _, ops := range [][]string{everyOperation, {"List"}, {"List", "Stat"}, {"Load"}} {
			t.Run(name+" of "+ops[len(ops)-1], func(t *testing.T) {
				storage := newStorage(t)
				before := mustEnsure(t, newTestRing(storage))
				held := entries(t, storage)
				broken := storage.sharing().failing(outage, ops...)
				r := newTestRing(broken)
				wantNoKey(t, r, r.Load(t.Context()), outage)
				wantNoKey(t, r, r.Ensure(t.Context()), outage)
				_, err := r.Rotate(t.Context(), true)
				wantNoKey(t, r, err, outage)
				if broken.count("Store", "Delete") != 0 {
					t.Errorf("it writes: %v", broken.calls)
				}
				wantKept(t, storage, held)
				broken.before = nil
				if k := mustEnsure(t, r); !sameKey(k, before) {
					t.Errorf("signs with %s, not with the key of before", k)
				}
			})
		}
	}
}

// TestF02EmptyStorageUnavailableAtStart: a first key that nobody else can find is
// none.
func TestF02EmptyStorageUnavailableAtStart(t *testing.T) {
	for name, outage := range outages {
		for _, op := range []string{"List", "Lock", "Store"} {
			t.Run(name+" of "+op, func(t *testing.T) {
				storage := newStorage(t).failing(outage, op)
				r := newTestRing(storage)
				for range 3 {
					wantNoKey(t, r, r.Ensure(t.Context()), outage)
				}
				if len(entries(t, storage)) != 0 {
					t.Errorf("the storage holds %q", files(t, storage))
				}
				storage.before = nil
				mustEnsure(t, r)
				if len(entries(t, storage)) != 1 {
					t.Errorf("the storage holds %q", files(t, storage))
				}
			})
		}
	}
}

func wantNoKey(t *testing.T, r *Ring, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
	if _, _, err := r.Sign([]byte(`{}`)); err != ErrNoKey {
		t.Errorf("Sign: %v", err)
	}
	if r.Active() != nil || len(published(t, r)) != 0 || len(r.States()) != 0 {
		t.Errorf("active %v, published %q", r.Active(), published(t, r))
	}
}

// TestF03StorageFailsForDays: tokens are issued and verified with the keys in
// memory, the JWK Set is what it was, and the rotation that was due comes after,
// published first as ever.
func TestF03StorageFailsForDays(t *testing.T) {
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			storage := newStorage(t)
			n := newNode(t, storage, "EdDSA", testTime)
			first := mustEnsure(t, n.Ring)
			set, held := n.KeySet(), entries(t, storage)
			n.pass(88 * day)
			n.maintain()
			storage.failing(outage, everyOperation...)
			for range 3 * 24 {
				n.pass(time.Hour)
				if err := n.Maintain(t.Context()); !errors.Is(err, outage) {
					t.Fatalf("Maintain: %v", err)
				}
				if err := verifyAt(t, n.Ring, mustSign(t, n.Ring)); err != nil || n.KeySet().ETag != set.ETag || string(n.KeySet().JSON) != string(set.JSON) {
					t.Fatalf("%v; the set is %s", err, n.KeySet().JSON)
				}
			}
			wantKept(t, storage, held)
			storage.before = nil
			n.maintain()
			if s := n.States(); len(s) != 2 || !sameKey(n.Active(), first) || !s[1].SignsFrom.Equal(n.wall.now().Add(minLead)) {
				t.Errorf("after the outage: %+v", s)
			}
			n.live(minLead, time.Minute)
			n.want("retired 2026-03-16, active 2026-06-15")
		})
	}
}

// TestF14FullDisk: where no key, or no lock, can be written, what is there stays
// as it is, each attempt ends at once, and nothing new is said every minute.
func TestF14FullDisk(t *testing.T) {
	for _, op := range []string{"Store", "Lock"} {
		for name, full := range map[string]error{
			"full":       &os.PathError{Op: "write", Path: "123456", Err: syscall.ENOSPC},
			"over quota": &os.PathError{Op: "write", Path: "123456", Err: syscall.EDQUOT},
		} {
			t.Run(op+", "+name, func(t *testing.T) {
				storage := newStorage(t)
				n := newNode(t, storage, "EdDSA", testTime)
				mustEnsure(t, n.Ring)
				set, held := n.KeySet(), entries(t, storage)
				n.pass(89 * day)
				storage.before = func(_ context.Context, c call) error {
					if c.op != op {
						return nil
					}
					if op == "Store" {
						writeFile(t, storage, "123456", []byte(`{"version":1,`)) // what had been written
					}
					return full
				}
				said := n.logs.Len()
				for range 60 {
					n.pass(time.Minute)
					calls := len(storage.calls)
					if err := n.Maintain(t.Context()); !errors.Is(err, full) {
						t.Fatalf("Maintain: %v", err)
					}
					if tried := storage.calls[calls:]; len(tried) > 12 || countOf(tried, op) != 1 {
						t.Fatalf("one attempt is %v", tried)
					}
					mustSign(t, n.Ring)
				}
				if n.KeySet().ETag != set.ETag || n.logs.Len() != said {
					t.Errorf("published %q, log %v", published(t, n.Ring), n.logs.All()[said:])
				}
				wantKept(t, storage, held)
				storage.before = nil
				n.maintain()
				n.want("active 2026-03-16, next 2026-06-14")
			})
		}
	}
}

func countOf(calls []call, op string) (count int) {
	for _, c := range calls {
		if c.op == op {
			count++
		}
	}
	return count
}

// TestF14FullDiskKeepsALostKeyInMemory: it is stored again when there is room.
func TestF14FullDiskKeepsALostKeyInMemory(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	k := mustEnsure(t, n.Ring)
	lose(t, storage, k)
	storage.failing(syscall.ENOSPC, "Store")
	for range 3 {
		if err := n.Maintain(t.Context()); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Maintain: %v", err)
		}
		mustSign(t, n.Ring)
	}
	storage.before = nil
	n.maintain()
	if got := files(t, storage); !slices.Equal(got, []string{entryName(k)}) {
		t.Errorf("the storage holds %q", got)
	}
}
