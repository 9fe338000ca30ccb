package accessmap

import (
	"context"
	"encoding/json"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// onlyApp provisions an App without routes. end ends its configuration.
func onlyApp(t *testing.T) (app *tokenidp.App, end func()) {
	t.Helper()
	storage, err := json.Marshal(map[string]string{"module": "file_system", "root": t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := caddy.ProvisionContext(&caddy.Config{
		StorageRaw: storage,
		AppsRaw:    caddy.ModuleMap{"tokenidp": []byte(`{"trusted": [{"issuer": "https://idp.example.com"}]}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	module, err := ctx.App("tokenidp")
	if err != nil {
		t.Fatal(err)
	}
	app = module.(*tokenidp.App)
	end = sync.OnceFunc(func() {
		if err := app.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return app, end
}

// bench has a Keeper with a clock that is set, and computations that end on demand.
type bench struct {
	*Keeper

	clock time.Time
	force string        // the version in force
	begun chan string   // with the version
	end   chan struct{} // lets one end

	timers []timer
}

type timer struct {
	after time.Duration
	do    func()
}

func newBench() *bench {
	b := &bench{clock: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), begun: make(chan string, 10), force: "v1", end: make(chan struct{})}
	b.Keeper = New(func(*tokenidp.App) string { return b.force })
	b.now = func() time.Time { return b.clock }
	b.after = func(d time.Duration, do func()) { b.timers = append(b.timers, timer{d, do}) }
	b.compute = func(ctx context.Context, c *computation) *Map {
		version := c.version(c.app)
		b.begun <- version
		select {
		case <-b.end:
		case <-ctx.Done():
		}
		return &Map{At: b.clock, Version: version, app: c.app, until: b.clock.Add(oldest)}
	}
	return b
}

// finishOne lets the running computation end after this time.
func (b *bench) finishOne(took time.Duration) {
	b.mu.Lock()
	done := b.running.done
	b.clock = b.clock.Add(took)
	b.mu.Unlock()
	b.end <- struct{}{}
	<-done
}

// One map is computed at a time, only if somebody looks, and not again too soon.
func TestKeeper(t *testing.T) {
	app, _ := onlyApp(t)
	b := newBench()
	for range 3 {
		if v := b.Look(app); v.Map != nil || !v.Next.IsZero() {
			t.Fatalf("at the start: %+v", v)
		}
	}
	if version := <-b.begun; version != "v1" || len(b.begun) > 0 {
		t.Errorf("the version is %s, and %d more are computed", version, len(b.begun))
	}
	b.finishOne(3 * time.Second)
	first := b.Look(app)
	if first.Map == nil || first.Changed || len(b.begun) > 0 {
		t.Errorf("then: %+v", first)
	}
	b.force = "v2"
	v := b.Look(app)
	if v.Map != first.Map || !v.Changed || !v.Next.Equal(b.clock.Add(rest*3*time.Second)) || len(b.begun) > 0 {
		t.Errorf("after a change: %+v", v)
	}
	b.clock = v.Next
	if v = b.Look(app); v.Map != first.Map || !v.Changed || !v.Next.IsZero() {
		t.Errorf("later: %+v", v)
	}
	<-b.begun
	b.finishOne(time.Second)
	if v = b.Look(app); v.Map == nil || v.Map.Version != "v2" || v.Changed {
		t.Errorf("at the end: %+v", v)
	}
}

// A map is that of the configuration that serves.
func TestKeeperAfterAReload(t *testing.T) {
	before, end := onlyApp(t)
	after, _ := onlyApp(t)
	b := newBench()
	b.Look(before)
	<-b.begun
	b.finishOne(0)
	if v := b.Look(after); v.Map != nil {
		t.Errorf("the map of another configuration is shown: %+v", v)
	}
	<-b.begun
	b.finishOne(0)
	b.Look(before) // drops it
	<-b.begun
	b.mu.Lock()
	done := b.running.done
	b.mu.Unlock()
	end()
	<-done // without an end of its own
	if b.current != nil {
		t.Error("the map of a configuration that has ended is kept")
	}
}

// A late request, with a configuration that has ended, changes nothing.
func TestKeeperAfterTheEnd(t *testing.T) {
	before, end := onlyApp(t)
	after, _ := onlyApp(t)
	b := newBench()
	b.Look(after)
	<-b.begun
	b.finishOne(0)
	end()
	if v := b.Look(before); v != (View{}) {
		t.Errorf("of a configuration that has ended: %+v", v)
	}
	if v := b.Look(after); v.Map == nil || len(b.begun) > 0 {
		t.Errorf("then: %+v", v)
	}
}

// A map is released with its configuration.
func TestKeeperReleases(t *testing.T) {
	app, end := onlyApp(t)
	b := newBench()
	b.Look(app)
	<-b.begun
	b.finishOne(0)
	end()
	waitFor(t, "the map is kept", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.current == nil
	})
}

// waitFor returns when done does.
func waitFor(t *testing.T, otherwise string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}

// Nothing holds a map that was replaced, while its configuration serves.
func TestKeeperHoldsOneMap(t *testing.T) {
	app, _ := onlyApp(t)
	b := newBench()
	var collected atomic.Bool
	inner := b.compute
	b.compute = func(ctx context.Context, c *computation) *Map {
		m := inner(ctx, c)
		if m.Version == "v1" {
			runtime.AddCleanup(m, func(*atomic.Bool) { collected.Store(true) }, &collected)
		}
		return m
	}
	for _, b.force = range []string{"v1", "v2"} {
		b.Look(app)
		<-b.begun
		b.finishOne(0)
		b.clock = b.clock.Add(oldest)
	}
	waitFor(t, "the first map is not collected", func() bool {
		runtime.GC()
		return collected.Load()
	})
	runtime.KeepAlive(b)
}

// A map is not kept for long if nobody looks.
func TestKeeperReleasesAnOldMap(t *testing.T) {
	app, _ := onlyApp(t)
	b := newBench()
	for _, b.force = range []string{"v1", "v2"} {
		b.Look(app)
		<-b.begun
		b.finishOne(0)
		b.clock = b.clock.Add(oldest)
	}
	for i, one := range b.timers {
		if one.after != kept || b.current == nil {
			t.Fatalf("timer %d is after %s, and the map is %v", i, one.after, b.current)
		}
		b.clock = b.clock.Add(time.Duration(i) * oldest)
		one.do()
	}
	if len(b.timers) != 2 || b.current != nil {
		t.Errorf("after %d timers, the map is kept", len(b.timers))
	}
}

// A module that never returns costs one computation.
func TestKeeperOfOneThatHangs(t *testing.T) {
	app, _ := onlyApp(t)
	b := newBench()
	b.Look(app)
	<-b.begun
	began := b.clock
	b.clock = began.Add(hangs + time.Second)
	if v := b.Look(app); !v.Hangs.Equal(began) || v.Earlier || v.Map != nil || len(b.begun) > 0 {
		t.Errorf("%+v", v)
	}
	after, _ := onlyApp(t)
	if v := b.Look(after); !v.Hangs.Equal(began) || !v.Earlier || len(b.begun) > 0 {
		t.Errorf("after a reload: %+v", v)
	}
	b.finishOne(0)
}
