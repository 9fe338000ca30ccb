package signing

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// errKilled is what a process that was killed finds of the storage.
var errKilled = errors.New("killed")

// killedAt lets a node do its work up to the operation of that number, and no
// further: the process is gone, with the lock in hand. Until then it answers
// requests, between any two operations. It reports whether the work came so far.
func (n *node) killedAt(operation int, work func() error) (tokens []string, killed bool) {
	count := 0
	n.storage.before = func(_ context.Context, c call) error {
		if !killed && n.Active() != nil {
			tokens = append(tokens, mustSign(n.t, n.Ring))
		}
		if count++; count < operation {
			return nil
		}
		if !killed && c.op == "Store" {
			writeFile(n.t, n.storage, "1234567890", []byte(`{"version":1,"iss`)) // its temporary file
		}
		killed = true
		panic(errKilled) // whatever is deferred gets no further either
	}
	defer func() {
		n.storage.before = nil
		if v := recover(); v != nil && v != errKilled {
			panic(v)
		}
	}()
	if err := work(); err != nil {
		n.t.Errorf("operation %d: %v", operation, err)
	}
	return append(tokens, mustSign(n.t, n.Ring)), false
}

// TestF01CrashAtAnyStepOfARotation: kill -9 between any two operations of the
// storage. Whoever starts next, and who was there all the time, verify every
// token that was handed out; no half key is published, and at most one too many.
func TestF01CrashAtAnyStepOfARotation(t *testing.T) {
	for _, row := range []struct {
		name    string
		prepare func(n *node)
		work    func(n *node) error
		most    int // keys, without a crash
	}{
		{"that is due", func(n *node) { n.pass(89 * day) }, func(n *node) error { return n.Maintain(n.t.Context()) }, 2},
		{"on demand", func(*node) {}, func(n *node) error { _, err := n.Rotate(n.t.Context(), false); return err }, 2},
		{"in an emergency", func(n *node) { n.pass(time.Minute) }, func(n *node) error { _, err := n.Rotate(n.t.Context(), true); return err }, 2},
		{"to another algorithm", func(n *node) { n.start("ES256", Options{}); mustLoad(n.t, n.Ring) }, func(n *node) error { return n.Ensure(n.t.Context()) }, 2},
		{"that deletes", func(n *node) {
			if _, err := n.Rotate(n.t.Context(), false); err != nil {
				n.t.Fatal(err)
			}
			n.live(time.Hour, 10*time.Minute)
			n.pass(retention)
		}, func(n *node) error { return n.Maintain(n.t.Context()) }, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			for operation, killed := 1, true; killed; operation++ {
				shared := newStorage(t)
				shared.brokenLock = true // the lock of the dead goes stale, see F12
				n := newNode(t, shared.sharing(), "EdDSA", testTime)
				mustEnsure(t, n.Ring)
				row.prepare(n)
				peer := newNode(t, shared.sharing(), "EdDSA", n.wall.now())
				mustLoad(t, peer.Ring)

				var tokens []string
				tokens, killed = n.killedAt(operation, func() error { return row.work(n) })
				next := newNode(t, shared.sharing(), n.algorithm, n.wall.now())
				mustEnsure(t, next.Ring)
				tokens = append(tokens, mustSign(t, next.Ring))
				verifyEverywhere(t, operation, tokens, next, peer)
				for range 2 * minLead / time.Minute {
					for _, alive := range []*node{next, peer} {
						alive.live(time.Minute, time.Minute)
						tokens = append(tokens, mustSign(t, alive.Ring))
					}
				}
				verifyEverywhere(t, operation, tokens[len(tokens)-1:], next, peer)
				if !sameKey(next.Active(), peer.Active()) || !slices.Equal(published(t, next.Ring), published(t, peer.Ring)) {
					t.Errorf("operation %d: they sign with %s and %s", operation, next.Active(), peer.Active())
				}
				if s := next.States(); len(s) > row.most+1 || s[len(s)-1].State == Unreadable {
					t.Errorf("operation %d: %+v", operation, s)
				}
			}
		})
	}
}

func verifyEverywhere(t *testing.T, step int, tokens []string, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		for i, token := range tokens {
			if err := verifyAt(t, n.Ring, token); err != nil {
				t.Errorf("step %d: token %d of %d: %v", step, i, len(tokens), err)
			}
		}
	}
}
