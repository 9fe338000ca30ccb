package signing

import (
	"os"
	"testing"
	"time"

	"go.uber.org/zap"
)

// TestF13ClockSteps: no rotation storm, and no key is deleted early.
func TestF13ClockSteps(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 3650 * day, -3650 * day, 45 * day, -45 * day} {
		t.Run(step.String(), func(t *testing.T) {
			storage := newStorage(t)
			n, peer := newNode(t, storage, "EdDSA", testTime), newNode(t, storage, "EdDSA", testTime)
			mustEnsure(t, n.Ring)
			mustEnsure(t, peer.Ring)
			n.pass(day)
			peer.pass(day)
			if _, err := n.Rotate(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			n.live(time.Hour, time.Minute)
			peer.live(time.Hour, time.Minute)
			token := mustSign(t, n.Ring)
			both := func(d time.Duration) {
				for range d / (10 * time.Minute) {
					n.live(10*time.Minute, 10*time.Minute)
					peer.live(10*time.Minute, 10*time.Minute)
				}
			}

			n.step(step)
			both(23 * time.Hour)
			if got := len(files(t, storage)); got > 3 {
				t.Errorf("after the step: %d keys", got)
			}
			n.step(-step)
			both(time.Hour)
			if got := len(files(t, storage)); got > 3 {
				t.Errorf("after the step back: %d keys", got)
			}
			if storage.count("Delete") != 0 {
				t.Error("a key was deleted early")
			}
			if !sameKey(n.Active(), peer.Active()) {
				t.Errorf("they sign with %s and %s", n.Active(), peer.Active())
			}
			for _, r := range []*Ring{n.Ring, peer.Ring} {
				for _, token := range []string{token, mustSign(t, n.Ring), mustSign(t, peer.Ring)} {
					if err := verifyAt(t, r, token); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

func TestF13NothingIsDeletedThatThisProcessHasNotWatched(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	mustEnsure(t, n.Ring)
	if _, err := n.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	n.pass(90 * day)
	n.start("EdDSA", Options{RotateEvery: -1}) // a new process
	mustEnsure(t, n.Ring)
	n.maintain()
	n.pass(retention - 1)
	n.maintain()
	n.want("retired 2026-03-16, active 2026-03-16")
	n.pass(1)
	n.maintain()
	n.want("active 2026-03-16")
}

func TestF13KeyFarAheadIsPublishedAndWaits(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	mustEnsure(t, n.Ring)
	wrong := newNode(t, storage, "EdDSA", testTime.AddDate(10, 0, 0))
	mustLoad(t, wrong.Ring)
	wrong.maintain()
	for range 5 {
		n.pass(time.Minute)
		n.maintain()
	}
	n.want("active 2026-03-16, next 2036-03-16")
	if len(published(t, n.Ring)) != 2 || !n.States()[0].RetiresAt.IsZero() {
		t.Errorf("published %q, states %+v", published(t, n.Ring), n.States())
	}
	if got := n.logs.FilterLevelExact(zap.WarnLevel).Len(); got != 1 {
		t.Errorf("warned %d times: %v", got, n.logs.All())
	}
	n.pass(89 * day)
	n.maintain()
	n.want("active 2026-03-16, next 2026-06-13, next 2036-03-16")

	far := n.States()[2]
	if err := os.Remove(storage.Filename(far.Entry)); err != nil {
		t.Fatal(err)
	}
	n.maintain()
	n.want("active 2026-03-16, next 2026-06-13")
}

func TestF13FirstKeyOfAWrongClock(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime.AddDate(10, 0, 0))
	mustEnsure(t, n.Ring)
	n.step(testTime.Sub(n.wall.now()))
	mustSign(t, n.Ring)
	n.live(time.Hour, time.Minute)
	n.want("active 2026-03-16, next 2036-03-16")
	if plan, err := n.Rotate(t.Context(), false); err != nil || !plan.Made {
		t.Errorf("plan %+v, error %v", plan, err)
	}
}
