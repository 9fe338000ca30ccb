package signing

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// running is a node whose clocks are those of the test's bubble.
func running(t *testing.T, storage *faultyStorage, o Options) *node {
	t.Helper()
	start := time.Now()
	n := &node{t: t, storage: storage, wall: newClock(start)}
	n.start("EdDSA", o)
	n.now, n.Ring.elapsed = time.Now, func() time.Duration { return time.Since(start) }
	return n
}

// run begins Run; what it returns ends it.
func (n *node) run() (stop func()) {
	ctx, cancel := context.WithCancel(n.t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); n.Run(ctx) }()
	return func() { cancel(); <-ended; time.Sleep(time.Minute) } // file storage watches a lock that is released for a moment more
}

func TestRunRotatesOnANodeThatIssues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newStorage(t)
		n := running(t, storage, Options{RotateEvery: 2 * time.Hour})
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n.Health().Checked {
			t.Error("checked before Run")
		}
		first := n.Active()
		defer n.run()()
		reader := running(t, storage.sharing(), Options{})
		defer reader.run()()
		time.Sleep(3 * time.Hour)
		if n.Active() == first || n.Health() != (Health{Checked: true}) {
			t.Errorf("signs with the first key still: %v, %+v", n.Active() == first, n.Health())
		}
		if !slices.Equal(ids(n), ids(reader)) || reader.storage.writes() != 0 || reader.Health() != (Health{Checked: true}) {
			t.Errorf("who only verifies knows %v, not %v, after %d writes: %+v", ids(reader), ids(n), reader.storage.writes(), reader.Health())
		}
	})
}

func ids(n *node) (all []string) {
	for _, s := range n.States() {
		all = append(all, s.ID)
	}
	return all
}

// F3: a failure is logged when it begins and when it ends, not every minute, and Health
// has it as long as it lasts.
func TestF03RunLogsAnOutageOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newStorage(t)
		n := running(t, storage, Options{})
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer n.run()()
		synctest.Wait()
		storage.failing(syscall.EIO, "List")
		time.Sleep(time.Hour)
		synctest.Wait()
		if told := n.logs.FilterMessageSnippet("not all in order").Len(); told != 1 || n.Health().Problem == "" {
			t.Errorf("told %d times; %+v", told, n.Health())
		}
		mustSign(t, n.Ring)
		storage.failing(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if told := n.logs.FilterMessageSnippet("in order again").Len(); told != 1 || n.Health() != (Health{Checked: true}) {
			t.Errorf("healed, told %d times; %+v", told, n.Health())
		}
	})
}

// A node that issues says at the start that it cannot write, and not months later, when a
// rotation is due. It signs with the key that there is.
func TestRunReportsAStorageThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newStorage(t)
		mustEnsure(t, running(t, storage, Options{}).Ring)
		storage.failing(syscall.EROFS, "Store", "Delete")
		n := running(t, storage, Options{})
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer n.run()()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		mustSign(t, n.Ring)
		if problem := n.Health().Problem; !strings.Contains(problem, "cannot be written to") || n.logs.FilterMessageSnippet("not all in order").Len() != 1 {
			t.Errorf("%q; log %v", problem, n.logs.All())
		}
		storage.failing(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n.Health() != (Health{Checked: true}) {
			t.Errorf("it can be written to: %+v", n.Health())
		}
	})
}
