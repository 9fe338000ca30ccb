package usage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// ended starts processes that have counted and stopped.
func ended(t *testing.T, s *testStorage, c *testClock, n int) {
	t.Helper()
	for range n {
		one := node(s.sharing(), c, old)
		countTo(one, passed, 10)
		one.CountHourly(issued)
		one.CountHourly(refusals)
		one.End()
	}
}

func TestEndedEntriesAreFolded(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	n := node(s, c)
	mustSync(t, n)
	for round := range 5 {
		ended(t, s, c, leastFold)
		mustSync(t, n)
		c.pass(time.Minute)
		mustSync(t, n)
		if names := s.names(); len(names) != 2 || !isFold(names[1]) {
			t.Fatalf("round %d: %v", round, names)
		}
		for _, n := range []*Store{n, reader(t, s, c)} {
			want(t, n, passed, int64(10*leastFold*(round+1)))
			want(t, n, issued, int64(leastFold*(round+1)))
			want(t, n, refusals, int64(leastFold*(round+1)))
		}
	}
	if len(s.locks) != 0 {
		t.Errorf("locked: %v", s.locks)
	}
}

// TestAKilledProcessIsFolded an hour after its last visible write. Its entry may appear
// again.
func TestAKilledProcessIsFolded(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	n, killed := node(s, c), node(s.sharing(), c)
	countTo(killed, passed, 10)
	mustSync(t, killed, n)
	key := folder + "/" + killed.own.name
	late := s.values[key]
	for range 59 {
		c.pass(time.Minute)
		mustSync(t, n)
	}
	if w := n.Window(); w.Nodes != 1 || len(s.names()) != 2 {
		t.Errorf("%+v %v", w, s.names())
	}
	c.pass(2 * time.Minute)
	mustSync(t, n)
	if names := s.names(); len(names) != 2 || !isFold(names[1]) {
		t.Fatalf("%v", names)
	}
	s.values[key] = late
	for range 3 {
		mustSync(t, n)
		want(t, n, passed, 10)
		want(t, reader(t, s, c), passed, 10)
		c.pass(deadAfter)
	}
	if mustSync(t, n); len(s.names()) != 2 {
		t.Errorf("not removed: %v", s.names())
	}
}

// TestAFoldedProcessThatLives continues in a new entry, whichever version was folded.
func TestAFoldedProcessThatLives(t *testing.T) {
	for _, row := range []struct {
		name   string
		writes int // after the folding process has read it
		fails  bool
	}{{"", 0, false}, {"it wrote meanwhile", 2, false}, {"its last write seemed to fail", 1, true}} {
		t.Run(row.name, func(t *testing.T) {
			s, c := newStorage(t), newTestClock()
			n, slow := node(s, c), node(s.sharing(), c)
			countTo(slow, passed, 10)
			mustSync(t, slow, n)
			c.pass(deadAfter)
			n.foldedAt = -foldEvery
			theirs := slow.entries.Entries
			after := func(op, _ string) error {
				if op != "Store" {
					return nil
				}
				s.after = nil
				for range row.writes {
					countTo(slow, passed, 3)
					if row.fails {
						s2 := s.sharing()
						s2.after = func(string, string) error { return errFault }
						slow.entries = entries{newEntries(s2, folder).Entries, s2}
					}
					_ = slow.write(t.Context(), false)
					slow.entries.Entries = theirs
				}
				return nil
			}
			s.after = func(op, key string) error {
				if strings.Contains(key, foldPrefix) {
					return after(op, key)
				}
				return nil
			}
			mustSync(t, n)
			countTo(slow, passed, 7)
			total := int64(17 + 3*row.writes)
			mustSync(t, slow, slow, n)
			for _, n := range []*Store{n, slow, reader(t, s, c)} {
				want(t, n, passed, total)
			}
			if w := slow.Window(); w.Unwritten != 0 {
				t.Errorf("%+v", w)
			}
		})
	}
}

// TestTwoFoldAtOnce because the lock does not hold: no count is lost, or counted twice.
func TestTwoFoldAtOnce(t *testing.T) {
	for _, moment := range []string{"Lock", "Store", "Delete"} {
		t.Run(moment, func(t *testing.T) {
			s, c := newStorage(t), newTestClock()
			ended(t, s, c, leastFold)
			a, b := node(s, c), node(s.sharing(), c)
			mustSync(t, b) // folds nothing yet
			s.after = func(op, key string) error {
				if op == moment && (moment == "Lock" || strings.Contains(key, foldPrefix) || moment == "Delete") {
					s.after = nil
					clear(s.locks)
					_ = b.Sync(t.Context())
				}
				return nil
			}
			_ = a.Sync(t.Context())
			s.heal()
			for range 3 {
				c.pass(deadAfter + time.Minute)
				_ = a.Sync(t.Context())
				_ = b.Sync(t.Context())
				for _, n := range []*Store{a, b, reader(t, s, c)} {
					want(t, n, passed, 10*leastFold)
				}
			}
			if names := s.names(); len(names) != 3 {
				t.Errorf("%v", names)
			}
		})
	}
}

// TestCrashAnywhere: a process that folds is killed after each of its operations.
func TestCrashAnywhere(t *testing.T) {
	for fatal := 1; ; fatal++ {
		s, c := newStorage(t), newTestClock()
		ended(t, s, c, leastFold)
		killed := s.sharing()
		operations := 0
		killed.before = func(string, string) error {
			if operations++; operations > fatal {
				return errFault
			}
			return nil
		}
		one := node(killed, c)
		survived := one.Sync(t.Context()) == nil
		want(t, reader(t, s, c), passed, 10*leastFold)
		clear(s.locks) // goes stale
		n := node(s, c)
		for range 3 {
			mustSync(t, n)
			want(t, n, passed, 10*leastFold)
			c.pass(staleAfter)
		}
		if names := s.names(); len(names) != 2 {
			t.Errorf("killed after %d operations: %v", fatal, names)
		}
		if survived {
			break
		}
		if fatal > 1000 {
			t.Fatal("it never ends")
		}
	}
}

// TestJoiningInAnyOrder and repeatedly gives the same values.
func TestJoiningInAnyOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 18))
	for range 200 {
		var all []Value
		for range 5 {
			all = append(all, randomValue(random))
		}
		sum := func(values []Value) (sum Value) {
			for _, v := range values {
				sum = sum.plus(v)
			}
			return sum
		}
		first := sum(all)
		pair := sum(all[:2]).plus(sum(all[2:]))
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, again := range []Value{sum(all), pair} {
			if fmt.Sprintf("%+v %+v", again, again.Example) != fmt.Sprintf("%+v %+v", first, first.Example) && !sameValue(first, again) {
				t.Fatalf("%+v\n%+v", first, again)
			}
		}
		if again := first.join(first).join(all[0]); !sameTimes(again, first) || again.Count != first.Count {
			t.Fatalf("%+v\n%+v", first, again)
		}
		if left := first.Hours.minus(all[0].Hours).plus(all[0].Hours); !slices.Equal(left, first.Hours) {
			t.Fatalf("%v\n%v", first.Hours, left)
		}
	}
}

func sameTimes(a, b Value) bool { return a.First == b.First && a.Last == b.Last }

func sameValue(a, b Value) bool {
	return a.Count == b.Count && sameTimes(a, b) && slices.Equal(a.Hours, b.Hours) && slices.Equal(a.Days, b.Days) && a.Example.compare(b.Example) == 0
}

func randomValue(random *rand.Rand) Value {
	v := Value{Count: random.Int64N(5), First: random.Int64N(4), Last: random.Int64N(4)}
	for range random.IntN(4) {
		v.Hours.count(random.Int64N(5))
		v.Days.count(random.Int64N(5))
	}
	if random.IntN(2) == 0 {
		v.Example = &Example{Path: fmt.Sprint(random.IntN(3))}
	}
	return v
}

// model has processes that count, stop, fold, and are killed between any two operations.
type model struct {
	t       *testing.T
	storage *testStorage
	clock   *testClock
	random  *rand.Rand
	running []*modelNode
	counted int64 // by all
	least   int64 // the known minimum of killed processes
}

type modelNode struct {
	*Store
	storage       *testStorage
	counted, safe int64
	counter       *Counter // of the last request
}

func TestModel(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &model{t: t, storage: newStorage(t), clock: newTestClock(), random: rand.New(rand.NewPCG(seed, 18))}
			for range 150 {
				m.step()
			}
			m.check()
		})
	}
}

func (m *model) step() {
	if len(m.running) == 0 || len(m.running) < 4 && m.random.IntN(8) == 0 {
		storage := m.storage.sharing()
		m.running = append(m.running, &modelNode{Store: node(storage, m.clock, old), storage: storage})
	}
	i := m.random.IntN(len(m.running))
	n := m.running[i]
	switch m.random.IntN(10) {
	case 0, 1, 2:
		times := 1 + m.random.IntN(20)
		for range times {
			if !n.CountAgain(n.counter, time.Now()) {
				n.counter = n.Count(passed)
			}
		}
		n.counted += int64(times)
		m.counted += int64(times)
	case 3:
		m.clock.pass(time.Duration(m.random.Int64N(int64(40 * time.Minute))))
	case 4:
		m.clock.pass(time.Duration(m.random.Int64N(int64(26 * time.Hour))))
	case 5:
		m.faulty(n)
	case 6:
		m.kill(i)
	case 7:
		n.End()
		if n.Window().Unwritten == 0 {
			n.safe = n.counted
		}
		m.kill(i)
	default:
		if n.Sync(m.t.Context()) == nil {
			n.safe = n.counted
		}
	}
	m.invariant()
}

// invariant: written counts are known, and none counts twice.
func (m *model) invariant() {
	least := m.least
	for _, n := range m.running {
		least += n.safe
	}
	r := node(m.storage.sharing(), m.clock)
	_ = r.read(m.t.Context())
	if got := r.Value(passed).Count; got > m.counted || got < least {
		m.t.Fatalf("%d are known, of %d; at least %d must be", got, m.counted, least)
	}
}

// faulty runs a Sync in which an operation fails, before or after it was done.
func (m *model) faulty(n *modelNode) {
	left := m.random.IntN(20)
	fault := func(string, string) error {
		if left--; left < 0 {
			return errFault
		}
		return nil
	}
	if m.random.IntN(2) == 0 {
		n.storage.before = fault
	} else {
		n.storage.after = fault
	}
	_ = n.Sync(m.t.Context())
	n.storage.heal()
	clear(m.storage.locks)
}

func (m *model) kill(i int) {
	m.least += m.running[i].safe
	m.running = slices.Delete(m.running, i, i+1)
}

// check lets all processes write. Killed processes may have lost unwritten counts.
func (m *model) check() {
	running := int64(0)
	for range 3 {
		running = 0
		for _, n := range m.running {
			if err := n.Sync(m.t.Context()); err != nil {
				m.t.Fatal(err)
			}
			running += n.counted
		}
		m.clock.pass(2 * time.Hour)
	}
	r := node(m.storage.sharing(), m.clock)
	if err := r.read(m.t.Context()); err != nil && !errors.Is(err, errClock) {
		m.t.Fatal(err)
	}
	if got := r.Value(passed).Count; got > m.counted || got < m.least+running {
		m.t.Errorf("%d are known, of %d; at least %d must be", got, m.counted, m.least+running)
	}
	if len(m.running) > 0 && len(m.storage.names()) > len(m.running)+leastFold+2 {
		m.t.Errorf("%d entries", len(m.storage.names()))
	}
}
