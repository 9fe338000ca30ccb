package signing

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestChangedAlgorithmIsARotation(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "ES256", testTime)
	mustEnsure(t, n.Ring)
	token := mustSign(t, n.Ring)

	n.start("EdDSA", Options{})
	if k := mustEnsure(t, n.Ring); k.Algorithm != "ES256" {
		t.Errorf("%s signs before it was published", k.Algorithm)
	}
	mustEnsure(t, n.Ring) // makes no other
	n.want("active 2026-03-16, next 2026-03-16")
	n.pass(minLead)
	if k := n.Active(); k.Algorithm != "EdDSA" {
		t.Errorf("%s signs", k.Algorithm)
	}
	if err := verifyAt(t, n.Ring, token); err != nil {
		t.Errorf("a token from before the change: %v", err)
	}

	n.start("ES256", Options{})
	mustEnsure(t, n.Ring)
	n.start("EdDSA", Options{}) // and back before that was published
	mustEnsure(t, n.Ring)
	n.pass(minLead + time.Minute)
	if k := n.Active(); k.Algorithm != "EdDSA" || storage.count("Store") != 4 {
		t.Errorf("%s signs, %d keys were written", k.Algorithm, storage.count("Store"))
	}
}

// TestNodesOfTwoAlgorithms: while a configuration is rolled out, maintenance
// decides nothing about the algorithm.
func TestNodesOfTwoAlgorithms(t *testing.T) {
	storage := newStorage(t)
	before := newNode(t, storage, "ES256", testTime)
	mustEnsure(t, before.Ring)
	after := newNode(t, storage, "EdDSA", testTime)
	mustEnsure(t, after.Ring)
	for range 20 {
		for _, n := range []*node{before, after} {
			n.pass(time.Minute)
			n.maintain()
		}
	}
	if len(files(t, storage)) != 2 || before.Active().Algorithm != "EdDSA" {
		t.Errorf("%q, %s signs", files(t, storage), before.Active().Algorithm)
	}
	before.pass(90 * day) // its schedule makes what was decided last
	before.maintain()
	if s := before.States(); s[len(s)-1].Algorithm != "EdDSA" {
		t.Errorf("states %+v", s)
	}
}

func TestAlgorithmChangeWaitsForAPendingKey(t *testing.T) {
	n := newNode(t, newStorage(t), "ES256", testTime)
	mustEnsure(t, n.Ring)
	n.pass(89 * day)
	n.maintain()
	n.start("EdDSA", Options{})
	mustEnsure(t, n.Ring)
	n.pass(day + time.Second)
	if k := n.Active(); k.Algorithm != "EdDSA" {
		t.Errorf("%s signs", k.Algorithm)
	}
}

func TestRotateOnDemand(t *testing.T) {
	n := newNode(t, newStorage(t), "EdDSA", testTime)
	if _, err := n.Rotate(t.Context(), false); !errors.Is(err, ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	mustEnsure(t, n.Ring)
	plan, err := n.Rotate(t.Context(), false)
	if err != nil || !plan.Made || !plan.SignsFrom.Equal(testTime.Add(minLead)) || plan.RefusedFor != 0 || plan.Warning != "" || plan.Algorithm != "EdDSA" {
		t.Errorf("plan %+v, error %v", plan, err)
	}
	again, err := n.Rotate(t.Context(), false)
	if err != nil || again.Made || again.KeyID != plan.KeyID || len(n.States()) != 2 {
		t.Errorf("again: %+v, error %v", again, err)
	}
	n.pass(minLead)
	if n.Active().ID != plan.KeyID {
		t.Errorf("active is %s", n.Active())
	}
}

func TestRotateNow(t *testing.T) {
	storage := newStorage(t)
	n, peer := newNode(t, storage, "EdDSA", testTime), newNode(t, storage, "EdDSA", testTime)
	mustEnsure(t, n.Ring)
	mustEnsure(t, peer.Ring)
	token := mustSign(t, n.Ring)
	n.pass(time.Minute)
	peer.pass(time.Minute)
	plan, err := n.Rotate(t.Context(), true)
	if err != nil || !plan.Made || plan.RefusedFor != MaxAge || plan.Warning == "" || n.Active().ID != plan.KeyID {
		t.Fatalf("plan %+v, error %v, active %s", plan, err, n.Active())
	}
	if err := verifyAt(t, peer.Ring, mustSign(t, n.Ring)); err != nil {
		t.Errorf("at a peer that has not read it: %v", err)
	}
	if err := verifyAt(t, n.Ring, token); err != nil {
		t.Errorf("a token of the key before: %v", err)
	}
	if peer.maintain(); peer.Active().ID != plan.KeyID {
		t.Errorf("the peer signs with %s", peer.Active())
	}
	n.pass(time.Minute)
	waiting, err := n.Rotate(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	n.pass(time.Minute)
	plan, err = n.Rotate(t.Context(), true)
	if err != nil || n.Active().ID != plan.KeyID || !strings.Contains(plan.Warning, waiting.KeyID) {
		t.Errorf("with a key waiting: %+v, error %v", plan, err)
	}
	n.pass(time.Minute)
	if again, err := n.Rotate(t.Context(), true); err != nil || again.KeyID == plan.KeyID {
		t.Errorf("again: %+v, error %v", again, err)
	}
}
