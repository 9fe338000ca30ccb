package usage

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestNodesAddUp(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	a, b := node(s, c), node(s.sharing(), c)
	countTo(a, passed, 3)
	a.CountHourly(issued)
	countTo(b, passed, 4)
	b.CountExample(refused, func() Example { return Example{"GET", "/orders", "192.0.2.7"} })
	a.CountHourly(refusals)
	b.CountHourly(refusals)
	want(t, a, passed, 3)
	mustSync(t, a, b, a)
	for _, n := range []*Store{a, b, reader(t, s, c)} {
		want(t, n, passed, 7)
		want(t, n, issued, 1)
		if v := n.Value(refused); v.Count != 1 || *v.Example != (Example{"GET", "/orders", "192.0.2.7"}) {
			t.Errorf("refused: %+v", v)
		}
		if v := n.Value(issued); v.Hours.Sum(0) != 1 || v.Days.Sum(testTime.Unix()/Day) != 1 || !v.LastTime().Equal(testTime) {
			t.Errorf("issued: %+v", v)
		}
		if v := n.Value(refusals); v.Count != 2 || v.Hours.Sum(testTime.Unix()/Hour) != 2 || v.Days.Sum(testTime.Unix()/Day) != 2 {
			t.Errorf("refusals: %+v", v)
		}
		if len(n.All()) != 4 {
			t.Errorf("%v", n.All())
		}
	}
	if w := a.Window(); w.Nodes != 2 || !w.Since.Equal(testTime) || !w.SyncedAt.Equal(testTime) || w.Unwritten != 0 {
		t.Errorf("%+v", w)
	}
}

// TestCountNeitherAllocatesNorWaits while the storage hangs.
func TestCountNeitherAllocatesNorWaits(t *testing.T) {
	s := newStorage(t)
	n := New(s, folder, Options{})
	counter := n.Count(passed)
	hangs, over := make(chan struct{}), make(chan struct{})
	s.before = func(string, string) error {
		select {
		case hangs <- struct{}{}:
		default:
		}
		<-over
		return errFault
	}
	var syncing sync.WaitGroup
	syncing.Go(func() { _ = n.Sync(t.Context()) })
	<-hangs
	n.CountHourly(refusals)
	for what, count := range map[string]func(){"a request": func() { n.Count(passed) }, "another": func() { n.CountAgain(counter, time.Now()) }, "a refusal": func() { n.CountHourly(refusals) }} {
		if allocated := testing.AllocsPerRun(100, count); allocated != 0 {
			t.Errorf("%s: %v allocations", what, allocated)
		}
	}
	n.Count(refused)
	n.CountHourly(issued)
	n.CountSecret(idp, "orders-worker", "2026-11", netip.MustParseAddr("192.0.2.7"))
	n.Observe(idp, slices.Values([]Key{old, fresh}))
	want(t, n, old, 1)
	n.All()
	n.Window()
	close(over)
	syncing.Wait()
}

func TestConcurrentCounts(t *testing.T) {
	s := newStorage(t)
	n, other := New(s, folder, Options{}), New(s.sharing(), folder, Options{})
	const goroutines, each = 8, 500
	var counting, syncing sync.WaitGroup
	stop := make(chan struct{})
	syncing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = n.Sync(t.Context())
				n.All()
			}
		}
	})
	for g := range goroutines {
		counting.Go(func() {
			for i := range each {
				n.Count(passed)
				n.CountHourly(Key{Kind: Issued, Issuer: idp, Client: fmt.Sprint(g, i%50)})
			}
		})
	}
	counting.Wait()
	close(stop)
	syncing.Wait()
	mustSync(t, n, other)
	want(t, other, passed, goroutines*each)
	want(t, other, Key{Kind: Issued, Issuer: idp, Client: "3 7"}, each/50)
}

// TestKeysAreBounded for any input, and secrets are never dropped.
func TestKeysAreBounded(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	n := node(s, c)
	for i := range 3 * most[Refused] {
		k := refused
		k.Issuer, k.Client = idp, fmt.Sprint(i)
		n.Count(k)
	}
	want(t, n, Key{Kind: Refused, Issuer: Others, Name: refused.Name, Detail: refused.Detail}, int64(2*most[Refused]))
	want(t, n, Key{Kind: Dropped, Name: "refused"}, int64(2*most[Refused]))
	for i := range most[RouteRefusals] + 10 {
		n.CountHourly(Key{Kind: RouteRefusals, Name: fmt.Sprint(i), Detail: "no_token"})
		n.CountHourly(Key{Kind: TokenRefusals, Issuer: idp, Detail: "made_up_" + fmt.Sprint(i)})
	}
	want(t, n, Key{Kind: RouteRefusals, Issuer: Others, Detail: "no_token"}, 10)
	want(t, n, Key{Kind: Dropped, Name: "token_refusals"}, int64(most[RouteRefusals]+10-most[TokenRefusals]))
	for i := range 100 {
		n.CountSecret(idp, "orders-worker", "2026-11", netip.AddrFrom4([4]byte{10, byte(i), 1, 1}))
		n.CountSecret(idp, "orders-worker", "2026-11", netip.AddrFrom4([4]byte{10, byte(i), 1, 2}))
	}
	want(t, n, old, 200)
	want(t, n, Key{Kind: Network, Issuer: idp, Client: "orders-worker", Name: "2026-11", Detail: "10.7.1.0/24"}, 2)
	networks := 0
	for k := range n.All() {
		if k.Kind == Network && k.Issuer == idp {
			networks++
		}
	}
	if networks != most[Network] {
		t.Errorf("%d networks", networks)
	}
	for _, odd := range []string{strings.Repeat("x", longestName+1), "\xff"} {
		k := passed
		k.Client = odd
		n.Count(k)
		k.Name = odd
		n.Count(k)
		n.CountExample(Key{Kind: Reported, Name: "r", Detail: "x"}, func() Example { return Example{odd, odd, odd} })
	}
	mustSync(t, n)
	want(t, reader(t, s, c), old, 200)
	want(t, reader(t, s, c), Key{Kind: Dropped, Name: "passed"}, 4)
}

// What the operator declares leaves room for what requests cause. If that is too much, it is
// counted together.
func TestAllKeysAreBounded(t *testing.T) {
	n := node(newStorage(t), newTestClock())
	n.counters.bound = 10
	n.Observe(idp, func(yield func(Key) bool) {
		for i := range 100 {
			if !yield(Key{Kind: Granted, Issuer: idp, Client: "orders-worker", Name: fmt.Sprint(i)}) {
				return
			}
		}
	})
	for i := range 100 {
		k := passed
		k.Client = fmt.Sprint(i)
		n.Count(k)
	}
	want(t, n, Key{Kind: Passed, Issuer: Others, Name: passed.Name, Detail: passed.Detail}, 90)
	want(t, n, Key{Kind: Dropped, Name: "passed"}, 90)
}

// A Counter that is kept counts for its key alone, and only as long as it is known.
func TestCountAgain(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	n := node(s, c)
	n.counters.bound = 1
	counter := n.Count(passed)
	other := passed
	other.Client = "another"
	shared := n.Count(other)
	if !n.CountAgain(counter, time.Now()) || n.CountAgain(shared, time.Now()) || n.CountAgain(nil, time.Now()) {
		t.Error("it counts for many keys, or not at all")
	}
	want(t, n, passed, 2)
	want(t, n, Key{Kind: Passed, Issuer: Others, Name: passed.Name, Detail: passed.Detail}, 1)
	mustSync(t, n)
	for range 2 { // the second is of a day in which it was not used
		c.pass(renewal)
		mustSync(t, n)
	}
	if n.CountAgain(counter, time.Now()) {
		t.Error("it counts where nobody looks")
	}
	want(t, n, passed, 2)
}

func TestNetworkOf(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.0/24", "::ffff:192.0.2.7": "192.0.2.0/24", "2001:db8:1:2::3": "2001:db8:1::/48", "fe80::1%eth0": "fe80::/48",
	} {
		if got := networkOf(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	if got := networkOf(netip.Addr{}); got != "" {
		t.Errorf("no address: %q", got)
	}
}

func TestHoursAndDaysAreForgotten(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	n := node(s, c)
	for range 100 * 24 {
		n.CountHourly(issued)
		c.pass(time.Hour)
		if c.elapsed()%(6*time.Hour) == 0 {
			mustSync(t, n)
		}
	}
	mustSync(t, n)
	v := reader(t, s, c).Value(issued)
	if len(v.Hours) != mostHours || len(v.Days) > mostDays+1 || len(v.Days) < mostDays || v.Count != 100*24 {
		t.Errorf("%d hours, %d days, %d in all", len(v.Hours), len(v.Days), v.Count)
	}
	if got := v.Days.Sum(c.now().Unix()/Day - 30); got < 30*24 || got > 31*24 {
		t.Errorf("%d in the last 30 days", got)
	}
}

// TestWritingFollowsTheCounts: at most one in two hundred is unwritten for more than a
// second.
func TestWritingFollowsTheCounts(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	n := node(s, c)
	second := func() int {
		t.Helper()
		c.pass(time.Second)
		s.count()
		n.work(t.Context())
		return s.count("Store")
	}
	if second() != 1 || second() != 0 {
		t.Error("not written at first, or without news")
	}
	n.Count(passed)
	if second() != 1 {
		t.Error("the first count is not written at once")
	}
	countTo(n, passed, 999)
	second()
	countTo(n, passed, 5)
	if second() != 0 || n.Window().Unwritten != 5 {
		t.Error("written with one in two hundred unwritten")
	}
	n.Count(passed)
	if second() != 1 || n.Window().Unwritten != 0 {
		t.Error("not written with more")
	}
	n.Count(passed)
	writes := 0
	for range 60 {
		writes += second()
	}
	if writes != 1 {
		t.Errorf("%d writes in a minute", writes)
	}
	for range 10 * 60 {
		writes += second()
	}
	if writes != 2 {
		t.Errorf("%d writes in eleven minutes without news", writes-1)
	}
}

func TestObserve(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	n := node(s, c, old, granted)
	mustSync(t, n)
	c.pass(time.Hour)
	n.Observe(idp, slices.Values([]Key{old, fresh, granted}))
	mustSync(t, n)
	for _, n := range []*Store{n, reader(t, s, c)} {
		for k, since := range map[Key]time.Time{old: testTime, granted: testTime, fresh: testTime.Add(time.Hour), passed: {}} {
			if v := n.Value(k); !n.Since(v).Equal(since) || v.Count != 0 || v.Last != 0 {
				t.Errorf("%v: since %v, want %v", k, n.Since(v), since)
			}
		}
	}
	// A later process does not repeat what is already stored.
	later := node(s.sharing(), c, old, fresh, granted)
	if mustSync(t, later); len(later.own.versions[0].values) != 0 {
		t.Errorf("%v", later.own.versions[0].values)
	}
	c.pass(time.Minute)
	later.Count(old)
	mustSync(t, later, n)
	if v := n.Value(old); !v.LastTime().Equal(testTime.Add(time.Hour+time.Minute)) || !n.Since(v).Equal(testTime) {
		t.Errorf("%+v", v)
	}
}

func TestNilStoreCountsNothing(t *testing.T) {
	var n *Store
	if n.CountAgain(n.Count(passed), time.Now()) {
		t.Error("it counts")
	}
	n.CountHourly(issued)
	n.CountSecret(idp, "a", "b", netip.Addr{})
	n.CountExample(refused, nil)
	n.Observe(idp, nil)
}

// TestLastDay has this hour and the 23 before it.
func TestLastDay(t *testing.T) {
	hour := testTime.Unix() / Hour
	v := Value{Hours: Series{{hour - 24, 1000}, {hour - 23, 100}, {hour, 10}}}
	if n := v.LastDay(testTime); n != 110 {
		t.Errorf("%d, want 110", n)
	}
}
