package signing

import (
	"testing"
	"time"
)

// an entry is named by the minute, so a key that comes back within one (the
// file is turned twice, with a reload in between) overwrites its own: the storage
// no longer says that it has been signing, and a server that starts then signs with
// the other one, which nobody knows.
func TestTurnedTwiceInAMinute(t *testing.T) {
	a, b, p := jwkOf(testKey(t, "2026-03-16", "ES256"), "a"), jwkOf(testKey(t, "2026-03-16", "ES256"), "b"), new(place)
	p.hold(t, a)
	n := outsideNode(t, newStorage(t), newClock(testTime), p)
	mustEnsure(t, n.Ring)
	for _, order := range []func(){func() { p.hold(t, b, a) }, func() { p.hold(t, a, b) }} {
		order()
		n.pass(10 * time.Second)
		n.start("", Options{Outside: NewOutside("signing.jwk", "", p.load), Predecessor: n.Ring})
		mustEnsure(t, n.Ring)
	}
	n.restartWith(p, "")
	n.signsWith("a")
}
