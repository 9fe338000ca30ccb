package jwks

import (
	"bytes"
	"crypto/ed25519"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// fixedJWK is the same in every process, so that seeds stay valid.
func fixedJWK(tb testing.TB, kid string) object {
	tb.Helper()
	public := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)).Public()
	key, err := jws.NewKey(kid, "EdDSA", public)
	if err != nil {
		tb.Fatal(err)
	}
	jwk := key.JWK()
	return object{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": kid, "x": strings.Split(string(encode(tb, jwk)), `"x":"`)[1][:43]}
}

// FuzzKeySet: whatever the network sends, the keys of a set are each under its
// own kid and of an accepted algorithm, and reads back from the storage as it is.
func FuzzKeySet(f *testing.F) {
	good := setOf(f, fixedJWK(f, "a"), fixedJWK(f, "b"))
	for _, seed := range []string{
		good, good[:len(good)/2], "", "null", "{}", `{"keys":[]}`, `{"keys":[null,1,{}]}`, setOf(f, rsaJWK("RS256")), setOf(f, rsaJWK("")),
		setOf(f, fixedJWK(f, "a"), fixedJWK(f, "a")), setOf(f, fixedJWK(f, "")), setOf(f, fixedJWK(f, "\u2028\x00é")),
		strings.Replace(good, `"alg":"EdDSA",`, "", 1), strings.Replace(good, "EdDSA", "Ed25519", 1), strings.Repeat(`{"keys":[`, 50),
	} {
		f.Add([]byte(seed))
	}
	algorithms := []string{"EdDSA", "PS256", "ES256"}
	f.Fuzz(func(t *testing.T, body []byte) {
		k, err := parseKeys(algorithms, document{body: body, from: testJWKS, url: testJWKS}, nil)
		if err != nil {
			if k != nil || len(err.Error()) > 2*maxReason*4 {
				t.Fatalf("%+v beside an error of %d bytes", k, len(err.Error()))
			}
			return
		}
		if k.count > jws.MaxKeys || (k.usable() == nil) != (k.count > 0) {
			t.Fatalf("%d keys: %v", k.count, k.usable())
		}
		for _, key := range k.all() {
			if found, ok := k.key(key.ID, key.Algorithm); key.ID == "" || !ok || found != key || !slices.Contains(algorithms, key.Algorithm) {
				t.Fatalf("%+v", key)
			}
		}
		at := time.Unix(1e9, 0)
		entry, err := encodeEntry(testIssuer, false, k, at)
		if err != nil {
			t.Fatal(err)
		}
		again, fetchedAt, err := decodeEntry(entry, testIssuer, place{jwksURL: testJWKS}, algorithms)
		if err != nil || !fetchedAt.Equal(at) || !slices.Equal(again.without(nil), k.without(nil)) {
			t.Fatalf("%s reads as %+v: %v", entry, again, err)
		}
		again, err = parseKeys(algorithms, document{body: body}, k)
		if err != nil {
			t.Fatal(err)
		}
		if added, removed := again.changes(k); len(added)+len(removed) != 0 {
			t.Fatalf("the same document adds %q and removes %q", added, removed)
		}
	})
}

// FuzzEntry: what the storage holds is believed no further than the network.
func FuzzEntry(f *testing.F) {
	k, err := parseKeys([]string{"EdDSA"}, document{body: []byte(setOf(f, fixedJWK(f, "a"))), url: testJWKS}, nil)
	if err != nil {
		f.Fatal(err)
	}
	entry, err := encodeEntry(testIssuer, false, k, time.Unix(1e9, 0))
	if err != nil {
		f.Fatal(err)
	}
	good := string(entry)
	for _, seed := range []string{
		good, good[:len(good)-1], "", "{}", strings.Replace(good, `:1,`, `:1e0,`, 1), strings.Replace(good, `:1,`, `:1.0,`, 1),
		strings.Replace(good, "2001-", "9999-", 1), strings.Replace(good, "2001-", "-001-", 1), strings.Replace(good, testIssuer, "x", 1), discovered(good),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		k, _, err := decodeEntry(data, testIssuer, place{jwksURL: testJWKS}, []string{"EdDSA"})
		if err != nil {
			if k != nil {
				t.Fatal("keys beside an error")
			}
			return
		}
		if !k.restored || k.url != testJWKS || !bytes.Contains(data, []byte(`"version"`)) {
			t.Fatalf("%+v", k)
		}
	})
}

// FuzzMetadata: only the issuer itself says where its keys are, and only https
// leads off the machine.
func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{
		metadata(testIssuer, testJWKS), metadata(testIssuer, "https://keys.example/x?y"), metadata(testIssuer, "http://evil.example"),
		metadata(testIssuer, "https:keys"), metadata(testIssuer, "//keys"), metadata(testIssuer, "HTTP://LOCALHOST"), metadata(testIssuer, "https://[::1%25lo]/"),
		metadata("x", testJWKS), "", "{}", "[]", `{"issuer":"` + testIssuer + `"}`, metadata(testIssuer, "http://localhost:x"), metadata(testIssuer, "https://a@b#"),
	} {
		f.Add([]byte(seed))
	}
	w := newWeb(Options{Issuer: testIssuer})
	f.Fuzz(func(t *testing.T, body []byte) {
		found, err := parseMetadata(testIssuer, body)
		if err != nil || w.allowed(found) != nil {
			return
		}
		u, err := url.Parse(found)
		if err != nil || u.Hostname() == "" || u.User != nil || !weburl.IsProtected(u) {
			t.Fatalf("%q is allowed", found)
		}
	})
}

// FuzzMaxAge: no header makes a fetch due in the past, or never.
func FuzzMaxAge(f *testing.F) {
	for _, seed := range []string{"", "max-age=60", `max-age="60", no-cache`, "max-age=-1", "max-age=99999999999999999999", "MAX-AGE = 5", "max-age=2147483648", ",,=,"} {
		f.Add(seed)
	}
	s, err := New(Options{Issuer: testIssuer, Algorithms: []string{"EdDSA"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		due := s.refreshAfter(document{maxAge: maxAge(http.Header{"Cache-Control": {header}})})
		if due < minRefresh || due > maxRefresh {
			t.Fatalf("%q: %s", header, due)
		}
		if early := jittered(due); early > due || early < due*4/5 {
			t.Fatalf("%s of %s", early, due)
		}
	})
}
