package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// F11: nodes that start together on an empty storage agree on one key, and
// those that are told together to rotate, on one successor.
func TestF11EightNodesAtOnceAgreeOnOneKey(t *testing.T) {
	t.Parallel()
	cl := startCluster(t, 8, 1, "EdDSA")
	first := cl.nodes[0].published(0)
	if len(first) != 1 {
		t.Fatalf("published %v", first)
	}
	for i, n := range cl.nodes {
		if kids := n.published(0); !slices.Equal(kids, first) {
			t.Errorf("node %d publishes %v, and node 0 %v", i, kids, first)
		}
	}
	cl.agree(0)

	rotations := make([]rotation, len(cl.nodes))
	cl.everywhere(func(i int, n *node) {
		var err error
		if rotations[i], err = n.rotate(0, false); err != nil {
			t.Errorf("node %d does not rotate: %v", i, err)
		}
	})
	made := 0
	for i, r := range rotations {
		if r.Made {
			made++
		}
		if r.KeyID != rotations[0].KeyID {
			t.Errorf("the successor is %s at node %d and %s at node 0", r.KeyID, i, rotations[0].KeyID)
		}
		if kids := cl.nodes[i].published(0); len(kids) != 2 || !slices.Contains(kids, rotations[0].KeyID) || !slices.Contains(kids, first[0]) {
			t.Errorf("node %d publishes %v", i, kids)
		}
	}
	if stored := entries(cl.folder(0)); made != 1 || len(stored) != 2 {
		t.Errorf("%d nodes made a successor; stored are %v", made, stored)
	}
	cl.agree(0)
}

// F12: a holder of the lock sleeps until the lock counts as nobody's, a peer
// rotates meanwhile, and the holder wakes. Neither key is overwritten, and all
// tokens verify everywhere.
func TestF12ASleepingHolderOfTheLockOverwritesNothing(t *testing.T) {
	t.Parallel()
	cl := startCluster(t, 2, 1, "RS256") // an RSA key takes time to make
	folder, sleeper, peer := cl.folder(0), cl.nodes[0], cl.nodes[1]
	cl.settle()
	answered := cl.sleepWithLock(sleeper, folder)
	before := stored(t, folder)

	early, err := peer.rotate(0, true)
	if err != nil || !early.Made {
		t.Fatalf("the peer makes no key: %+v %v", early, err)
	}
	between := stored(t, folder)
	sleeper.signal(syscall.SIGCONT)
	late := <-answered

	if late.err != nil || !late.Made || late.KeyID == early.KeyID {
		t.Errorf("the sleeper made %+v, the peer %+v", late, early)
	}
	after := stored(t, folder)
	if len(between) != len(before)+1 || len(after) != len(before)+2 {
		t.Errorf("stored were %d, %d and %d keys", len(before), len(between), len(after))
	}
	for name, content := range between {
		if !bytes.Equal(after[name], content) {
			t.Errorf("the entry %s was overwritten", name)
		}
	}
	cl.agree(0)
}

// rotated is how a rotation ended.
type rotated struct {
	rotation
	err error
}

// sleepWithLock has the node rotate, and stops it when it has the lock and has
// written nothing. Where that comes too late, it tries again.
func (cl *cluster) sleepWithLock(n *node, folder string) <-chan rotated {
	cl.t.Helper()
	for range 20 {
		before, answered := len(entries(folder)), make(chan rotated, 1)
		go func() {
			made, err := n.rotate(0, true)
			answered <- rotated{made, err}
		}()
		n.at("the lock", func() bool { return len(answered) > 0 || cl.locked(folder) })
		n.signal(syscall.SIGSTOP)
		cl.t.Cleanup(func() { _ = n.cmd.Process.Signal(syscall.SIGCONT) })
		if len(answered) == 0 && cl.locked(folder) && len(entries(folder)) == before {
			return answered
		}
		n.signal(syscall.SIGCONT)
		<-answered
	}
	cl.t.Fatal("the node cannot be stopped in time")
	return nil
}

// stored is what is in the folder.
func stored(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for _, name := range entries(folder) {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = content
	}
	return files
}

// at waits for a moment that lasts for less than eventually takes to look.
func (c *caddy) at(what string, reached func() bool) {
	c.t.Helper()
	c.eventually(what, func() bool {
		for range 1000 {
			if reached() {
				return true
			}
		}
		return false
	})
}
