package signing

import (
	"context"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"time"
)

var ctx = context.Background()

// runModel runs one schedule.
func runModel(seed uint64, logf func(string, ...any)) *world {
	w := newWorld(seed)
	for range 3 + w.random.IntN(7) {
		n := w.nodes[w.random.IntN(len(w.nodes))]
		what := w.act(n)
		if logf != nil {
			logf("after %s: %s, node %d", w.now, what, n.name)
		}
		if w.checkTokens(); len(w.wrong) > 0 {
			return w
		}
	}
	w.settle()
	return w
}

func newWorld(seed uint64) *world {
	random := rand.New(rand.NewPCG(seed, 2))
	flip := func() bool { return random.IntN(2) == 0 }
	w := &world{
		random:  random,
		faults:  faults{fail: flip(), lag: flip(), crash: flip(), brokenLock: flip(), steps: flip()},
		files:   make(map[string]*modelFile),
		store:   newStore(nil, testIssuer),
		healthy: true,
	}
	w.store.encryption = encryptions()[0]
	if random.IntN(8) == 0 {
		w.faults = faults{}
	}
	every := []time.Duration{6 * time.Hour, day, 4 * day}[random.IntN(3)]
	for i := range []int{2, 2, 2, 3, 3, 4, 5}[random.IntN(7)] {
		n := &modelNode{world: w, name: i, algorithm: "EdDSA", every: every}
		n.skew = time.Duration(random.Int64N(int64(time.Minute))) - 30*time.Second
		n.storage = &view{w, n}
		switch seed % 4 { // no draw, so that a seed stays the same schedule
		case 1:
			n.encryption = encryptions()[0]
		case 2:
			n.encryption = encryptions()[i%2]
		}
		w.nodes = append(w.nodes, n)
		n.configure() // one after the other: no cold start at the same moment
		w.pass(time.Minute)
	}
	for name := range w.files {
		w.first = name
	}
	w.pass(maxLag)
	w.healthy = false
	return w
}

func (w *world) each(action func(*modelNode)) {
	for _, n := range w.nodes {
		if w.now >= n.awayUntil {
			n.do(func() { action(n) })
		}
	}
}

// act does one thing at random, at one node or at all.
func (w *world) act(n *modelNode) string {
	switch w.random.IntN(16) {
	case 0, 1, 2:
		for range 1 + w.random.IntN(6) {
			w.pass(time.Minute)
			w.each((*modelNode).maintain)
			if w.chance(4) {
				w.checkTokens()
			}
		}
		return "minutes"
	case 3, 4:
		for range 1 + w.random.IntN(4) {
			w.pass(time.Duration(w.random.Int64N(int64(time.Hour))))
			w.each((*modelNode).maintain)
			w.each((*modelNode).issueIfUp)
		}
		return "hours"
	case 5:
		w.pass(time.Duration(w.random.Int64N(int64(20 * time.Hour))))
		return "nothing for hours"
	case 6:
		for range 3 + w.random.IntN(6) {
			w.pass(10 * time.Hour)
			w.each((*modelNode).maintain)
			w.each((*modelNode).issueIfUp)
		}
		return "days"
	}
	if w.now < n.awayUntil || !n.up {
		return "away"
	}
	what := ""
	n.do(func() { what = n.act() })
	return what
}

func (n *modelNode) issueIfUp() {
	if n.up {
		n.issue()
	}
}

func (n *modelNode) act() string {
	w := n.world
	switch w.random.IntN(12) {
	case 0:
		n.load()
		return "load"
	case 1:
		n.rotate(false)
		return "rotate"
	case 2:
		if w.chance(2) {
			n.rotate(true)
			return "rotate now"
		}
	case 3:
		if w.chance(2) {
			n.algorithm = []string{"EdDSA", "ES256"}[w.random.IntN(2)]
		}
		n.configure()
		return "configuration for " + n.algorithm
	case 4:
		n.awayUntil = w.now + time.Duration(w.random.Int64N(int64(4*day)))
		return "goes away"
	case 5:
		if w.faults.steps {
			steps := []time.Duration{time.Hour, -time.Hour, 3650 * day, -3650 * day}
			n.offset, n.offsetUntil = steps[w.random.IntN(len(steps))], w.now+time.Duration(w.random.Int64N(int64(20*time.Hour)))
			w.steps++
			return "clock set by " + n.offset.String()
		}
	case 6, 7:
		// A node that maintains answers for its JWK Set.
		if w.now-n.loadedAt <= 2*MaintenanceInterval && n.offset == 0 {
			w.caches = append(w.caches, modelCache{n.ring.current.Load().byID, w.now + MaxAge})
			w.caches = w.caches[max(0, len(w.caches)-4):]
		}
		return "JWK Set cached"
	}
	n.issue()
	return "issue"
}

// settle ends all faults, and finds that all nodes agree.
func (w *world) settle() {
	w.healthy = true
	for _, n := range w.nodes {
		n.offset, n.awayUntil = 0, 0
	}
	for range 3 { // all start, then all read what the last one made
		w.pass(time.Minute)
		w.each((*modelNode).maintain)
	}
	w.pass(lockStale + minLead) // no key is about to begin at one node and not at another
	w.pass(time.Minute)
	w.each((*modelNode).maintain)
	w.each((*modelNode).maintain) // reads what the last one made
	first := w.nodes[0].ring
	turning := slices.ContainsFunc(first.States(), func(s KeyState) bool {
		return s.SignsFrom.Sub(w.wall()).Abs() <= time.Minute
	})
	for _, n := range w.nodes {
		if !n.up {
			w.fail("node %d does not start", n.name)
			return
		}
		if !turning && !sameKey(n.ring.Active(), first.Active()) {
			w.fail("node %d signs with %s, node 0 with %s", n.name, n.ring.Active(), first.Active())
		}
		if stored(n.ring) != stored(first) {
			w.fail("node %d knows other keys than node 0: %s, %s", n.name, stored(n.ring), stored(first))
		}
		n.issue()
	}
	w.checkTokens()
	// What rotates by itself, what was asked for, and one for each time that a
	// clock was set, or set right.
	if most := 1 + int(w.now/w.nodes[0].every) + w.demanded + 2*w.steps + 1; w.faults.exclusive() && w.stored > most {
		w.fail("%d keys were made, at most %d are called for", w.stored, most)
	}
}

// stored are the keys of a ring that are in the storage too.
func stored(r *Ring) string {
	var names []string
	for _, s := range r.States() {
		if !s.Missing {
			names = append(names, path.Base(s.Entry))
		}
	}
	slices.Sort(names) // the clocks may differ about the states
	return strings.Join(names, ", ")
}
