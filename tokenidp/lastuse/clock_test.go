package lastuse

import (
	"slices"
	"testing"
	"time"
)

const month = 30 * 24 * time.Hour

// TestClockWasBehind when a secret was used, and when it was stored.
func TestClockWasBehind(t *testing.T) {
	for _, row := range []struct {
		name   string
		behind time.Duration
	}{{"a month", month}, {"since 1970", testTime.Sub(time.Unix(0, 0))}, {"before 1970", testTime.Sub(time.Unix(-1e6, 0))}} {
		t.Run(row.name, func(t *testing.T) {
			s, c := newStorage(t), newTestClock()
			c.set(testTime.Add(-row.behind))
			r := newRecord(s, c, old)
			r.Used(old)
			mustSync(t, r)
			if r.Use(old).LastUsed.IsZero() {
				t.Error("looks never used while the clock is behind")
			}
			c.set(testTime)
			c.pass(time.Minute)
			if got := r.Use(old); got.LastUsed.Before(testTime.Add(-time.Second)) || !got.ObservedSince.IsZero() {
				t.Errorf("before the next Sync: %v", got)
			}
			mustSync(t, r)
			for _, got := range []*Record{r, reader(t, s, c)} {
				if got := got.Use(old); got.LastUsed.Before(testTime.Add(-time.Second)) || got.ObservedSince.Before(testTime) {
					t.Errorf("after it: %v", got)
				}
			}
		})
	}
}

// TestClockIsSetBack: what was known stays known, and a use under the wrong clock
// is one of now, by whichever clock.
func TestClockIsSetBack(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	r := newRecord(s, c, old, fresh)
	r.Used(old)
	mustSync(t, r)
	c.set(testTime.Add(-month))
	r.Used(old)
	r.Used(fresh)
	c.pass(time.Hour)
	mustSync(t, r)
	wantUsed(t, r, old, testTime)
	wantUsed(t, r, fresh, testTime.Add(-month))
	c.set(testTime.Add(time.Hour))
	mustSync(t, r)
	for _, r := range []*Record{r, reader(t, s, c)} {
		wantUsed(t, r, old, testTime)
		wantUsed(t, r, fresh, testTime)
	}
}

// TestClockIsSetForward: uses by others look older than they are, so nothing has
// been observed for long; and all is as before once the clock is right.
func TestClockIsSetForward(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	r, peer := newRecord(s, c, old), newRecord(s.sharing(), c, old)
	mustSync(t, r, peer)
	c.pass(2 * month)
	wrong := &testClock{}
	wrong.passed.Store(c.passed.Load())
	wrong.set(c.now())
	r.clock = clock{wrong.now, wrong.elapsed}
	peer.Used(old)
	now := c.now()
	mustSync(t, peer, r)
	for range 3 {
		mustSync(t, peer, r)
	}

	wrong.set(now.Add(month))
	if got := r.Use(old); !got.ObservedSince.IsZero() {
		t.Errorf("before the next Sync: observed since %v", got.ObservedSince)
	}
	mustSync(t, r)
	if got := r.Use(old); got.ObservedSince.Before(now.Add(month)) {
		t.Errorf("observed since %v by a clock that is at %v", got.ObservedSince, wrong.now())
	}
	// A process that starts under such a clock.
	started := newRecord(s.sharing(), wrong.reboot(), old)
	mustSync(t, started)
	if got := started.Use(old); got.ObservedSince.Before(now.Add(month)) {
		t.Errorf("started: observed since %v by a clock that is at %v", got.ObservedSince, wrong.now())
	}
	if got := reader(t, s, wrong).Use(fresh); !got.ObservedSince.IsZero() {
		t.Errorf("a reader: %v", got)
	}

	// The peer, whose clock is right, is not misled.
	mustSync(t, peer)
	wantUsed(t, peer, old, now)
	since := peer.Use(old).ObservedSince
	wrong.set(now)
	mustSync(t, r)
	wantUse(t, r, old, now, since)
}

// TestObservationsAreNotBackdated by a node whose clock is behind: a secret that
// was added a minute ago would look unused for days.
func TestObservationsAreNotBackdated(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	peer := newRecord(s, c, old)
	mustSync(t, peer)
	for range 48 {
		c.pass(time.Hour)
		mustSync(t, peer)
	}
	behind := c.reboot()
	behind.set(testTime.Add(time.Hour))
	r := newRecord(s.sharing(), behind, old, fresh)
	mustSync(t, r)
	behind.pass(24 * time.Hour)
	mustSync(t, r)
	mustSync(t, peer)
	if got := peer.Use(fresh).ObservedSince; got.Before(c.now().Add(-time.Hour)) {
		t.Errorf("observed since %v, at %v", got, c.now())
	}
	wantUse(t, peer, old, time.Time{}, testTime)
}

// TestFutureUseIsKept: the caller sees it, and judges.
func TestFutureUseIsKept(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	ahead := newTestClock()
	ahead.set(testTime.AddDate(10, 0, 0))
	wrong := newRecord(s.sharing(), ahead, old)
	wrong.Used(old)
	mustSync(t, wrong)
	r, logs := logged(s, c, old, fresh)
	mustSync(t, r)
	c.pass(time.Hour)
	r.Used(old)
	r.Used(fresh)
	mustSync(t, r)
	// Whether the writer's clock was ahead or this one is behind, nobody knows;
	// what is new is not said to be observed before the one who starts next,
	// when that entry has been folded.
	for _, r := range []*Record{r, reader(t, s, c)} {
		wantUse(t, r, old, testTime.AddDate(10, 0, 0), testTime.AddDate(10, 0, 0))
		wantUsed(t, r, fresh, testTime.Add(time.Hour))
	}
	r.foldsAt = 0
	mustSync(t, r, r)
	next := newRecord(s, c.reboot(), old, fresh)
	mustSync(t, next)
	for _, r := range []*Record{r, next, reader(t, s, c)} {
		mustSync(t, r)
		wantUse(t, r, old, testTime.AddDate(10, 0, 0), c.now())
		wantUse(t, r, fresh, testTime.Add(time.Hour), c.now())
	}
	if n := logs.FilterMessageSnippet("a clock is wrong").Len(); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// TestGap: time in which nobody noted uses does not count as time without any.
func TestGap(t *testing.T) {
	for _, row := range []struct {
		name string
		off  time.Duration
		anew bool
	}{{"a restart", time.Minute, false}, {"three hours", gap, false}, {"more", gap + time.Second, true}, {"a month", month, true}} {
		t.Run(row.name, func(t *testing.T) {
			s, c := newStorage(t), newTestClock()
			mustSync(t, newRecord(s, c, old))
			c.pass(row.off)
			since := testTime
			got := reader(t, s, c).Use(old)
			if row.anew {
				wantUse(t, reader(t, s, c), old, time.Time{}, time.Time{})
				since = c.now()
			} else if !got.ObservedSince.Equal(testTime) {
				t.Errorf("observed since %v by a process that watches nothing", got.ObservedSince)
			}
			c = c.reboot()
			r := newRecord(s, c, old)
			mustSync(t, r)
			wantUse(t, r, old, time.Time{}, since)
			for range 10 {
				c.pass(time.Hour)
				mustSync(t, r)
			}
			wantUse(t, r, old, time.Time{}, since)
			wantUse(t, reader(t, s, c), old, time.Time{}, since)
		})
	}
}

// TestOutageIsNoGap where the process lived, and is one where it did not: what
// it noted meanwhile is lost.
func TestOutageIsNoGap(t *testing.T) {
	for _, row := range []struct {
		name  string
		lives bool
	}{{"lived", true}, {"killed", false}} {
		t.Run(row.name, func(t *testing.T) {
			s, c := newStorage(t), newTestClock()
			r := newRecord(s, c, old)
			mustSync(t, r)
			s.failing("Store", "List", "Load", "Stat", "Delete")
			for range 48 {
				c.pass(time.Hour)
				r.Used(old)
				if r.Sync(t.Context()) == nil {
					t.Fatal("no error")
				}
			}
			s.heal()
			if row.lives {
				mustSync(t, r)
				wantUse(t, reader(t, s, c), old, c.now(), testTime)
				return
			}
			c = c.reboot()
			r = newRecord(s, c, old)
			mustSync(t, r)
			wantUse(t, r, old, time.Time{}, c.now())
		})
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
		{"since 1970", []watch{{1, 2}, {2, 3}}, watch{1, 3}},
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

func wantUsed(t *testing.T, r *Record, s Secret, used time.Time) {
	t.Helper()
	if got := r.Use(s).LastUsed; got.Sub(used).Abs() > time.Second {
		t.Errorf("%v: used %v, want %v", s, got, used)
	}
}

// TestEntryFromTheFutureIsNoSign that the secrets are watched now.
func TestEntryFromTheFutureIsNoSign(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	ahead := newTestClock()
	ahead.set(testTime.AddDate(10, 0, 0))
	r := newRecord(s, c, old)
	mustSync(t, r, newRecord(s.sharing(), ahead, old), r)
	for range 5 {
		c.pass(time.Hour)
		s.count()
		mustSync(t, r)
		if writes := s.writes(); writes != 1 {
			t.Errorf("%d writes after an hour", writes)
		}
	}
	wantUse(t, reader(t, s, c), old, time.Time{}, testTime)
}
