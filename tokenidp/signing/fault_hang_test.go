package signing

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// hangingAt lets each such operation take as long as its context does.
func (s *faultyStorage) hangingAt(op string) {
	s.before = func(ctx context.Context, c call) error {
		if c.op != op {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
}

// TestF04StorageThatHangsEndsWithItsContext: wherever it hangs, a reload and a
// rotation take no longer than they are given, and the release of the lock.
func TestF04StorageThatHangsEndsWithItsContext(t *testing.T) {
	const given = 30 * time.Second
	works := map[string]func(*node, context.Context) error{
		"Load":     func(n *node, ctx context.Context) error { return n.Load(ctx) },
		"Maintain": func(n *node, ctx context.Context) error { return n.Maintain(ctx) },
		"Rotate":   func(n *node, ctx context.Context) error { _, err := n.Rotate(ctx, true); return err },
		"a reload": func(n *node, ctx context.Context) error {
			n.start("ES256", Options{Predecessor: n.Ring})
			return n.Ensure(ctx)
		},
		"a start": func(n *node, ctx context.Context) error {
			n.start("ES256", Options{})
			return n.Ensure(ctx)
		},
	}
	for name, work := range works {
		for _, op := range []string{"List", "Load", "Lock", "Store", "Delete"} {
			if reads := op == "List" || op == "Load"; name == "Load" && !reads || name != "Maintain" && op == "Delete" {
				continue // it comes to no such operation
			}
			t.Run(name+" at "+op, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := nodeWithWork(t)
					n.storage.hangingAt(op)
					ctx, cancel := context.WithTimeout(t.Context(), given)
					defer cancel()
					start := time.Now()
					if err := work(n, ctx); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("error is %v", err)
					}
					if took := time.Since(start); took != given {
						t.Errorf("it took %s", took)
					}
					n.storage.before = nil
					time.Sleep(time.Minute) // file storage looks after a lock for some seconds after its end
				})
			})
		}
	}
}

// nodeWithWork has a key to delete, and one to make.
func nodeWithWork(t *testing.T) *node {
	t.Helper()
	n := newNode(t, newStorage(t), "EdDSA", testTime)
	mustEnsure(t, n.Ring)
	if _, err := n.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	n.live(time.Hour, 10*time.Minute)
	n.pass(89 * day)
	return n
}

// TestF04UnlockThatHangs is given up soon, with the work done.
func TestF04UnlockThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := nodeWithWork(t)
		n.storage.hangingAt("Unlock")
		start := time.Now()
		n.maintain()
		if took := time.Since(start); took != unlockTimeout || n.logs.FilterMessage("unlocking").Len() != 1 {
			t.Errorf("it took %s, log %v", took, n.logs.All())
		}
		_ = n.storage.FileStorage.Unlock(t.Context(), n.store.lockName())
		time.Sleep(time.Minute)
	})
}

// TestF04RequestsNeverWait for a storage that hangs and ignores its context, as a
// network file system does: not those that sign, nor those that verify with a
// known key, nor those for the JWK Set, whatever else waits.
func TestF04RequestsNeverWait(t *testing.T) {
	for _, op := range []string{"List", "Load", "Lock", "Store", "Delete", "Unlock"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := nodeWithWork(t)
				heal := make(chan struct{})
				n.storage.before = func(_ context.Context, c call) error {
					if c.op == op {
						<-heal
					}
					return nil
				}
				ended := make(chan error, 1)
				go func() { ended <- n.Maintain(t.Context()) }()
				synctest.Wait()
				if len(ended) > 0 {
					t.Fatal("nothing hangs")
				}
				start, set := time.Now(), n.KeySet()
				for range 3 {
					if err := verifyAt(t, n.Ring, mustSign(t, n.Ring)); err != nil || n.KeySet().ETag != set.ETag || len(n.States()) < 2 {
						t.Errorf("%v, states %+v", err, n.States())
					}
				}
				// A new configuration begins with the keys of the one before.
				n.start("EdDSA", Options{Predecessor: n.Ring})
				mustSign(t, n.Ring)
				if waited := time.Since(start); waited != 0 {
					t.Errorf("they waited for %s", waited)
				}
				close(heal)
				if err := <-ended; err != nil {
					t.Errorf("after the storage healed: %v", err)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}
