package usage

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestUnreadableEntry: the entry stays unchanged, and the failure is logged once. This
// process writes its own counts nevertheless. The read is not complete.
func TestUnreadableEntry(t *testing.T) {
	for name, content := range map[string]string{
		"corrupt": goodEntry[:50], "empty": "", "foreign": "hello", "newer": strings.Replace(goodEntry, `"version":1`, `"version":3`, 1),
		"too large": strings.Repeat(" ", mostEntrySize+1),
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newStorage(t), newTestClock()
			n, logs := logged(s, c)
			mustSync(t, n)
			c.pass(time.Minute)
			const bad = "0123456789abcdef0123456789abcdef-1.json"
			s.put(bad, content)
			n.Count(passed)
			for range 3 {
				if err := n.Sync(t.Context()); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), bad) {
					t.Errorf("%v", err)
				}
			}
			if w := n.Window(); !w.SyncedAt.Equal(testTime) || w.Unwritten != 0 {
				t.Errorf("%+v", w)
			}
			if logs.Len() != 1 || string(s.values[folder+"/"+bad]) != content {
				t.Errorf("%v", logs.All())
			}
			delete(s.values, folder+"/"+bad)
			mustSync(t, n)
			if !n.Window().SyncedAt.Equal(c.now()) {
				t.Errorf("%+v", n.Window())
			}
		})
	}
}

func TestOtherFilesAreIgnored(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	for _, name := range []string{".tmp-1", "x.json", "0123456789abcdef0123456789abcdef-1.json.tmp", "fold-1.json"} {
		s.put(name, "{")
	}
	mustSync(t, node(s, c))
	if len(s.names()) != 5 {
		t.Errorf("%v", s.names())
	}
}

// TestStorageFailures: everything stays in memory, and is written when the storage is back.
func TestStorageFailures(t *testing.T) {
	for _, op := range []string{"List", "Load", "Stat", "Store"} {
		t.Run(op, func(t *testing.T) {
			s, c := newStorage(t), newTestClock()
			other := node(s.sharing(), c)
			countTo(other, passed, 2)
			mustSync(t, other)
			n := node(s, c)
			countTo(n, passed, 3)
			s.failing(op)
			if err := n.Sync(t.Context()); !errors.Is(err, errFault) && !errors.Is(err, ErrIncomplete) {
				t.Errorf("%v", err)
			}
			countTo(n, passed, 4)
			s.heal()
			c.pass(time.Minute)
			mustSync(t, n, other)
			want(t, n, passed, 9)
			want(t, other, passed, 9)
		})
	}
}

// TestReadOnlyStorage: the storage is read, and a write is tried once a minute.
func TestReadOnlyStorage(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	other := node(s.sharing(), c)
	countTo(other, passed, 2)
	mustSync(t, other)
	n, logs := logged(s, c)
	s.failing("Store", "Delete", "Lock")
	for range 180 {
		n.Count(passed)
		n.work(t.Context())
		c.pass(time.Second)
	}
	want(t, n, passed, 182)
	if writes := s.count("Store"); writes > 4 || logs.Len() != 1 || n.Health().Problem == "" {
		t.Errorf("%d writes, %v, %+v", writes, logs.All(), n.Health())
	}
}

func TestLostEntryIsWrittenAgain(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	n := node(s, c)
	countTo(n, passed, 3)
	mustSync(t, n)
	first := s.values[folder+"/"+n.own.name]
	countTo(n, passed, 3)
	mustSync(t, n)
	for _, loss := range []func(){
		func() { clear(s.values) },
		func() { s.values[folder+"/"+n.own.name] = first }, // a late write
	} {
		loss()
		c.pass(time.Minute)
		for range 2 {
			n.work(t.Context())
		}
		want(t, reader(t, s, c), passed, 6)
	}
}

const month = 30 * 24 * time.Hour

// TestClockWasBehind when a secret was used: the stored time is corrected with the clock.
func TestClockWasBehind(t *testing.T) {
	for _, behind := range []time.Duration{month, testTime.Sub(time.Unix(0, 0)), testTime.Sub(time.Unix(-1e6, 0))} {
		s, c := newStorage(t), newTestClock()
		c.set(testTime.Add(-behind))
		n := node(s, c, old)
		n.Count(old)
		mustSync(t, n)
		if n.Value(old).Last == 0 {
			t.Error("looks never used while the clock is behind")
		}
		c.set(testTime)
		c.pass(time.Minute)
		if err := n.Sync(t.Context()); !errors.Is(err, errClock) {
			t.Errorf("%v", err)
		}
		for _, n := range []*Store{n, reader(t, s, c)} {
			if v := n.Value(old); v.LastTime().Before(testTime.Add(-time.Second)) || n.Since(v).Before(testTime) {
				t.Errorf("%v: %+v, since %v", behind, v, n.Since(v))
			}
		}
		mustSync(t, n)
	}
}

// TestEntryFromTheFuture: the entry counts, but its time does not show that a node counts
// now.
func TestEntryFromTheFuture(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	ahead := newTestClock()
	ahead.set(testTime.AddDate(10, 0, 0))
	wrong := node(s.sharing(), ahead, old)
	wrong.Count(old)
	mustSync(t, wrong)
	n, logs := logged(s, c)
	for range 3 {
		if err := n.Sync(t.Context()); !errors.Is(err, errClock) {
			t.Errorf("%v", err)
		}
	}
	if v := n.Value(old); v.Count != 1 || v.LastTime().Before(testTime.AddDate(9, 0, 0)) {
		t.Errorf("%+v", v)
	}
	if w := n.Window(); !w.Since.Equal(testTime) || logs.Len() != 1 {
		t.Errorf("%+v %v", w, logs.All())
	}
	c.pass(2 * deadAfter)
	_ = n.Sync(t.Context())
	if err := n.Sync(t.Context()); err != nil || n.Value(old).Count != 1 {
		t.Errorf("not folded: %v %v", err, s.names())
	}
}

// TestGap: a time in which no node counted is not a time without any use.
func TestGap(t *testing.T) {
	for _, row := range []struct {
		off  time.Duration
		anew bool
	}{{time.Minute, false}, {gap, false}, {gap + time.Second, true}, {month, true}} {
		s, c := newStorage(t), newTestClock()
		mustSync(t, node(s, c, old))
		c.pass(row.off)
		since := testTime
		if row.anew {
			since = c.now()
		}
		n := node(s.sharing(), c, old)
		for range 10 {
			mustSync(t, n)
			c.pass(time.Hour)
		}
		if got := n.Since(n.Value(old)); !got.Equal(since) || !n.Window().Since.Equal(since) {
			t.Errorf("%v: since %v, want %v", row.off, got, since)
		}
	}
}

func TestUnbroken(t *testing.T) {
	const h, g = int64(3600), int64(gap / time.Second)
	now := int64(1000 * 3600)
	at := moment{wall: time.Unix(now, 0)}
	for _, row := range []struct {
		name    string
		watches []watch
		want    watch
	}{
		{"none", nil, watch{}},
		{"one", []watch{{h, 2 * h}}, watch{h, 2 * h}},
		{"one within another", []watch{{h, 9 * h}, {2 * h, 3 * h}, {9*h + g, 20 * h}}, watch{h, 20 * h}},
		{"a gap that matters", []watch{{h, 9 * h}, {9*h + g + 1, 20 * h}}, watch{9*h + g + 1, 20 * h}},
		{"a gap that another fills", []watch{{h, 9 * h}, {30 * h, 40 * h}, {8 * h, 30 * h}}, watch{h, 40 * h}},
		{"one from the future", []watch{{h, 9 * h}, {2 * h, now + 601}}, watch{h, 9 * h}},
		{"a clock a little ahead", []watch{{h, 9 * h}, {9 * h, now + 600}}, watch{h, now + 600}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for range len(row.watches) + 1 {
				if got := unbroken(slices.Clone(row.watches), at); got != row.want {
					t.Errorf("%v, want %v", got, row.want)
				}
				if len(row.watches) > 0 {
					row.watches = append(row.watches[1:], row.watches[0])
				}
			}
		})
	}
}

// TestLegacyEntries: entries of earlier releases are read, also later ones, and added to
// the entry of this process.
func TestLegacyEntries(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	const legacy = "tokenidp/idp.example.com-01234567/last_use"
	n, logs := logged(s, c)
	n.Observe(idp, slices.Values([]Key{old, fresh}))
	n.Migrate(idp, s, legacy)
	put := func(name, content string) { s.values[legacy+"/"+name] = []byte(content) }
	at := testTime.Add(-time.Hour).Unix()
	put("0123456789abcdef0123456789abcdef-1.json", `{"version":1,"watched":[1000,`+itoa(at)+`],"secrets":{"orders-worker":{"2026-11":[2000,1000]}}}`)
	put("0123456789abcdef0123456789abcdef-2.json", `{"version":1,"watched"`)
	mustSync(t, n)
	put("0123456789abcdef0123456789abcdef-3.json", `{"version":1,"watched":[1000,`+itoa(at)+`],"secrets":{"orders-worker":{"2026-11":[0,3000],"2027-05":[3000,0]}}}`)
	mustSync(t, n, n)
	for name := range s.values {
		if strings.HasPrefix(name, legacy) {
			delete(s.values, name)
		}
	}
	n.End()
	for _, n := range []*Store{n, reader(t, s, c)} {
		if v := n.Value(old); v.Last != 2000 || n.Since(v).Unix() != 1000 {
			t.Errorf("%+v", v)
		}
		if v := n.Value(fresh); v.Last != 3000 {
			t.Errorf("%+v", v)
		}
	}
	if logs.Len() != 1 {
		t.Errorf("%v", logs.All())
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// TestRun: counts are written, and the counts of others are read within a minute. A failure
// is logged when it begins.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t)
		core, logs := observer.New(zap.WarnLevel)
		n := New(s, folder, Options{Logger: zap.New(core)})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); n.Run(ctx) }()
		synctest.Wait()
		n.Count(passed)
		time.Sleep(tick)
		synctest.Wait()
		other := New(s.sharing(), folder, Options{})
		countTo(other, passed, 2)
		mustSync(t, other)
		want(t, other, passed, 3)
		time.Sleep(interval)
		synctest.Wait()
		want(t, n, passed, 3)
		countTo(other, passed, 2)
		mustSync(t, other)
		n.Refresh(t.Context())
		want(t, n, passed, 5)

		time.Sleep(tick / 2)
		s.failing("List", "Load", "Store")
		time.Sleep(time.Hour)
		synctest.Wait()
		if logs.Len() != 2 || n.Health().Problem == "" {
			t.Errorf("%v; %+v", logs.All(), n.Health())
		}
		s.heal()
		time.Sleep(2 * interval)
		stop()
		<-ended
		n.Count(passed)
		n.End()
		other.Refresh(t.Context())
		want(t, other, passed, 6)
		if n.Health().Problem != "" {
			t.Errorf("%+v", n.Health())
		}
	})
}
