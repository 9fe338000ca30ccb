package signing

import (
	"fmt"
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// TestF13NodesThirtySecondsApart on either side of the true time: the tokens of
// each are valid at the other, new ones and ones about to expire, before, while,
// and after the keys change over.
func TestF13NodesThirtySecondsApart(t *testing.T) {
	const skew = 30 * time.Second
	storage := newStorage(t)
	ahead, behind := newNode(t, storage, "EdDSA", testTime.Add(skew)), newNode(t, storage, "EdDSA", testTime.Add(-skew))
	nodes := []*node{ahead, behind}
	for _, n := range nodes {
		mustEnsure(t, n.Ring)
	}
	for _, n := range nodes {
		n.pass(2 * skew) // the first key has begun by both clocks
		n.maintain()
	}
	if _, err := behind.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	signers := make(map[string]bool)
	for range 4 * 2 * minLead / time.Minute {
		for _, n := range nodes {
			n.pass(15 * time.Second)
			if n.elapsed%time.Minute == 0 {
				n.maintain()
			}
		}
		for _, issuing := range nodes {
			signers[issuing.Active().ID] = true
			for _, verifying := range nodes {
				wantValid(t, issuing, verifying, time.Hour)
				// At the end of its life by the issuer's clock, the other's may be a
				// minute on: twice the skew, which MaxLeeway takes.
				wantValid(t, issuing, verifying, time.Second)
			}
		}
	}
	if len(signers) != 2 || !sameKey(ahead.Active(), behind.Active()) || len(files(t, storage)) != 2 || storage.count("Delete") > 0 {
		t.Errorf("signed with %v, the storage holds %q", signers, files(t, storage))
	}
}

// wantValid has a token that one node issues verified at another.
func wantValid(t *testing.T, issuing, verifying *node, lifetime time.Duration) {
	t.Helper()
	iat := issuing.wall.now().Truncate(time.Second)
	token, kid, err := issuing.Sign(fmt.Appendf(nil,
		`{"iss":%q,"sub":"a","client_id":"a","aud":"orders-api","scope":"orders.read","jti":"1","iat":%d,"exp":%d}`,
		testIssuer, iat.Unix(), iat.Add(lifetime).Unix()))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := verifier.NewIssuer(verifier.Options{
		URL: testIssuer, Algorithms: []string{"EdDSA"}, Leeway: verifier.MaxLeeway, Keys: verifying,
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(verifying.wall.now, issuer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("a token of %s, signed at %s with %s, at %s: %v",
			lifetime, issuing.wall.now().UTC(), kid, verifying.wall.now().UTC(), err)
	}
}

// TestF13ClockThatIsSetAllTheTime makes no storm of rotations.
func TestF13ClockThatIsSetAllTheTime(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 3650 * day, time.Second} {
		t.Run(step.String(), func(t *testing.T) {
			storage := newStorage(t)
			n, peer := newNode(t, storage, "EdDSA", testTime), newNode(t, storage, "EdDSA", testTime)
			mustEnsure(t, n.Ring)
			mustEnsure(t, peer.Ring)
			for i := range 2 * 60 {
				n.step(step)
				if i%2 == 1 {
					n.step(-2 * step) // there, and back
				}
				n.live(time.Minute, time.Minute)
				peer.live(time.Minute, time.Minute)
				for _, r := range []*Ring{n.Ring, peer.Ring} {
					if err := verifyAt(t, r, mustSign(t, n.Ring)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got := len(files(t, storage)); got > 3 || storage.count("Delete") > 0 {
				t.Errorf("the storage holds %q, %d were deleted", files(t, storage), storage.count("Delete"))
			}
		})
	}
}

// TestF13DaylightSavingTime: what a node does is the same in any time zone, on
// the days on which its clocks are put forward and back.
func TestF13DaylightSavingTime(t *testing.T) {
	for _, start := range []time.Time{
		time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC), time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC), // Europe
		time.Date(2026, 4, 4, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 3, 0, 0, 0, 0, time.UTC), // Australia
	} {
		var want []string
		for _, name := range []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York"} {
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			n := newNode(t, newStorage(t), "EdDSA", start)
			n.start("EdDSA", Options{RotateEvery: 6 * time.Hour})
			n.now = func() time.Time { return n.wall.now().In(zone) }
			mustEnsure(t, n.Ring)
			var got []string
			for range 2 * 24 {
				n.live(time.Hour, 30*time.Minute)
				got = append(got, n.states())
			}
			if want == nil {
				want = got
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q, in UTC: %q", name, got, want)
			}
		}
	}
}

// TestF13LeapSecond: the last second of a day comes twice, just as a key takes
// over. For that second the key before signs again.
func TestF13LeapSecond(t *testing.T) {
	midnight := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", midnight.Add(-minLead))
	first := mustEnsure(t, n.Ring)
	plan, err := n.Rotate(t.Context(), false)
	if err != nil || !plan.SignsFrom.Equal(midnight) {
		t.Fatalf("plan %+v, error %v", plan, err)
	}
	n.live(minLead, time.Minute)
	after := mustSign(t, n.Ring)
	n.step(-time.Second)
	n.maintain()
	again := mustSign(t, n.Ring)
	if n.Active().ID != first.ID {
		t.Errorf("signs with %s", n.Active())
	}
	n.pass(time.Second)
	n.maintain()
	if n.Active().ID != plan.KeyID || len(files(t, storage)) != 2 {
		t.Errorf("signs with %s, the storage holds %q", n.Active(), files(t, storage))
	}
	for _, token := range []string{after, again} {
		if err := verifyAt(t, n.Ring, token); err != nil {
			t.Error(err)
		}
	}
}

// TestF13LeapDay has keys of its own.
func TestF13LeapDay(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", time.Date(2028, 2, 28, 23, 59, 0, 0, time.UTC))
	n.start("EdDSA", Options{RotateEvery: day})
	mustEnsure(t, n.Ring)
	n.live(2*day, 10*time.Minute)
	n.want("retired 2028-02-28, retired 2028-02-29, active 2028-03-01")
}
