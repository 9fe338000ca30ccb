package signing

import (
	"crypto/rsa"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// verifyAt checks a token with the key that the ring has for its kid.
func verifyAt(t *testing.T, r *Ring, token string) error {
	t.Helper()
	m, err := jws.Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	k, err := r.Key(t.Context(), m.Header.KeyID, "")
	if err != nil {
		return err
	}
	return k.Verify(m.SigningInput, m.Signature)
}

func mustSign(t *testing.T, r *Ring) string {
	t.Helper()
	token, id, err := r.Sign([]byte(`{"sub":"billing"}`))
	if err != nil {
		t.Fatal(err)
	}
	if id != r.Active().ID {
		t.Errorf("signed with %s, the active key is %s", id, r.Active().ID)
	}
	return token
}

// madeToday is what the kid of a key that is made at testTime looks like.
var madeToday = regexp.MustCompile(`^2026-03-16\.[1-9][0-9]{5}$`)

// RFC 7515 section 4.1.4: caches go by the kid alone. A storage that is lost and made
// anew on one day gives no old name to a new key. Three in a row do not draw the same
// six digits.
func TestLostStorageRepeatsNoKid(t *testing.T) {
	names := make(map[string]bool)
	for range 3 {
		k := mustEnsure(t, NewRing(newStorage(t), testIssuer, "EdDSA", Options{Now: newClock(testTime).now, Logger: zap.NewNop()}))
		if !madeToday.MatchString(k.ID) {
			t.Errorf("the first key is %s", k.ID)
		}
		names[k.ID] = true
	}
	if len(names) == 1 {
		t.Errorf("all three are %v", names)
	}
}

// Releases before named the first key by the day alone: it signs on, is published
// under its name, and its successor takes over as usual.
func TestKeyOfTheBareDayStaysValid(t *testing.T) {
	storage := newStorage(t)
	old := testKey(t, "2026-03-16", "EdDSA")
	writeFile(t, storage, entryName(old), encoded(t, old))
	c := newClock(testTime)
	r := NewRing(storage, testIssuer, "EdDSA", Options{Now: c.now, Logger: zap.NewNop()})
	if k := mustEnsure(t, r); k.ID != "2026-03-16" || !slices.Equal(published(t, r), []string{"2026-03-16"}) {
		t.Fatalf("active %s, published %q", k.ID, published(t, r))
	}
	token := mustSign(t, r)
	c.advance(time.Second)
	plan, err := r.Rotate(t.Context(), true)
	if err != nil || !madeToday.MatchString(plan.KeyID) || r.Active().ID != plan.KeyID {
		t.Errorf("%+v, %v; active %s", plan, err, r.Active().ID)
	}
	another := newTestRing(storage)
	mustLoad(t, another)
	if err := verifyAt(t, another, token); err != nil {
		t.Error(err)
	}
}

func TestFirstStartMakesOneKey(t *testing.T) {
	storage := newStorage(t)
	r, logs := observedRing(storage, DefaultAlgorithm)
	k := mustEnsure(t, r)

	if k.Algorithm != "RS256" || !madeToday.MatchString(k.ID) || !k.CreatedAt.Equal(testTime) {
		t.Errorf("made %s %s at %s", k.Algorithm, k.ID, k.CreatedAt)
	}
	public, ok := k.Public().Public.(*rsa.PublicKey)
	if !ok || public.N.BitLen() != 2048 || public.E != 65537 {
		t.Errorf("key is %T of %d bits", k.Public().Public, public.N.BitLen())
	}
	names := files(t, storage)
	if len(names) != 1 || names[0] != k.ID+"."+k.Public().Thumbprint()+".json" {
		t.Fatalf("the storage holds %q", names)
	}
	if !regexp.MustCompile(`^2026-03-16\.[0-9]{6}\.[A-Za-z0-9_-]{43}\.json$`).MatchString(names[0]) {
		t.Errorf("entry name %q", names[0])
	}
	info, err := os.Stat(filepath.Join(folderOf(storage), names[0]))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("entry has mode %v, error %v", info.Mode(), err)
	}
	if storage.count("Store") != 1 || storage.count("Lock") != 1 || storage.count("Unlock") != 1 {
		t.Errorf("calls: %v", storage.calls)
	}
	if logs.FilterMessage("signing key created").Len() != 1 {
		t.Errorf("log: %v", logs.All())
	}
}

func TestSecondStartWritesNothing(t *testing.T) {
	storage := newStorage(t)
	first := newTestRing(storage)
	made := mustEnsure(t, first)
	mustEnsure(t, first)
	token := mustSign(t, first)
	before := storage.writes()

	second := newTestRing(storage)
	second.now = newClock(testTime.AddDate(0, 0, 40)).now
	k := mustEnsure(t, second)
	if k.ID != made.ID || k.Public().Thumbprint() != made.Public().Thumbprint() {
		t.Errorf("the second ring uses %s, the first made %s", k.ID, made.ID)
	}
	if storage.writes() != before {
		t.Errorf("the second start wrote: %v", storage.calls)
	}
	if err := verifyAt(t, second, token); err != nil {
		t.Errorf("the first ring's token at the second: %v", err)
	}
	if err := verifyAt(t, first, mustSign(t, second)); err != nil {
		t.Errorf("the second ring's token at the first: %v", err)
	}
}

func TestKeyIDIsTheDayInUTC(t *testing.T) {
	for _, zone := range []*time.Location{
		time.UTC, time.FixedZone("east", 14*60*60), time.FixedZone("west", -12*60*60),
	} {
		r := newTestRing(newStorage(t))
		r.now = func() time.Time { return testTime.In(zone) }
		if k := mustEnsure(t, r); !madeToday.MatchString(k.ID) {
			t.Errorf("%s: kid is %s", zone, k.ID)
		}
	}
}

func TestF28ReadOnlyStorageIsNotWrittenTo(t *testing.T) {
	storage := newStorage(t)
	issuing := newTestRing(storage)
	mustEnsure(t, issuing)

	readOnly := storage.sharing().failing(os.ErrPermission, "Store", "Delete", "Lock", "Unlock")
	verifying := newTestRing(readOnly)
	mustLoad(t, verifying)
	if err := verifyAt(t, verifying, mustSign(t, issuing)); err != nil {
		t.Error(err)
	}
	mustEnsure(t, verifying) // there is a key, so there is nothing to write
	if n := readOnly.writes(); n != 0 {
		t.Errorf("%d attempts to write", n)
	}

	empty := newStorage(t).failing(os.ErrPermission, "Store", "Delete", "Lock", "Unlock")
	mustLoad(t, newTestRing(empty))
	if n := empty.writes(); n != 0 {
		t.Errorf("%d attempts to write to an empty storage", n)
	}
}

func TestSignWithoutKey(t *testing.T) {
	r := newTestRing(newStorage(t))
	if _, _, err := r.Sign([]byte(`{}`)); err != ErrNoKey {
		t.Errorf("error is %v", err)
	}
}
