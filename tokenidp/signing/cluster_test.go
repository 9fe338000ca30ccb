package signing

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// agree reads the storage once more at every ring, and checks that they sign with
// one key, publish the same set, and verify each other's tokens.
func agree(t *testing.T, rings []*Ring) {
	t.Helper()
	for _, r := range rings {
		mustLoad(t, r)
	}
	first := rings[0]
	for i, r := range rings {
		if r.Active() == nil || r.Active().Public().Thumbprint() != first.Active().Public().Thumbprint() {
			t.Fatalf("ring %d signs with %v, ring 0 with %v", i, r.Active(), first.Active())
		}
		if string(r.KeySet().JSON) != string(first.KeySet().JSON) || r.KeySet().ETag != first.KeySet().ETag {
			t.Errorf("ring %d publishes another set than ring 0", i)
		}
		ids := published(t, r)
		if slices.Sort(ids); len(slices.Compact(slices.Clone(ids))) != len(ids) || !slices.Contains(ids, r.Active().ID) {
			t.Errorf("ring %d signs with %s and publishes %q", i, r.Active().ID, ids)
		}
		token := mustSign(t, r)
		for j, other := range rings {
			if err := verifyAt(t, other, token); err != nil {
				t.Errorf("a token of ring %d at ring %d: %v", i, j, err)
			}
		}
	}
}

func TestF11ColdStartOfEightNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // waiting for a lock takes no time here
		shared := newStorage(t)
		var rings []*Ring
		var nodes sync.WaitGroup
		for range 8 {
			r := newTestRing(shared.sharing())
			rings = append(rings, r)
			nodes.Go(func() {
				if err := r.Ensure(t.Context()); err != nil {
					t.Errorf("Ensure: %v", err)
				}
			})
		}
		nodes.Wait()
		if names := files(t, shared); len(names) != 1 {
			t.Errorf("the storage holds %q", names)
		}
		agree(t, rings)
		time.Sleep(time.Minute) // file storage looks after a lock for some seconds after its end
	})
}

// interleaved runs the functions, one for each storage, and lets one at a time do
// one operation, in an order that the seed decides. It needs a synctest bubble.
func interleaved(seed uint64, storages []*faultyStorage, run []func()) {
	var mu sync.Mutex
	gates := make([]chan struct{}, len(run))
	left := len(run)
	for i, s := range storages {
		s.before = func(context.Context, call) error {
			gate := make(chan struct{})
			mu.Lock()
			gates[i] = gate
			mu.Unlock()
			<-gate
			return nil
		}
		go func() {
			run[i]()
			mu.Lock()
			left--
			mu.Unlock()
		}()
	}
	random := rand.New(rand.NewPCG(seed, 0))
	for {
		synctest.Wait() // all are at a gate, or have ended
		mu.Lock()
		if left == 0 {
			mu.Unlock()
			break
		}
		var waiting []int
		for i, gate := range gates {
			if gate != nil {
				waiting = append(waiting, i)
			}
		}
		i := waiting[random.IntN(len(waiting))]
		close(gates[i])
		gates[i] = nil
		mu.Unlock()
	}
	for _, s := range storages {
		s.before = nil
	}
}

// TestF11ColdStartUnderABrokenLock: locks are advisory. Nodes that raced agree as soon
// as each has read the storage once more, and every token verifies.
func TestF11ColdStartUnderABrokenLock(t *testing.T) {
	races := uint64(0)
	first, schedules := modelSeeds(t, 50)
	for i := range schedules {
		seed := first + i
		name := fmt.Sprintf("seed %d", seed)
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := newStorage(t)
				shared.brokenLock = true
				random := rand.New(rand.NewPCG(seed, 1))
				var rings []*Ring
				var storages []*faultyStorage
				var run []func()
				var clocks []*clock
				ring := func(storage *faultyStorage, c *clock) *Ring {
					clocks = append(clocks, c)
					return NewRing(storage, testIssuer, "EdDSA", Options{Now: c.now, Logger: zap.NewNop()})
				}
				beforeMidnight := testTime.Add(30*time.Minute - 15*time.Second)
				for range 2 + random.IntN(3) {
					s := shared.sharing()
					r := ring(s, newClock(beforeMidnight.Add(time.Duration(random.IntN(2))*30*time.Second)))
					rings, storages = append(rings, r), append(storages, s)
					run = append(run, func() {
						if err := r.Ensure(t.Context()); err != nil {
							t.Errorf("Ensure: %v", err)
						}
					})
				}
				interleaved(seed, storages, run)
				var tokens []string // of the first moment, some of them by keys that the others do not know yet
				for _, r := range rings {
					tokens = append(tokens, mustSign(t, r))
				}
				for _, c := range clocks {
					c.advance(time.Minute) // the latest key has begun by every clock
				}
				agree(t, rings)
				for i, token := range tokens {
					for j, r := range rings {
						if err := verifyAt(t, r, token); err != nil {
							t.Errorf("a token of ring %d, from before they agreed, at ring %d: %v", i, j, err)
						}
					}
				}
				if len(files(t, shared)) > 1 {
					races++
				}
				mustEnsure(t, ring(shared, newClock(beforeMidnight.Add(time.Minute))))
				agree(t, append(rings, ring(shared, newClock(beforeMidnight.Add(time.Minute)))))
			})
		})
	}
	if schedules >= 50 && races < schedules/10 {
		t.Errorf("only %d of the seeds had nodes write at the same time", races)
	}
}

// TestF11TwoKeysOfOneID: whichever was written first, the lower thumbprint wins.
func TestF11TwoKeysOfOneID(t *testing.T) {
	winner, loser := testKey(t, "2026-03-16", "EdDSA"), testKey(t, "2026-03-16", "EdDSA")
	if winner.Public().Thumbprint() > loser.Public().Thumbprint() {
		winner, loser = loser, winner
	}
	lost, err := loser.Sign([]byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range [][]*Key{{winner, loser}, {loser, winner}} {
		storage := newStorage(t)
		for _, k := range order {
			writeFile(t, storage, entryName(k), encoded(t, k))
		}
		storage.listed = func(names []string, err error) ([]string, error) {
			slices.Reverse(names)
			return names, err
		}
		r := newTestRing(storage)
		if k := mustEnsure(t, r); k.Public().Thumbprint() != winner.Public().Thumbprint() {
			t.Error("the loser signs")
		}
		if got := published(t, r); len(got) != 1 {
			t.Errorf("published %q", got)
		}
		if err := verifyAt(t, r, lost); err == nil {
			t.Error("the loser's token verifies")
		}
	}
}

// TestF12StalledHolderAtAColdStart wakes up after the lock went to another node, and
// writes.
func TestF12StalledHolderAtAColdStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newStorage(t)
		shared.brokenLock = true
		s, wake := shared.sharing(), make(chan struct{})
		s.before = func(_ context.Context, c call) error {
			if c.op == "Store" {
				<-wake
			}
			return nil
		}
		stalled, successor := newTestRing(s), newTestRing(shared.sharing())
		ended := make(chan error, 1)
		go func() { ended <- stalled.Ensure(t.Context()) }()
		synctest.Wait()
		mustEnsure(t, successor)
		close(wake)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if names := files(t, shared); len(names) != 2 {
			t.Errorf("the storage holds %q", names)
		}
		agree(t, []*Ring{stalled, successor})
	})
}

// TestF11RaceOfTwoAlgorithms for one kid: the loser's algorithm comes later, as
// with any other change of the algorithm.
func TestF11RaceOfTwoAlgorithms(t *testing.T) {
	shared := newStorage(t)
	shared.brokenLock = true
	s := shared.sharing()
	r := newTestRing(s)
	var peer *Key
	s.before = func(_ context.Context, c call) error {
		// Just before this node writes, a peer does, and wins.
		for c.op == "Store" && peer == nil {
			id, thumbprint, ok := parseEntryName(c.key)
			if k := testKey(t, id.String(), "ES256"); ok && k.Public().Thumbprint() < thumbprint {
				writeFile(t, shared, entryName(k), encoded(t, k))
				peer = k
			}
		}
		return nil
	}
	if k := mustEnsure(t, r); !sameKey(k, peer) {
		t.Errorf("active is %s %s", k.Algorithm, k.ID)
	}
	next := r.States()[1]
	if next.State != Next || next.Algorithm != "EdDSA" || !next.SignsFrom.Equal(testTime.Add(minLead)) {
		t.Errorf("the successor is %+v", next)
	}
	if got := published(t, r); !slices.Equal(got, []string{next.ID, peer.ID}) && !slices.Equal(got, []string{peer.ID, next.ID}) {
		t.Errorf("published %q", got)
	}
}

// TestF01CrashAtAnyStepOfAStart: the next start finds or makes one key.
func TestF01CrashAtAnyStepOfAStart(t *testing.T) {
	errCrashed := errors.New("crashed")
	for _, panics := range []bool{false, true} {
		for step := 1; ; step++ {
			shared := newStorage(t)
			shared.brokenLock = true // a crash leaves a lock that goes stale
			s := shared.sharing()
			s.before = func(_ context.Context, c call) error {
				switch n := s.count("List", "Stat", "Load", "Store", "Lock", "Unlock"); {
				case n < step:
					return nil
				case n == step && panics:
					panic(errCrashed)
				case n == step && c.op == "Store":
					writeFile(t, shared, "1234567890", []byte(`{"version":1,"iss`)) // its temporary file
				}
				return errCrashed
			}
			crashed := newTestRing(s)
			func() {
				defer func() {
					if v := recover(); v != nil && v != errCrashed {
						panic(v)
					}
				}()
				if crashed.Ensure(t.Context()) == nil && crashed.Active() == nil {
					t.Errorf("step %d: Ensure is content without a key", step)
				}
			}()
			next := newTestRing(shared.sharing())
			k := mustEnsure(t, next)
			if got := published(t, next); len(got) != 1 || !madeToday.MatchString(k.ID) {
				t.Errorf("step %d: active %s, published %q", step, k.ID, got)
			}
			if crashed.Active() != nil {
				agree(t, []*Ring{next, newTestRing(shared.sharing())})
				if err := verifyAt(t, next, mustSign(t, crashed)); err != nil {
					t.Errorf("step %d: a token from before the crash: %v", step, err)
				}
			}
			if s.count("List", "Stat", "Load", "Store", "Lock", "Unlock") < step {
				break
			}
		}
	}
}

func TestPeersKeyIsUnknownUntilRead(t *testing.T) {
	storage := newStorage(t)
	r := newTestRing(storage)
	if _, err := r.Key(t.Context(), "2026-03-16", ""); !errors.Is(err, verifier.ErrUnknownKey) {
		t.Errorf("error is %v", err)
	}
}
