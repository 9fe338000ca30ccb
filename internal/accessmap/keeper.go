package accessmap

import (
	"context"
	"sync"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

const (
	// After a computation, none begins for rest times as long as it took. So all of them
	// take at most a twentieth of one processor.
	rest = 20
	// longest limits one computation.
	longest = time.Minute
	// hangs is after how long a computation counts as one that never ends.
	hangs = 2 * longest
)

// Keeper keeps the map of the App that serves. A computation runs only if somebody looks,
// and never two at a time. It is safe for concurrent use.
type Keeper struct {
	version func(*tokenidp.App) string
	compute func(context.Context, *computation) *Map
	now     func() time.Time
	after   func(time.Duration, func())

	mu      sync.Mutex
	problem *background.Problem // of the maps of one App
	current *Map                // or nil
	forget  func() bool         // not to wait any more for the end of its configuration
	running *computation
	next    time.Time // of the next computation, if there is one before it
}

// computation is a map that is being computed.
type computation struct {
	app     *tokenidp.App
	version func(*tokenidp.App) string
	problem *background.Problem
	began   time.Time
	done    chan struct{}
}

// New returns a Keeper without a map. version returns that of the Applications in force.
func New(version func(*tokenidp.App) string) *Keeper {
	return &Keeper{
		version: version, compute: compute, now: time.Now, problem: new(background.Problem),
		after: func(d time.Duration, do func()) { time.AfterFunc(d, do) },
	}
}

// View is what a Keeper knows at one moment.
type View struct {
	// Map is the last map of the App, or nil.
	Map *Map
	// Changed reports whether the Map is of an earlier time: Applications or the validity
	// of secrets have changed, or it is old.
	Changed bool
	// Next is when the next map can be computed. It is zero if there is no need, or if the
	// computation runs.
	Next time.Time
	// Hangs is since when a computation runs that should have ended, or zero. None is begun
	// beside it.
	Hangs time.Time
	// Earlier reports whether that one is of an earlier configuration.
	Earlier bool
}

// Look returns what is known of the App, and has the map computed if there is a need. It
// does not wait for that. Nothing is known of an App that has ended: a late request must not
// replace what is known of the next one.
func (k *Keeper) Look(app *tokenidp.App) View {
	if app.Context().Err() != nil {
		return View{}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if k.current != nil && k.current.app != app {
		k.release() // of another configuration
	}
	v := View{Map: k.current, Changed: k.current != nil && k.current.outdated(now, k.version(app))}
	if v.Map != nil && !v.Changed {
		return v
	}
	switch {
	case k.running != nil && now.Sub(k.running.began) > hangs:
		v.Hangs, v.Earlier = k.running.began, k.running.app != app
	case k.running != nil:
	case now.Before(k.next):
		v.Next = k.next
	default:
		k.start(app, now)
	}
	return v
}

// start computes the map until the configuration ends.
func (k *Keeper) start(app *tokenidp.App, now time.Time) {
	c := &computation{app, k.version, k.problem, now, make(chan struct{})}
	k.running = c
	go func() {
		defer close(c.done)
		ctx, cancel := context.WithTimeout(app.Context(), longest)
		defer cancel()
		k.finish(k.compute(ctx, c), app.Context().Err() != nil)
	}()
}

func (k *Keeper) finish(m *Map, ended bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	k.next = now.Add(rest * now.Sub(k.running.began))
	k.running = nil
	if ended {
		return
	}
	k.keep(m)
}

// keep replaces the map. What waits for the end of the configuration must not hold a map:
// its Applications and the hashes of their secrets may be those of an earlier time.
func (k *Keeper) keep(m *Map) {
	if k.current != nil {
		k.forget()
	}
	app := m.app
	k.current, k.forget = m, context.AfterFunc(app.Context(), func() { k.drop(app) })
	k.after(kept, k.expire)
}

// expire releases the map if it is too old: it may have the hashes of removed secrets, and
// nobody may look again.
func (k *Keeper) expire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current != nil && k.now().Sub(k.current.At) >= kept {
		k.release()
	}
}

// release forgets the map, and its problem.
func (k *Keeper) release() {
	k.forget()
	k.current, k.forget, k.problem = nil, nil, new(background.Problem)
}

// drop releases the map of a configuration that has ended, which nobody may look at again.
func (k *Keeper) drop(app *tokenidp.App) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current != nil && k.current.app == app {
		k.release()
	}
}
