package signing

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// outsideKey is a key as it is read from outside.
func outsideKey(tb testing.TB, kid string) *Key {
	tb.Helper()
	keys, err := parsePrivateKeys(jwkSet(tb, jwkOf(testKey(tb, "2026-03-16", "ES256"), kid)), "")
	if err != nil {
		tb.Fatal(err)
	}
	k := keys[0]
	if k.kid, err = outsideID(); err != nil {
		tb.Fatal(err)
	}
	k.CreatedAt, k.SignsFrom = testTime, testTime
	return k
}

func jwkOf(k *Key, kid string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private, KeyID: kid, Algorithm: k.Algorithm, Use: "sig"}
}

func jwkSet(tb testing.TB, keys ...jose.JSONWebKey) []byte {
	tb.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// place is somewhere outside that keys come from.
type place struct {
	text []byte
	err  error
}

func (p *place) load() ([]byte, error) { return p.text, p.err }

func (p *place) hold(tb testing.TB, keys ...jose.JSONWebKey) { p.text = jwkSet(tb, keys...) }

// outsideNode is a process whose keys come from the place.
func outsideNode(t *testing.T, storage *faultyStorage, wall *clock, p *place) *node {
	t.Helper()
	n := &node{t: t, storage: storage, wall: wall}
	n.start("", Options{Outside: NewOutside("signing.jwk", "", p.load)})
	return n
}

func (n *node) signsWith(kid string) {
	n.t.Helper()
	if _, got, err := n.Sign([]byte(`{}`)); err != nil || got != kid {
		n.t.Errorf("at %s it signs with %s, not %s: %v", n.wall.now().UTC(), got, kid, err)
	}
}

// Rotation follows the place: a new key is published before it signs, the one
// before signs until then, though it is gone from there, and verifies for as long
// as its tokens live.
func TestKeysFromOutsideRotate(t *testing.T) {
	a, b, p := jwkOf(testKey(t, "2026-03-16", "ES256"), "a"), jwkOf(testKey(t, "2026-03-16", "RS256"), "b"), new(place)
	n := outsideNode(t, newStorage(t), newClock(testTime), p)
	p.hold(t, a)
	mustEnsure(t, n.Ring)
	n.signsWith("a")
	token := mustSign(t, n.Ring)

	p.hold(t, b)
	n.pass(MaintenanceInterval)
	n.maintain()
	n.signsWith("a")
	if got := published(t, n.Ring); len(got) != 2 {
		t.Fatalf("published %v", got)
	}
	n.pass(minLead - 1)
	n.signsWith("a")
	n.pass(1)
	n.signsWith("b")
	if err := verifyAt(t, n.Ring, token); err != nil {
		t.Error(err)
	}
	n.live(retention+minLead, 5*time.Minute)
	if got := published(t, n.Ring); len(got) != 1 || got[0] != "b" {
		t.Errorf("in the end published: %v", got)
	}
}

// The storage has the public halves alone.
func TestPrivateKeysFromOutsideAreNotStored(t *testing.T) {
	k, p := testKey(t, "2026-03-16", "RS256"), new(place)
	p.hold(t, jwkOf(k, "a"))
	n := outsideNode(t, newStorage(t), newClock(testTime), p)
	mustEnsure(t, n.Ring)
	for _, name := range files(t, n.storage) {
		data, err := os.ReadFile(folderOf(n.storage) + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		noSecrets(t, encoded(t, k), string(data))
	}
	// So a server that only verifies knows them.
	reader := restarted(t, n, "ES256", Options{})
	mustLoad(t, reader.Ring)
	if err := verifyAt(t, reader.Ring, mustSign(t, n.Ring)); err != nil {
		t.Error(err)
	}
}

// A node that has the new file later than the others does not undo what they did,
// and all accept the tokens of all meanwhile, restarts included.
func TestANodeThatLagsDoesNotTurnTheKeysBack(t *testing.T) {
	a, b := jwkOf(testKey(t, "2026-03-16", "ES256"), "a"), jwkOf(testKey(t, "2026-03-16", "ES256"), "b")
	storage, wall, fresh, late := newStorage(t), newClock(testTime), new(place), new(place)
	fresh.hold(t, a)
	late.hold(t, a)
	one, two := outsideNode(t, storage, wall, fresh), outsideNode(t, storage, wall, late)
	mustEnsure(t, one.Ring)
	mustEnsure(t, two.Ring)
	check := func() {
		t.Helper()
		for _, from := range []*node{one, two} {
			for _, at := range []*node{one, two} {
				if err := verifyAt(t, at.Ring, mustSign(t, from.Ring)); err != nil {
					t.Error(err)
				}
			}
		}
	}
	fresh.hold(t, b)
	for range 30 {
		wall.advance(MaintenanceInterval)
		one.elapsed, two.elapsed = one.elapsed+MaintenanceInterval, two.elapsed+MaintenanceInterval
		one.maintain()
		two.maintain()
		check()
	}
	if got := files(t, storage); len(got) != 2 {
		t.Errorf("entries %v", got)
	}
	one.signsWith("b")
	two.signsWith("a")
	two = outsideNode(t, storage, wall, late) // starts again, with the old file still
	mustEnsure(t, two.Ring)
	two.signsWith("a")
	check()
	if got := files(t, storage); len(got) != 2 {
		t.Errorf("after a restart: entries %v", got)
	}
	late.hold(t, b)
	two.pass(MaintenanceInterval)
	two.maintain()
	two.signsWith("b")
	check()
}

// Who puts the old key back gets it back, after everyone has been told.
func TestAKeyFromOutsideComesBack(t *testing.T) {
	a, b, p := jwkOf(testKey(t, "2026-03-16", "ES256"), "a"), jwkOf(testKey(t, "2026-03-16", "ES256"), "b"), new(place)
	n := outsideNode(t, newStorage(t), newClock(testTime), p)
	p.hold(t, a, b)
	mustEnsure(t, n.Ring)
	if got := published(t, n.Ring); len(got) != 2 {
		t.Errorf("published %v", got)
	}
	for _, row := range []struct {
		keys []jose.JSONWebKey
		kid  string
	}{{[]jose.JSONWebKey{b, a}, "b"}, {[]jose.JSONWebKey{a, b}, "a"}, {[]jose.JSONWebKey{b}, "b"}} {
		p.hold(t, row.keys...)
		n.live(minLead+MaintenanceInterval, MaintenanceInterval)
		n.signsWith(row.kid)
	}
	n.live(2*retention, 5*time.Minute)
	n.signsWith("b")
	if got := files(t, n.storage); len(got) != 1 {
		t.Errorf("entries %v", got)
	}
}

// A place that breaks changes nothing while it is broken, and is told.
func TestABrokenPlaceKeepsTheKeys(t *testing.T) {
	a, p := jwkOf(testKey(t, "2026-03-16", "ES256"), "a"), new(place)
	n := outsideNode(t, newStorage(t), newClock(testTime), p)
	p.hold(t, a)
	mustEnsure(t, n.Ring)
	writes := n.storage.writes()
	for name, broken := range map[string]place{
		"gone":       {err: os.ErrNotExist},
		"empty":      {},
		"half":       {text: p.text[:len(p.text)/2]},
		"public key": {text: []byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`)},
		"same kid":   {text: jwkSet(t, jwkOf(testKey(t, "2026-03-16", "ES256"), "a"))},
	} {
		good := *p
		*p = broken
		n.pass(MaintenanceInterval)
		if err := n.Maintain(t.Context()); err == nil || !strings.Contains(err.Error(), "signing.jwk") {
			t.Errorf("%s: Maintain: %v", name, err)
		}
		n.signsWith("a")
		*p = good
	}
	if n.storage.count("Store") != 1 {
		t.Errorf("writes: %d, then %v", writes, n.storage.calls)
	}
	n.maintain()
	if _, err := n.Rotate(t.Context(), false); !errors.Is(err, ErrOutside) {
		t.Errorf("Rotate: %v", err)
	}
	p.err = os.ErrPermission
	if err := outsideNode(t, newStorage(t), newClock(testTime), p).Ensure(t.Context()); !errors.Is(err, os.ErrPermission) {
		t.Errorf("Ensure: %v", err)
	}
}

// To take keys from outside, and to stop it, are rotations like any other.
func TestFromInsideToOutsideAndBack(t *testing.T) {
	n := newNode(t, newStorage(t), "ES256", testTime)
	own := mustEnsure(t, n.Ring)
	token, p := mustSign(t, n.Ring), new(place)
	p.hold(t, jwkOf(testKey(t, "2026-03-16", "RS256"), "from-outside"))
	o := Options{Outside: NewOutside("signing.jwk", "", p.load), Predecessor: n.Ring}
	n.start("", o)
	mustEnsure(t, n.Ring)
	n.signsWith(own.ID)
	n.pass(minLead)
	n.signsWith("from-outside")
	if err := verifyAt(t, n.Ring, token); err != nil {
		t.Error(err)
	}
	token = mustSign(t, n.Ring)
	n.start("ES256", Options{Predecessor: n.Ring})
	mustEnsure(t, n.Ring)
	n.signsWith("from-outside")
	n.pass(minLead)
	if _, kid, err := n.Sign([]byte(`{}`)); err != nil || kid == own.ID || kid == "from-outside" {
		t.Errorf("it signs with %s: %v", kid, err)
	}
	if err := verifyAt(t, n.Ring, token); err != nil {
		t.Error(err)
	}
}

func TestPrivateKeysAreReadInEveryUsualForm(t *testing.T) {
	rsaKey, ecKey, edKey := testKey(t, "2026-03-16", "RS256"), testKey(t, "2026-03-16", "ES384"), testKey(t, "2026-03-16", "EdDSA")
	block := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pkcs8 := func(k *Key) string {
		der, err := x509.MarshalPKCS8PrivateKey(k.private)
		return block("PRIVATE KEY", der, err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: edKey.private})
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		text, algorithm string
		want            string // algorithm:kid, T for the thumbprint, or a part of the error
	}{
		"PKCS #8, RSA":        {pkcs8(rsaKey), "", "RS256:T"},
		"PKCS #8, RSA as PS":  {pkcs8(rsaKey), "PS512", "PS512:T"},
		"PKCS #8, EC":         {pkcs8(ecKey), "", "ES384:T"},
		"PKCS #8, Ed25519":    {pkcs8(edKey), "", "EdDSA:T"},
		"beside others":       {block("CERTIFICATE", []byte("x"), nil) + pkcs8(edKey) + "rest", "", "EdDSA:T"},
		"two":                 {pkcs8(edKey) + pkcs8(ecKey), "", "EdDSA:T ES384:T"},
		"JWK":                 {string(jwk), "", "EdDSA:T"},
		"JWK Set":             {string(jwkSet(t, jwkOf(rsaKey, "x"), jwkOf(ecKey, "y"))), "EdDSA", "RS256:x ES384:y"},
		"algorithm that errs": {pkcs8(ecKey), "RS256", "does not fit"},
		"wrong curve":         {pkcs8(ecKey), "ES256", "does not fit"},
		"passphrase":          {block("ENCRYPTED PRIVATE KEY", []byte("x"), nil), "", "openssl pkey"},
		"broken":              {block("PRIVATE KEY", []byte("x"), nil), "", "cannot be read"},
		"no key":              {block("CERTIFICATE", []byte("x"), nil), "", "no private key"},
		"nothing":             {"", "", "no private key"},
		"symmetric":           {`{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`, "", "not a private key"},
		"names repeated":      {`{"kty":"oct","kty":"oct","k":"AA"}`, "", "strict JSON"},
		"a key twice":         {string(jwkSet(t, jwkOf(rsaKey, "x"), jwkOf(ecKey, "y"), jwkOf(rsaKey, "x"))), "", "RS256:x ES384:y"},
		"kid twice":           {string(jwkSet(t, jwkOf(rsaKey, "x"), jwkOf(ecKey, "x"))), "", `kid "x" of another`},
		"kid with a space":    {string(jwkSet(t, jwkOf(rsaKey, "a b"))), "", "kid is not"},
		"for encryption":      {strings.Replace(string(jwkSet(t, jwkOf(rsaKey, "x"))), `"use":"sig"`, `"use":"enc"`, 1), "", "its use"},
		"empty set":           {`{"keys":[]}`, "", "no private key"},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := parsePrivateKeys([]byte(row.text), row.algorithm)
			var got []string
			for _, k := range keys {
				kid := k.ID
				if kid == k.Public().Thumbprint() {
					kid = "T"
				}
				got = append(got, k.Algorithm+":"+kid)
			}
			if err != nil {
				got = []string{err.Error()}
			}
			if s := strings.Join(got, " "); s != row.want && (err == nil || !strings.Contains(s, row.want)) {
				t.Errorf("got %s, want %s", s, row.want)
			}
		})
	}
}

func FuzzPrivateKeys(f *testing.F) {
	k := testKey(f, "2026-03-16", "ES256")
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), "")
	f.Add(jwkSet(f, jwkOf(k, "x")), "ES256")
	f.Add(bytes.TrimSuffix(jwkSet(f, jwkOf(k, "x")), []byte("}")), "ES256")
	f.Fuzz(func(t *testing.T, text []byte, algorithm string) {
		keys, err := parsePrivateKeys(text, algorithm)
		if (err == nil) == (len(keys) == 0) {
			t.Fatalf("%d keys and %v", len(keys), err)
		}
		for _, k := range keys {
			if k.ID == "" || !k.signs() || !k.outside {
				t.Fatalf("a key that is none: %+v", k)
			}
		}
	})
}
