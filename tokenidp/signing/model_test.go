package signing

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// TestModel lets a few nodes share a storage that fails, lags, loses its lock and
// loses nodes between any two operations, under clocks that differ and are set.
// Whatever happens, every token that lives verifies wherever the keys are not
// older than MaxAge; no key signs before it was published for that long; no key
// is overwritten, or deleted before its tokens have expired; and in the end all
// nodes sign with one key.
//
// Left out, here and nowhere else:
//   - the cold start of several nodes at the same moment on a storage whose lock
//     excludes nobody: one node makes the first key before the others start;
//   - a node that issues although it has not read the storage for longer than
//     cutOff, while others rotate;
//   - a node that starts, or has not read the storage for half a day, just when
//     a key is made, where its own clock or the maker's is wrong by more than
//     the skew: it believes the date; and what a clock wrong by years stamps on
//     its tokens;
//   - keys made to sign at once, as far as being published first goes.
func TestModel(t *testing.T) {
	const usual = 500
	first, schedules := modelSeeds(t, usual)
	var logf func(string, ...any)
	if schedules == 1 {
		logf = t.Logf
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	var next atomic.Uint64
	var total modelTotal
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := next.Add(1); i <= schedules && !t.Failed(); i = next.Add(1) {
				seed := first + i - 1
				w := runModel(seed, logf)
				total.add(w)
				if len(w.wrong) > 0 {
					t.Errorf("seed %d: %s\n%s", seed, strings.Join(w.wrong, "\n"), howToRepeat(t, seed))
				}
			}
		})
	}
	workers.Wait()
	t.Logf("%+v", total.counts)
	if n := total.counts; schedules >= usual && (n.deleted == 0 || n.crashes == 0 || n.twoHolders == 0) {
		t.Error("the schedules exercise nothing")
	}
}

// modelTotal adds up what happened in all schedules.
type modelTotal struct {
	mu     sync.Mutex
	counts struct{ stored, deleted, issued, checked, crashes, twoHolders, steps int }
}

func (total *modelTotal) add(w *world) {
	total.mu.Lock()
	defer total.mu.Unlock()
	n := &total.counts
	n.stored += w.stored
	n.deleted += w.deleted
	n.issued += w.issued
	n.checked += w.checked
	n.crashes += w.crashes
	n.twoHolders += w.twoHolders
	n.steps += w.steps
}

type modelNode struct {
	*world
	name        int
	ring        *Ring
	storage     *view
	algorithm   string
	encryption  *Encryption
	every       time.Duration
	skew        time.Duration
	offset      time.Duration // what the clock was set by
	offsetUntil time.Duration
	awayUntil   time.Duration
	up, busy    bool
	ensuring    bool
	loadedAt    time.Duration
	startedAt   time.Duration // or came back after long
}

type modelToken struct {
	entry, kid string
	thumbprint string
	unwarned   bool // others may not know the key yet
	offset     time.Duration
	issued     time.Time // as the token says
	expires    time.Time
}

// modelCache is the JWK Set at a resource server that only knows HTTP.
type modelCache struct {
	byID  map[string]*jws.Key
	until time.Duration
}

func (w *world) fail(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf("after %s: ", w.now)+fmt.Sprintf(format, args...))
}

func (w *world) wall() time.Time { return testTime.Add(w.now) }

func (n *modelNode) clock() time.Time { return n.wall().Add(n.skew + n.offset) }

func (n *modelNode) present() bool { return n.up && n.now >= n.awayUntil }

// pass lets true time go by. A clock that was set is put right within a day.
func (w *world) pass(d time.Duration) {
	w.now += d
	for _, n := range w.nodes {
		if w.now >= n.offsetUntil {
			n.offset = 0
		}
	}
}

// do lets a node act, and starts it again where it crashes.
func (n *modelNode) do(action func()) {
	n.busy = true
	defer func() {
		n.busy, n.ensuring = false, false
		v := recover()
		if v == nil {
			return
		}
		if c, ok := v.(crashed); !ok || c.modelNode != n {
			panic(v)
		}
		n.crashes++
		n.up, n.offset = false, 0
		n.ring = nil
	}()
	action()
}

// noted remembers when the node knew all that the storage showed.
func (n *modelNode) noted(err error, begun time.Duration) {
	if err != nil {
		return
	}
	if begun-n.loadedAt > cutOff/2 {
		n.startedAt = n.now
	}
	n.loadedAt = begun
}

func (n *modelNode) newRing(before *Ring) *Ring {
	start := n.now
	r := NewRing(n.storage, testIssuer, n.algorithm, Options{
		RotateEvery: n.every, Now: n.clock, Predecessor: before, Logger: zap.NewNop(), Encryption: n.encryption,
		Elapsed: func() time.Duration { return n.now - start },
	})
	r.store.decoded = n.store.decoded // spares the trial of each key at each node
	return r
}

// encryptions are those of nodes in a world whose keys are encrypted, some with
// another key encryption key than others, which all of them can decrypt.
var encryptions = sync.OnceValue(func() []*Encryption {
	var all []*Encryption
	for _, keks := range [][]string{{oldKEK, newKEK}, {newKEK, oldKEK}} {
		e, err := NewEncryption(keks...)
		if err != nil {
			panic(err)
		}
		all = append(all, e)
	}
	return all
})

// configure loads a configuration; one that fails leaves the one before.
func (n *modelNode) configure() {
	r := n.newRing(n.ring)
	n.demanded++ // another algorithm than that of the others, perhaps
	n.ensuring = true
	if err := r.Ensure(ctx); err == nil {
		n.ring, n.up = r, true
		n.startedAt = n.now
		n.noted(nil, n.now)
	}
	n.ensuring = false
}

func (n *modelNode) maintain() {
	if !n.up {
		n.configure()
		return
	}
	begun := n.now
	n.noted(n.ring.Maintain(ctx), begun)
}

func (n *modelNode) load() {
	begun := n.now
	n.noted(n.ring.Load(ctx), begun)
}

func (n *modelNode) rotate(now bool) {
	n.demanded++
	_, _ = n.ring.Rotate(ctx, now)
}

// meanwhile another node acts, between two operations of this one.
func (w *world) meanwhile(busy *modelNode) {
	n := w.nodes[w.random.IntN(len(w.nodes))]
	if n == busy || n.busy || w.now < n.awayUntil {
		return
	}
	n.do(n.maintain)
}

// issue signs a token at a node, and notes what it takes to verify it.
func (n *modelNode) issue() {
	if n.now-n.loadedAt > cutOff {
		return
	}
	k := n.ring.Active()
	if k == nil {
		n.fail("node %d has no key", n.name)
		return
	}
	if n.issued++; n.issued%32 == 0 {
		n.signAndVerify()
	}
	entry := n.store.nameOf(k)
	f := n.files[entry]
	if f == nil {
		n.fail("node %d signs with %s, which the storage never had", n.name, k)
		return
	}
	years := n.offset.Abs() > day
	unwarned := entry != n.first && (f.atOnce || (f.misdated || n.offset != 0) && n.startedAt >= f.storedAt)
	if age := n.now - f.storedAt; age < MaxAge && !f.atOnce && !unwarned && !years {
		n.fail("node %d signs with %s, %s after it was stored", n.name, k, age)
	}
	if years {
		return
	}
	lifetimes := []time.Duration{5 * time.Minute, time.Hour, maxTokenLifetime}
	issued := n.clock()
	n.tokens = append(n.tokens, modelToken{
		entry: entry, kid: k.ID, thumbprint: k.thumbprint, unwarned: unwarned, offset: n.offset,
		issued: issued, expires: issued.Add(lifetimes[n.random.IntN(len(lifetimes))]),
	})
}

func (n *modelNode) signAndVerify() {
	token, kid, err := n.ring.Sign([]byte(`{}`))
	if err != nil {
		n.fail("node %d: %v", n.name, err)
		return
	}
	m, err := jws.Parse(token)
	if err == nil {
		var k *jws.Key
		if k, err = n.ring.Key(ctx, kid, ""); err == nil {
			err = k.Verify(m.SigningInput, m.Signature)
		}
	}
	if err != nil {
		n.fail("node %d does not verify its own token: %v", n.name, err)
	}
}

// lives reports whether a token is accepted at a time, as far as time goes.
func (tok *modelToken) lives(at time.Time) bool {
	return !at.Before(tok.issued.Add(-leeway)) && at.Before(tok.expires.Add(leeway))
}

func knows(byID map[string]*jws.Key, tok *modelToken) bool {
	k, ok := byID[tok.kid]
	return ok && k.Thumbprint() == tok.thumbprint
}

// checkTokens is the invariant.
func (w *world) checkTokens() {
	kept := w.tokens[:0]
	for i := range w.tokens {
		tok := &w.tokens[i]
		for _, n := range w.nodes {
			if n.present() && !n.busy && tok.lives(n.clock()) {
				n.checkToken(tok)
			}
		}
		for _, c := range w.caches {
			if w.now < c.until && !tok.unwarned && tok.lives(w.wall()) {
				if w.checked++; !knows(c.byID, tok) {
					w.fail("a cached JWK Set lacks %s", tok.kid)
				}
			}
		}
		if w.wall().Before(tok.expires.Add(2 * time.Hour)) {
			kept = append(kept, *tok)
		}
	}
	w.tokens = kept
}

func (n *modelNode) checkToken(tok *modelToken) {
	n.checked++
	if knows(n.ring.current.Load().byID, tok) {
		return
	}
	if n.now-n.loadedAt <= MaxAge && !tok.unwarned && tok.offset == 0 && n.offset == 0 {
		n.fail("node %d, which read the keys %s ago, lacks %s", n.name, n.now-n.loadedAt, tok.kid)
		return
	}
	w := n.world // the unknown kid makes it read the storage once
	defer func(before bool) { w.healthy = before }(w.healthy)
	w.healthy = true
	n.load()
	if !knows(n.ring.current.Load().byID, tok) {
		n.fail("node %d, which has read the keys again, lacks %s", n.name, tok.kid)
	}
}

// checkDeletion is the other half: nothing goes that a token needs.
func (w *world) checkDeletion(entry string) {
	for i := range w.tokens {
		if tok := &w.tokens[i]; tok.entry == entry && w.wall().Before(tok.expires.Add(leeway)) {
			w.fail("%s was deleted, its token lives until %s", tok.kid, tok.expires)
		}
	}
}

// checkSuccessor: where nodes exclude each other, none makes a key while one
// waits, unless it is told to.
func (w *world) checkSuccessor(n *modelNode, k *Key) {
	if !w.faults.exclusive() || n.ensuring || k.atOnce() {
		return
	}
	for name, f := range w.files {
		if f.deletedAt < 0 && f.signsFrom.After(w.wall().Add(time.Minute)) {
			w.fail("node %d makes %s although %s waits", n.name, k, name)
		}
	}
}
