package lastuse

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// many writes entries of processes that have ended, each of which has seen
// another secret used, a minute after the one before.
func many(t *testing.T, s *faultyStorage, c *testClock, n int) (secrets []Secret) {
	t.Helper()
	for i := range n {
		secrets = append(secrets, Secret{fmt.Sprintf("client-%d", i), "a"})
		r := newRecord(s, c.reboot(), secrets[i])
		r.foldsAt = 1000
		r.Used(secrets[i])
		mustSync(t, r)
		c.pass(time.Minute)
	}
	return secrets
}

func wantMany(t *testing.T, r *Record, secrets []Secret) {
	t.Helper()
	for i, secret := range secrets {
		at := testTime.Add(time.Duration(i) * time.Minute)
		wantUse(t, r, secret, at, at)
	}
}

func TestEntriesDoNotPileUp(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	most := 0
	for i := range 300 {
		r := newRecord(s, c, old)
		r.Used(old)
		mustSync(t, r)
		c.pass(10 * time.Minute)
		c = c.reboot()
		if i > 2*leastFold {
			most = max(most, len(s.entries()))
		}
	}
	if most > 2*leastFold {
		t.Errorf("%d entries", most)
	}
	wantUse(t, reader(t, s, c), old, testTime.Add(2990*time.Minute), testTime)
}

func TestFoldKeepsEverything(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	secrets := many(t, s, c, 40)
	r := newRecord(s, c, old)
	r.foldsAt = 39
	mustSync(t, r)
	if got := s.entries(); len(got) != 1 {
		t.Errorf("%v", got)
	}
	s.count()
	mustSync(t, r)
	if writes := s.writes(); writes != 0 {
		t.Errorf("%d writes after folding", writes)
	}
	wantMany(t, r, secrets)
	wantMany(t, reader(t, s, c), secrets)
}

// TestCrashAnywhere: a process that folds is killed before or after each of its
// operations on the storage, and another one folds after it.
func TestCrashAnywhere(t *testing.T) {
	for n := range 1000 {
		s, c := newStorage(t), newTestClock()
		secrets := many(t, s, c, 5)
		killed := s.sharing()
		left := n
		die := func(string, string) error {
			if left--; left < 0 {
				return errFault
			}
			return nil
		}
		if n%2 == 0 {
			killed.before = die
		} else {
			killed.after = die
		}
		r := newRecord(killed, c, secrets...)
		r.foldsAt = 0
		err := r.Sync(t.Context())
		wantMany(t, reader(t, s, c), secrets)
		next := newRecord(s, c.reboot(), secrets...)
		next.foldsAt = 0
		mustSync(t, next)
		if got := s.entries(); len(got) != 1 {
			t.Fatalf("killed at operation %d, %v are left", n, got)
		}
		wantMany(t, next, secrets)
		wantMany(t, reader(t, s, c), secrets)
		if err == nil {
			return
		}
	}
	t.Fatal("it never ended")
}

// TestFoldingRaces: before each operation of a process that folds, another one
// folds everything; and a third reads.
func TestFoldingRaces(t *testing.T) {
	for n := range 1000 {
		s, c := newStorage(t), newTestClock()
		secrets := many(t, s, c, 5)
		slow := s.sharing()
		left := n
		slow.before = func(string, string) error {
			if left--; left == -1 {
				fast := newRecord(s.sharing(), c.reboot(), secrets...)
				fast.foldsAt = 0
				mustSync(t, fast)
			}
			wantMany(t, reader(t, s, c), secrets)
			return nil
		}
		r := newRecord(slow, c, secrets...)
		r.foldsAt = 0
		mustSync(t, r)
		mustSync(t, r)
		wantMany(t, r, secrets)
		if got := s.entries(); len(got) > 2 {
			t.Fatalf("%v are left", got)
		}
		if left >= 0 {
			return
		}
	}
	t.Fatal("it never ended")
}

// TestFoldWhileReading: the reader's listing is of entries that are gone by the
// time it loads them.
func TestFoldWhileReading(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	secrets := many(t, s, c, 5)
	slow := s.sharing()
	folded := false
	slow.after = func(op, _ string) error {
		if op == "List" && !folded {
			folded = true
			r := newRecord(s, c.reboot(), secrets...)
			r.foldsAt = 0
			mustSync(t, r)
		}
		return nil
	}
	r := newRecord(slow, c)
	mustSync(t, r)
	wantMany(t, r, secrets)
	if r.SyncedAt().IsZero() {
		t.Error("incomplete")
	}
}

// TestListingThatNeverEnds being of what is not there cannot be believed.
func TestListingThatNeverEnds(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	secrets := many(t, s, c, 2)
	gone := s.sharing()
	gone.before = func(op, key string) error {
		if op == "Load" && key == folder+"/"+s.entries()[0] {
			return fs.ErrNotExist
		}
		return nil
	}
	c.pass(granularity)
	r := newRecord(gone, c, secrets...)
	r.Used(secrets[0])
	if err := r.Sync(t.Context()); !errors.Is(err, ErrIncomplete) || !r.SyncedAt().IsZero() {
		t.Error(err, r.SyncedAt())
	}
	wantUsed(t, reader(t, s, c), secrets[0], c.now())
}

// TestLostEntries are written again by those who know what was in them.
func TestLostEntries(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	r := newRecord(s, c, old, fresh)
	r.Used(old)
	mustSync(t, r)
	c.pass(time.Hour)
	r.Used(fresh)
	mustSync(t, r)
	if err := s.FileStorage.Delete(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	mustSync(t, r)
	got := reader(t, s, c)
	wantUse(t, got, old, testTime, testTime)
	wantUse(t, got, fresh, testTime.Add(time.Hour), testTime)
}

// TestDeletingFails: everything is not written once a minute.
func TestDeletingFails(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	secrets := many(t, s, c, 5)
	r := newRecord(s, c, secrets...)
	r.foldsAt = 0
	s.failing("Delete")
	for range 5 {
		if err := r.Sync(t.Context()); !errors.Is(err, errFault) {
			t.Error(err)
		}
	}
	if got := len(s.entries()); got != 6 {
		t.Errorf("%d entries", got)
	}
	s.heal()
	mustSync(t, r)
	if got := len(s.entries()); got != 1 {
		t.Errorf("%d entries", got)
	}
	wantMany(t, reader(t, s, c), secrets)
}

// TestEntryIsGoneWhileDeletingFails: what is covered is not deleted if that which
// covers it may be gone.
func TestEntryIsGoneWhileDeletingFails(t *testing.T) {
	for _, covering := range []bool{true, false} {
		s, c := newStorage(t), newTestClock()
		secrets := many(t, s, c, 5)
		r := newRecord(s, c, secrets...)
		r.foldsAt = 0
		s.failing("Delete")
		if err := r.Sync(t.Context()); !errors.Is(err, errFault) {
			t.Error(err)
		}
		i := slices.IndexFunc(s.entries(), func(name string) bool { return strings.HasPrefix(name, r.store.Process()) == covering })
		if err := s.FileStorage.Delete(t.Context(), folder+"/"+s.entries()[i]); err != nil {
			t.Fatal(err)
		}
		s.heal()
		mustSync(t, r)
		if got := len(s.entries()); got != 1 {
			t.Errorf("%d entries", got)
		}
		wantMany(t, reader(t, s, c), secrets)
	}
}

func TestForgetting(t *testing.T) {
	for _, row := range []struct {
		name      string
		declares  []Secret      // in the end
		since     time.Duration // it was last used
		absent    time.Duration // it is not declared
		remembers bool
	}{
		{"declared, and not used", []Secret{old, fresh}, 90 * 24 * time.Hour, time.Hour, true},
		{"just gone", []Secret{fresh}, 90 * 24 * time.Hour, 59 * time.Minute, true},
		{"gone, and used within a month", []Secret{fresh}, 28 * 24 * time.Hour, time.Hour, true},
		{"gone for long", []Secret{fresh}, 90 * 24 * time.Hour, time.Hour, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, c := newStorage(t), newTestClock()
			first := newRecord(s, c, old)
			first.Used(old)
			mustSync(t, first)
			c.pass(row.since)
			c = c.reboot()
			r := newRecord(s, c, old, fresh)
			c.pass(time.Hour)
			mustSync(t, r)
			r.Observe(slices.Values(row.declares))
			c.pass(row.absent)
			r.foldsAt = 0
			mustSync(t, r, r)
			got := reader(t, s, c)
			if remembers := !got.Use(old).LastUsed.IsZero(); remembers != row.remembers {
				t.Errorf("remembers: %v", remembers)
			}
			if _, remembers := r.secrets[old]; remembers != row.remembers {
				t.Errorf("remembers in memory: %v", remembers)
			}
			r.Used(old)
			wantUsed(t, r, old, c.now())
		})
	}
}

// TestForgottenByOneAlone: who still declares the secret writes it again.
func TestForgottenByOneAlone(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	r, peer := newRecord(s, c, old), newRecord(s.sharing(), c, fresh)
	r.Used(old)
	mustSync(t, r, peer)
	c.pass(40 * 24 * time.Hour)
	peer.foldsAt = 0
	mustSync(t, peer)
	if got := reader(t, s, c).Use(old); !got.LastUsed.IsZero() {
		t.Error("not forgotten")
	}
	mustSync(t, r)
	wantUse(t, reader(t, s, c), old, testTime, testTime)
}

// TestModel: nodes that come, go, are killed at any operation, and sync within
// each other's operations. What a Sync without an error has stored is never lost.
func TestModel(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &model{T: t, random: rand.New(rand.NewPCG(seed, 1)), s: newStorage(t), c: newTestClock(), durable: make(map[Secret]int64)}
			for range 60 {
				m.step(0)
			}
			m.check()
			if n := len(m.s.entries()); n > 60 {
				t.Errorf("%d entries are left", n)
			}
		})
	}
}

type model struct {
	*testing.T
	random  *rand.Rand
	s       *faultyStorage
	c       *testClock
	nodes   []*modelNode
	durable map[Secret]int64 // the earliest last use that must be known
}

type modelNode struct {
	*Record
	s       *faultyStorage
	c       *testClock
	syncing bool
	left    int // operations, before it is killed or the storage fails; negative: any number
}

var modelSecrets = []Secret{old, fresh, other, {"a", "1"}, {"a", "2"}}

func (m *model) step(depth int) {
	passed := time.Duration(m.random.IntN(600)) * time.Second
	m.c.pass(passed)
	for _, n := range m.nodes {
		n.c.pass(passed)
	}
	if len(m.nodes) == 0 || len(m.nodes) < 4 && m.random.IntN(6) == 0 {
		m.start()
	}
	i := m.random.IntN(len(m.nodes))
	n := m.nodes[i]
	switch m.random.IntN(4) {
	case 0, 1:
		n.Used(modelSecrets[m.random.IntN(len(modelSecrets))])
	default:
		if !n.syncing {
			m.sync(n, depth)
		}
	}
}

func (m *model) start() {
	n := &modelNode{s: m.s.sharing(), c: m.c.reboot(), left: -1}
	n.Record = newRecord(n.s, n.c, modelSecrets...)
	n.foldsAt = m.random.IntN(6)
	m.nodes = append(m.nodes, n)
}

// sync may fail from some operation on, with it done or not, and is then over:
// half of the time, the process is.
func (m *model) sync(n *modelNode, depth int) {
	s := n.s
	n.left, n.syncing = -1, true
	if m.random.IntN(3) == 0 {
		n.left = m.random.IntN(12)
	}
	die := func() error {
		if n.left == 0 {
			return errFault
		}
		n.left--
		return nil
	}
	early := m.random.IntN(2) == 0
	s.before = func(string, string) error {
		if depth < 2 && m.random.IntN(4) == 0 {
			m.step(depth + 1)
		}
		if early {
			return die()
		}
		return nil
	}
	s.after = func(string, string) error {
		if !early {
			return die()
		}
		return nil
	}
	// What is known when the Sync begins is stored when it ends, but for what is
	// younger than the granularity.
	known, began := make(map[Secret]int64), n.clock.moment()
	for _, secret := range modelSecrets {
		known[secret] = min(n.knowledge(secret, began).used, began.seconds()-int64(granularity/time.Second))
	}
	err := n.Sync(m.Context())
	n.syncing = false
	if err == nil {
		for secret, used := range known {
			m.durable[secret] = max(m.durable[secret], used)
		}
	} else if m.random.IntN(2) == 0 {
		m.nodes = slices.DeleteFunc(m.nodes, func(other *modelNode) bool { return other == n })
	}
	m.check()
}

func (m *model) check() {
	r := reader(m, m.s, m.c)
	at := r.clock.moment()
	for secret, used := range m.durable {
		if got := r.knowledge(secret, at).used; got < used {
			m.Fatalf("%v: used at %d is known, %d was stored", secret, got, used)
		}
	}
}
