package signing

import (
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// restartWith starts a new process whose keys come from the place: nothing but the
// storage is left of the one before.
func (n *node) restartWith(p *place, algorithm string) {
	n.t.Helper()
	n.elapsed = 0
	n.start("", Options{Outside: NewOutside("signing.jwk", algorithm, p.load)})
	if err := n.Ensure(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
}

// verifiesItsOwn is the least: what a node signs now, a verify-only node that just
// started takes.
func (n *node) verifiesItsOwn() {
	n.t.Helper()
	token, kid, err := n.Sign([]byte(`{}`))
	if err != nil {
		n.t.Fatalf("signing: %v", err)
	}
	if err := verifyAt(n.t, n.Ring, token); err != nil {
		n.t.Errorf("its own token, of %s, is refused: %v", kid, err)
	}
}

// A key that is published for one algorithm does not sign with another: that is an
// error, before the configuration is in force.
func TestKeyFromOutsideHasOneAlgorithm(t *testing.T) {
	k := testKey(t, "2026-03-16", "RS256")
	for name, row := range map[string]struct {
		before, after       jose.JSONWebKey
		algBefore, algAfter string
	}{
		"configured": {jose.JSONWebKey{Key: k.private}, jose.JSONWebKey{Key: k.private}, "RS256", "PS256"},
		"in the JWK": {jose.JSONWebKey{Key: k.private, KeyID: "a", Algorithm: "RS256"}, jose.JSONWebKey{Key: k.private, KeyID: "a", Algorithm: "PS256"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := new(place)
			p.hold(t, row.before)
			n := &node{t: t, storage: newStorage(t), wall: newClock(testTime)}
			n.restartWith(p, row.algBefore)
			n.verifiesItsOwn()
			p.hold(t, row.after)
			n.start("", Options{Outside: NewOutside("signing.jwk", row.algAfter, p.load)})
			if err := n.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "one key has one algorithm") {
				t.Errorf("Ready: %v", err)
			}
			n.verifiesItsOwn()
		})
	}
}

// the file is rotated and turned back within ten minutes: the key that was
// taken back signs, minutes after it was published.
func TestTurnedBackQuickly(t *testing.T) {
	a, b, p := jwkOf(testKey(t, "2026-03-16", "ES256"), "a"), jwkOf(testKey(t, "2026-03-16", "ES256"), "b"), new(place)
	n := outsideNode(t, newStorage(t), newClock(testTime), p)
	p.hold(t, a)
	mustEnsure(t, n.Ring)
	n.live(time.Hour, MaintenanceInterval)
	p.hold(t, b)
	n.live(MaintenanceInterval, MaintenanceInterval) // b is published here
	bPublished := n.elapsed
	p.hold(t, a)
	for range 20 {
		n.pass(MaintenanceInterval)
		n.maintain()
		if _, kid, _ := n.Sign([]byte(`{}`)); kid == "b" && n.elapsed-bPublished < MaxAge {
			t.Errorf("b signs %s after it was published", n.elapsed-bPublished)
		}
	}
	n.signsWith("a")
}

// the new front key was published as a second one, and the process restarted
// meanwhile: it never signs.
func TestSecondKeyComesToTheFrontOverARestart(t *testing.T) {
	a, b, p := jwkOf(testKey(t, "2026-03-16", "ES256"), "a"), jwkOf(testKey(t, "2026-03-16", "ES256"), "b"), new(place)
	n := &node{t: t, storage: newStorage(t), wall: newClock(testTime)}
	p.hold(t, a, b)
	n.restartWith(p, "")
	n.live(time.Hour, MaintenanceInterval)
	p.hold(t, b, a)
	n.restartWith(p, "")
	n.live(time.Hour, MaintenanceInterval)
	n.signsWith("b")
}

// as R3, and a is gone from the file; b signs in a's stead, while all count it
// as retired, so that it is deleted in the moment when its successor takes over.
func TestAKeyThatSignsInsteadIsDeletedWithItsTokensAlive(t *testing.T) {
	a, b, c, p := jwkOf(testKey(t, "2026-03-16", "ES256"), "a"), jwkOf(testKey(t, "2026-03-16", "ES256"), "b"), jwkOf(testKey(t, "2026-03-16", "ES256"), "c"), new(place)
	n := &node{t: t, storage: newStorage(t), wall: newClock(testTime)}
	p.hold(t, a, b)
	n.restartWith(p, "")
	n.live(time.Hour, MaintenanceInterval)
	p.hold(t, b)
	n.restartWith(p, "")
	n.live(retention+time.Hour, 5*time.Minute)
	n.signsWith("b")
	p.hold(t, c)
	n.live(minLead, MaintenanceInterval)
	n.signsWith("b")
	token := mustSign(t, n.Ring)
	n.live(3*MaintenanceInterval, MaintenanceInterval)
	n.signsWith("c")
	if err := verifyAt(t, n.Ring, token); err != nil {
		t.Errorf("a token of b, three minutes old, is refused: %v", err)
	}
}

// the same by turning the file back over a restart.
func TestTurnedBackOverARestart(t *testing.T) {
	a, b, c, p := jwkOf(testKey(t, "2026-03-16", "ES256"), "a"), jwkOf(testKey(t, "2026-03-16", "ES256"), "b"), jwkOf(testKey(t, "2026-03-16", "ES256"), "c"), new(place)
	n := &node{t: t, storage: newStorage(t), wall: newClock(testTime)}
	p.hold(t, a)
	n.restartWith(p, "")
	n.live(time.Hour, MaintenanceInterval)
	p.hold(t, b)
	n.live(time.Hour, MaintenanceInterval)
	n.signsWith("b")
	p.hold(t, a)
	n.restartWith(p, "")
	n.signsWith("a")
	n.live(retention+time.Hour, 5*time.Minute)
	p.hold(t, c)
	n.live(minLead, MaintenanceInterval)
	n.signsWith("a")
	token := mustSign(t, n.Ring)
	n.live(3*MaintenanceInterval, MaintenanceInterval)
	n.signsWith("c")
	if err := verifyAt(t, n.Ring, token); err != nil {
		t.Errorf("a token of a, three minutes old, is refused: %v", err)
	}
}

// outside, back inside, and outside again: the second time has no effect, ever.
func TestOutsideAgain(t *testing.T) {
	for _, row := range []struct {
		name    string
		restart bool
	}{{"reload", false}, {"restart", true}} {
		t.Run(row.name, func(t *testing.T) {
			a, p := jwkOf(testKey(t, "2026-03-16", "ES256"), "a"), new(place)
			p.hold(t, a)
			n := &node{t: t, storage: newStorage(t), wall: newClock(testTime)}
			load := func(outside bool) {
				t.Helper()
				o, algorithm := Options{Predecessor: n.Ring}, "ES256"
				if row.restart {
					o.Predecessor, n.elapsed = nil, 0
				}
				if outside {
					o.Outside, algorithm = NewOutside("signing.jwk", "", p.load), ""
				}
				n.start(algorithm, o)
				mustEnsure(t, n.Ring)
				n.live(time.Hour, MaintenanceInterval)
			}
			load(true)
			n.signsWith("a")
			load(false)
			load(true)
			n.live(24*time.Hour, 5*time.Minute)
			n.signsWith("a")
		})
	}
}

// a rolling change to keys from outside: a peer with the configuration before
// restarts once, and then gets the new one too. All sign with a key made here for
// good, which is not rotated either.
func TestRollingChangeToOutside(t *testing.T) {
	a, p := jwkOf(testKey(t, "2026-03-16", "ES256"), "a"), new(place)
	p.hold(t, a)
	storage, wall := newStorage(t), newClock(testTime)
	one, two := newNode(t, storage, "ES256", testTime), newNode(t, storage, "ES256", testTime)
	one.wall, two.wall = wall, wall
	one.start("ES256", Options{})
	two.start("ES256", Options{})
	mustEnsure(t, one.Ring)
	mustEnsure(t, two.Ring)
	one.start("", Options{Outside: NewOutside("signing.jwk", "", p.load), Predecessor: one.Ring})
	mustEnsure(t, one.Ring)
	two.start("ES256", Options{}) // crashed, say
	mustEnsure(t, two.Ring)
	two.start("", Options{Outside: NewOutside("signing.jwk", "", p.load), Predecessor: two.Ring})
	mustEnsure(t, two.Ring)
	for range 200 {
		wall.advance(time.Hour)
		one.elapsed, two.elapsed = one.elapsed+time.Hour, two.elapsed+time.Hour
		one.maintain()
		two.maintain()
	}
	one.signsWith("a")
	two.signsWith("a")
}

// the path of the file changes with a reload, from [a b] to one with b alone: a,
// which is nowhere outside any more, signs on without end.
func TestAnotherFileWithTheSecondKey(t *testing.T) {
	a, b, p, q := jwkOf(testKey(t, "2026-03-16", "ES256"), "a"), jwkOf(testKey(t, "2026-03-16", "ES256"), "b"), new(place), new(place)
	p.hold(t, a, b)
	q.hold(t, b)
	n := outsideNode(t, newStorage(t), newClock(testTime), p)
	mustEnsure(t, n.Ring)
	n.live(time.Hour, MaintenanceInterval)
	n.start("", Options{Outside: NewOutside("other.jwk", "", q.load), Predecessor: n.Ring})
	mustEnsure(t, n.Ring)
	n.live(24*time.Hour, 5*time.Minute)
	n.signsWith("b")
}

// a server that keeps the old file for more than two days publishes the old key
// as the newest, and later deletes the one that the others sign with.
func TestAServerThatLagsForThreeDays(t *testing.T) {
	a, b := jwkOf(testKey(t, "2026-03-16", "ES256"), "a"), jwkOf(testKey(t, "2026-03-16", "ES256"), "b")
	storage, wall, fresh, late := newStorage(t), newClock(testTime), new(place), new(place)
	fresh.hold(t, a)
	late.hold(t, a)
	one, two := outsideNode(t, storage, wall, fresh), outsideNode(t, storage, wall, late)
	mustEnsure(t, one.Ring)
	mustEnsure(t, two.Ring)
	fresh.hold(t, b)
	refused, step := 0, 5*time.Minute
	type issued struct {
		token string
		at    time.Duration
	}
	var tokens []issued
	for range int(6 * 24 * time.Hour / step) {
		wall.advance(step)
		one.elapsed, two.elapsed = one.elapsed+step, two.elapsed+step
		one.maintain()
		two.maintain()
		tokens = append(tokens, issued{mustSign(t, one.Ring), one.elapsed}, issued{mustSign(t, two.Ring), one.elapsed})
		for len(tokens) > 0 && one.elapsed-tokens[0].at > time.Hour {
			tokens = tokens[1:]
		}
		for _, i := range tokens {
			for _, at := range []*node{one, two} {
				if verifyAt(t, at.Ring, i.token) != nil {
					refused++
				}
			}
		}
	}
	if refused > 0 {
		t.Errorf("%d times a token of less than an hour was refused", refused)
	}
	if kid := one.newest().ID; kid != "b" {
		t.Errorf("the newest key is %s", kid)
	}
}
