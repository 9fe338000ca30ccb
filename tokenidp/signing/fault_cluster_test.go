package signing

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const eight = 8

// eightNodes share a key.
func eightNodes(t *testing.T, shared *faultyStorage) []*node {
	t.Helper()
	nodes := make([]*node, eight)
	for i := range nodes {
		nodes[i] = newNode(t, shared.sharing(), "EdDSA", testTime)
		mustEnsure(t, nodes[i].Ring)
	}
	return nodes
}

// theirTokensVerify at every other node, at once, although they have not read
// each other's keys.
func theirTokensVerify(t *testing.T, nodes []*node) {
	t.Helper()
	for i, n := range nodes {
		token := mustSign(t, n.Ring)
		for j, other := range nodes {
			if err := verifyAt(t, other.Ring, token); err != nil {
				t.Errorf("a token of node %d at node %d: %v", i, j, err)
			}
		}
	}
}

// theyPublish, each of them, every key that one of them signs with.
func theyPublish(t *testing.T, nodes []*node) {
	t.Helper()
	for i, n := range nodes {
		for j, other := range nodes {
			if k := n.Active(); !bytes.Contains(other.KeySet().JSON, []byte(`"kid":"`+k.ID+`"`)) || !other.current.Load().has(k) {
				t.Errorf("node %d signs with %s, node %d publishes %s", i, k, j, other.KeySet().JSON)
			}
		}
	}
}

var rotations = map[string]func(*node) error{
	"due":             func(n *node) error { return n.Maintain(n.t.Context()) },
	"on demand":       func(n *node) error { _, err := n.Rotate(n.t.Context(), false); return err },
	"in an emergency": func(n *node) error { _, err := n.Rotate(n.t.Context(), true); return err },
}

// TestF11EightNodesRotateAtOnce: where the lock excludes the others, and where it
// excludes nobody, one key is agreed on with the next read, and no token fails
// anywhere before, then, and when the new key takes over.
func TestF11EightNodesRotateAtOnce(t *testing.T) {
	for name, rotate := range rotations {
		t.Run(name+", under the lock", func(t *testing.T) {
			rotateAtOnce(t, name, false, func(nodes []*node) {
				var all sync.WaitGroup
				for _, n := range nodes {
					all.Go(func() {
						if err := rotate(n); err != nil {
							n.t.Errorf("rotating: %v", err)
						}
					})
				}
				all.Wait()
			})
		})
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s, the lock excludes nobody, seed %d", name, seed), func(t *testing.T) {
				rotateAtOnce(t, name, true, func(nodes []*node) {
					var storages []*faultyStorage
					var run []func()
					for _, n := range nodes {
						storages = append(storages, n.storage)
						run = append(run, func() {
							if err := rotate(n); err != nil {
								n.t.Errorf("rotating: %v", err)
							}
						})
					}
					interleaved(seed, storages, run)
				})
			})
		}
	}
}

func rotateAtOnce(t *testing.T, name string, brokenLock bool, rotate func([]*node)) {
	synctest.Test(t, func(t *testing.T) { // waiting for a lock takes no time here
		shared := newStorage(t)
		shared.brokenLock = brokenLock
		nodes := eightNodes(t, shared)
		for _, n := range nodes {
			n.pass(time.Hour)
			if name == "due" {
				n.pass(89 * day)
			}
		}
		rotate(nodes)
		theirTokensVerify(t, nodes)
		rings := make([]*Ring, len(nodes))
		for i, n := range nodes {
			rings[i] = n.Ring
			mustLoad(t, n.Ring)
		}
		theyPublish(t, nodes)
		agree(t, rings)
		if made := len(files(t, shared)) - 1; made < 1 || made > eight || !brokenLock && name != "in an emergency" && made != 1 {
			t.Errorf("%d keys were made", made)
		}
		untilTheTakeover(t, nodes)
		theirTokensVerify(t, nodes)
		agree(t, rings)
		time.Sleep(time.Minute) // file storage looks after a lock for some seconds after its end
	})
}

// untilTheTakeover of the latest key the nodes live on, one after the other.
func untilTheTakeover(t *testing.T, nodes []*node) {
	t.Helper()
	states := nodes[0].States()
	interval := states[len(states)-1].SignsFrom.Add(time.Minute).Sub(nodes[0].wall.now())/10 + time.Second
	for range 10 {
		for _, n := range nodes {
			n.live(interval, interval)
			theyPublish(t, nodes)
		}
	}
}

// stop does to the holder of the lock what SIGSTOP does: nobody keeps the lock
// fresh, and after that long it is stale.
func (s *faultyStorage) stop(t *testing.T, name string, d time.Duration) {
	t.Helper()
	lock := s.Filename("locks/" + name + ".lock")
	rename := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	rename(lock, lock+".stopped") // who keeps it fresh takes it for released
	time.Sleep(6 * time.Second)
	rename(lock+".stopped", lock)
	time.Sleep(d - 6*time.Second)
}

// TestF12HolderOfTheLockIsStopped while it rotates. Its lock goes stale, another
// node takes over and makes a key; then it wakes and goes on, or dies.
func TestF12HolderOfTheLockIsStopped(t *testing.T) {
	for _, row := range []struct {
		name  string
		op    string // it is stopped ahead of the operation of that name under the lock
		d     time.Duration
		wakes bool
		keys  int
	}{
		{"before it lists", "List", 11 * time.Second, true, 2},
		{"before it writes", "Store", 11 * time.Second, true, 3},
		{"before it writes, for long", "Store", time.Hour, true, 3},
		{"before it unlocks", "Unlock", 11 * time.Second, true, 2},
		{"before it writes, and dies", "Store", 11 * time.Second, false, 2},
		{"before it lists, and dies", "List", 11 * time.Second, false, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := newStorage(t)
				n, successor := newNode(t, shared.sharing(), "EdDSA", testTime), newNode(t, shared.sharing(), "EdDSA", testTime)
				mustEnsure(t, n.Ring)
				mustEnsure(t, successor.Ring)
				n.pass(89 * day)
				successor.pass(89 * day)
				var held map[string][]byte
				locks, stopped := n.storage.count("Lock"), false
				n.storage.before = func(_ context.Context, c call) error {
					if c.op == row.op && n.storage.count("Lock") > locks && !stopped {
						stopped = true
						shared.stop(t, n.store.lockName(), row.d)
						n.pass(row.d)
						successor.live(row.d, row.d)
						held = entries(t, shared)
					}
					if stopped && !row.wakes {
						return errKilled
					}
					return nil
				}
				if err := n.Maintain(t.Context()); (err == nil) != row.wakes || !stopped {
					t.Errorf("Maintain: %v, stopped %v", err, stopped)
				}
				n.storage.before = nil
				wantKept(t, shared, held)
				if got := len(files(t, shared)); got != row.keys {
					t.Errorf("the storage holds %q", files(t, shared))
				}
				nodes := []*node{successor}
				if row.wakes {
					nodes = append(nodes, n)
				}
				theirTokensVerify(t, nodes)
				untilTheTakeover(t, nodes)
				rings := []*Ring{successor.Ring, nodes[len(nodes)-1].Ring}
				agree(t, rings)
				if !strings.HasPrefix(successor.Active().ID, "2026-06-1") {
					t.Errorf("signs with %s", successor.Active())
				}
				time.Sleep(time.Minute)
			})
		})
	}
}
