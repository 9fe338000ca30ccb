package signing

import (
	"slices"
	"testing"
	"time"
)

func TestKeyIsPublishedThenActiveThenRetiredThenDeleted(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	first := mustEnsure(t, n.Ring)
	n.maintain()
	n.want("active 2026-03-16")

	n.pass(89*day - time.Second)
	n.maintain()
	n.want("active 2026-03-16")
	n.pass(time.Second)
	n.maintain()
	n.want("active 2026-03-16, next 2026-06-13")
	next := n.States()[1]
	if !next.SignsFrom.Equal(testTime.Add(90*day)) || !slices.Contains(published(t, n.Ring), next.ID) {
		t.Errorf("next is %+v, published %q", next, published(t, n.Ring))
	}
	if s := n.States()[0]; !s.RetiresAt.Equal(next.SignsFrom) || !s.DeletesAt.Equal(next.SignsFrom.Add(retention)) || !next.RetiresAt.IsZero() {
		t.Errorf("states %+v", n.States())
	}
	token := mustSign(t, n.Ring)

	calls := len(storage.calls)
	n.pass(day - 1)
	if n.Active().ID != first.ID {
		t.Error("changed over too early")
	}
	n.pass(1)
	if n.Active().ID != next.ID || len(storage.calls) != calls {
		t.Errorf("active %s, calls %v", n.Active(), storage.calls[calls:])
	}
	mustSign(t, n.Ring)
	n.want("retired 2026-03-16, active 2026-06-13")
	n.maintain() // sees that the first key is retired

	n.pass(retention - 1)
	n.maintain()
	if err := verifyAt(t, n.Ring, token); err != nil {
		t.Errorf("before the key is due: %v", err)
	}
	n.pass(1)
	n.maintain()
	n.want("active 2026-06-13")
	if got := files(t, storage); len(got) != 1 || got[0] != entryName(n.Active()) || storage.count("Delete") != 1 {
		t.Errorf("the storage holds %q", got)
	}
	if err := verifyAt(t, n.Ring, token); err == nil {
		t.Error("verifies with a deleted key")
	}
	for _, message := range []string{"signing key created", "signing key deleted; its last token has expired"} {
		if n.logs.FilterMessage(message).Len() == 0 {
			t.Errorf("not logged: %s", message)
		}
	}
}

func TestSuccessorIsMadeOnce(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	mustEnsure(t, n.Ring)
	n.pass(89 * day)
	for range 10 {
		n.maintain()
		peer := newNode(t, storage, "EdDSA", n.wall.now())
		mustEnsure(t, peer.Ring)
		peer.maintain()
	}
	if got := len(files(t, storage)); got != 2 {
		t.Errorf("%d keys", got)
	}
	if storage.count("Lock") != 2 {
		t.Errorf("locked %d times", storage.count("Lock"))
	}
}

func TestLateRotationIsPublishedFirst(t *testing.T) {
	n := newNode(t, newStorage(t), "EdDSA", testTime)
	mustEnsure(t, n.Ring)
	n.pass(400 * day)
	n.maintain()
	if s := n.States()[1]; !s.SignsFrom.Equal(n.wall.now().Add(minLead)) {
		t.Errorf("signs from %s, made at %s", s.SignsFrom, n.wall.now())
	}
}

func TestRotationOff(t *testing.T) {
	n := newNode(t, newStorage(t), "EdDSA", testTime)
	n.start("EdDSA", Options{RotateEvery: -1})
	mustEnsure(t, n.Ring)
	n.pass(9999 * day)
	n.maintain()
	n.want("active 2026-03-16")
	if _, err := n.Rotate(t.Context(), false); err != nil {
		t.Error(err)
	}
	n.pass(minLead)
	n.maintain()
	if len(n.States()) != 2 || n.States()[1].State != Active {
		t.Errorf("states %+v", n.States())
	}
}

func TestSuccessorOfARingRemembers(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	mustEnsure(t, n.Ring)
	if _, err := n.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	n.pass(time.Hour)
	for range 60 { // a new configuration every hour
		n.maintain()
		n.start("EdDSA", Options{Predecessor: n.Ring})
		if n.Active() == nil {
			t.Fatal("the keys are not taken over")
		}
		n.pass(time.Hour)
	}
	if storage.count("Delete") != 1 || len(n.States()) != 1 {
		t.Errorf("states %+v", n.States())
	}
}

// TestF27EntryWithoutSignsFrom: it signed from the moment it was made.
func TestF27EntryWithoutSignsFrom(t *testing.T) {
	k := testKey(t, "2026-03-16", "EdDSA")
	data := encoded(t, k)
	for what, e := range map[string][]byte{
		"missing": edited(t, data, func(e, _ map[string]any) { delete(e, "signs_from") }),
		"null":    edited(t, data, func(e, _ map[string]any) { e["signs_from"] = nil }),
		"unknown members": edited(t, data, func(e, _ map[string]any) {
			delete(e, "signs_from")
			e["retires_from"] = "2026-03-17T00:00:00Z"
		}),
	} {
		got, err := decodeEntry(e, testIssuer, keyID{"2026-03-16", 1}, k.Public().Thumbprint())
		if err != nil || !got.SignsFrom.Equal(k.CreatedAt) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
}
