package signing

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// a place that hangs (a file on a network file system, a FIFO) holds up
// Maintain whatever its context says, and so every reload and the end of Caddy,
// which wait for it. Ensure, and so a reload, likewise.
func TestAPlaceThatHangs(t *testing.T) {
	for name, work := range map[string]func(*Ring, context.Context) error{
		"Maintain": func(r *Ring, ctx context.Context) error { return r.Maintain(ctx) },
		"Ensure":   func(r *Ring, ctx context.Context) error { return r.Ensure(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, hangs, healed := new(place), false, make(chan struct{})
				p.hold(t, jwkOf(testKey(t, "2026-03-16", "ES256"), "a"))
				n := &node{t: t, storage: newStorage(t), wall: newClock(testTime)}
				n.start("", Options{Outside: NewOutside("signing.jwk", "", func() ([]byte, error) {
					if hangs {
						<-healed
					}
					return p.load()
				})})
				mustEnsure(t, n.Ring)
				time.Sleep(time.Minute) // file storage looks after a lock for some seconds after its end
				hangs = true
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				ended := make(chan struct{})
				go func() { defer close(ended); _ = work(n.Ring, ctx) }()
				select {
				case <-ended:
				case <-time.After(time.Hour):
					t.Error("it has not ended an hour after its context")
				}
				close(healed)
				<-ended
				time.Sleep(time.Minute)
			})
		})
	}
}

// a server that comes up with a new front key, while a server that lags is the
// only one to run: no test for what is right, only that whatever is handed out
// verifies at both, through random changes of two places, reloads and restarts
// within a day.
func TestTwoPlacesAtRandom(t *testing.T) {
	keys := map[string]jose.JSONWebKey{}
	for _, kid := range []string{"a", "b", "c"} {
		keys[kid] = jwkOf(testKey(t, "2026-03-16", "ES256"), kid)
	}
	orders := [][]string{{"a"}, {"b"}, {"c"}, {"a", "b"}, {"b", "a"}, {"b", "c"}, {"c", "b"}, {"c", "a"}, {"a", "c"}}
	failures := 0
	first, schedules := modelSeeds(t, 5)
	for i := range schedules {
		seed := first + i
		rnd := newRandom(seed)
		storage, wall := newStorage(t), newClock(testTime)
		places, nodes := []*place{new(place), new(place)}, make([]*node, 2)
		for i, p := range places {
			p.hold(t, keys["a"])
			nodes[i] = outsideNode(t, storage, wall, p)
			mustEnsure(t, nodes[i].Ring)
		}
		published := map[string]time.Duration{"a": -time.Hour}
		var elapsed time.Duration
		var trace []string
	life:
		for range 100 {
			step := MaintenanceInterval
			wall.advance(step)
			elapsed += step
			for i, n := range nodes {
				n.elapsed += step
				switch rnd.IntN(10) {
				case 0:
					order := orders[rnd.IntN(len(orders))]
					var all []jose.JSONWebKey
					for _, kid := range order {
						all = append(all, keys[kid])
					}
					places[i].hold(t, all...)
					trace = append(trace, elapsed.String()+" place "+string(rune('0'+i))+" holds "+joined(order))
				case 1:
					n.start("", Options{Outside: NewOutside("signing.jwk", "", places[i].load), Predecessor: n.Ring})
					_ = n.Ensure(t.Context())
					trace = append(trace, elapsed.String()+" reload "+string(rune('0'+i)))
				}
				_ = n.Maintain(t.Context())
			}
			for _, n := range nodes {
				for _, k := range n.States() {
					if _, known := published[k.ID]; !known {
						published[k.ID] = elapsed
					}
				}
			}
			for i, from := range nodes {
				token, kid, err := from.Sign([]byte(`{}`))
				if err != nil {
					failures++
					t.Logf("seed %d: at %s, %d cannot sign: %v; %v", seed, elapsed, i, err, trace)
					break life
				}
				if since, ok := published[kid]; !ok || elapsed-since < MaxAge {
					failures++
					if failures < 4 {
						t.Logf("seed %d: at %s, %d signs with %s, published %s ago: %v", seed, elapsed, i, kid, elapsed-since, trace)
					}
					break life
				}
				for j, at := range nodes {
					if err := verifyAt(t, at.Ring, token); err != nil {
						failures++
						t.Logf("seed %d: at %s, a token of %d by %s is refused at %d: %v; %v", seed, elapsed, i, kid, j, err, trace)
						break life
					}
				}
			}
		}
	}
	if failures > 0 {
		t.Errorf("%d of %d runs, without a restart, break the invariants", failures, schedules)
	}
}
