package signing

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

func TestKeySetIsPublicAndNewestFirst(t *testing.T) {
	storage := newStorage(t)
	ids := []string{"2026-03-16.10", "2026-03-16.9", "2026-03-16.2", "2026-03-16", "2026-03-15.2"}
	for i, id := range ids {
		addKey(t, storage, id, []string{"RS256", "ES256", "ES384", "ES512", "EdDSA"}[i])
	}
	r := newTestRing(storage)
	mustLoad(t, r)

	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(r.KeySet().JSON, &set); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range set.Keys {
		got = append(got, k["kid"].(string))
		for member := range k {
			if !slices.Contains([]string{"kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"}, member) {
				t.Errorf("key %s has the member %q", k["kid"], member)
			}
		}
		if k["use"] != "sig" || !jws.Supported(k["alg"].(string)) {
			t.Errorf("key %s: use %v, alg %v", k["kid"], k["use"], k["alg"])
		}
	}
	if !slices.Equal(got, ids) {
		t.Errorf("kids %q, want %q", got, ids)
	}
	// What a relying party makes of it.
	parsed, err := jws.ParseKeySet(r.KeySet().JSON)
	if err != nil || len(parsed.Skipped) != 0 || len(parsed.Keys()) != len(ids) {
		t.Errorf("parsed %d keys, skipped %v, error %v", len(parsed.Keys()), parsed.Skipped, err)
	}
}

func TestKeySetETag(t *testing.T) {
	storage := newStorage(t)
	r := newTestRing(storage)
	empty := r.KeySet()
	if string(empty.JSON) != `{"keys":[]}` {
		t.Errorf("empty set is %s", empty.JSON)
	}
	mustLoad(t, r)
	if got := r.KeySet(); got.ETag != empty.ETag || string(got.JSON) != string(empty.JSON) {
		t.Errorf("empty after reading: %s %s, before: %s %s", got.ETag, got.JSON, empty.ETag, empty.JSON)
	}

	addKey(t, storage, "2026-03-16", "EdDSA")
	mustLoad(t, r)
	one := r.KeySet()
	mustLoad(t, r)
	other := newTestRing(storage)
	mustLoad(t, other)
	if r.KeySet().ETag != one.ETag || other.KeySet().ETag != one.ETag {
		t.Error("the ETag of one set differs between reads or nodes")
	}

	addKey(t, storage, "2026-03-16.2", "EdDSA")
	mustLoad(t, r)
	two := r.KeySet()
	if one.ETag == empty.ETag || two.ETag == one.ETag || two.ETag == empty.ETag {
		t.Errorf("ETags %s, %s, %s", empty.ETag, one.ETag, two.ETag)
	}
	for _, tag := range []string{empty.ETag, one.ETag, two.ETag} {
		if !strings.HasPrefix(tag, `"`) || !strings.HasSuffix(tag, `"`) || len(tag) < 20 {
			t.Errorf("ETag %s is not a quoted digest", tag)
		}
	}
}

func TestFolderNames(t *testing.T) {
	seen := make(map[string]string)
	for _, issuer := range []string{
		"https://a/b", "https://a-b", "https://a_b", "https://a/B", "https://A/b", "http://a/b",
		"https://a:8443", "https://a8443", "https://a-8443", "https://a/../b", "https://[::1]:8443",
		"https://a/" + strings.Repeat("x", 400), "https://a/" + strings.Repeat("x", 401),
	} {
		name := path.Base(storage.Folder(issuer))
		if before, found := seen[strings.ToLower(name)]; found {
			t.Errorf("%s and %s share the folder %s", issuer, before, name)
		}
		seen[strings.ToLower(name)] = issuer
		if s := newStore(nil, issuer); !strings.Contains(s.folder, name) || !strings.Contains(s.lockName(), name) {
			t.Errorf("%s has the folder %s and the lock %s", issuer, s.folder, s.lockName())
		}
		if strings.ContainsAny(name, "/\\:") || strings.Contains(name, "..") || len(name) > 200 {
			t.Errorf("%s has the folder %s", issuer, name)
		}
	}
	if !strings.HasPrefix(storage.Folder(testIssuer), "tokenidp/idp.example.com-") {
		t.Errorf("folder %s", storage.Folder(testIssuer))
	}
}

func TestIssuersDoNotShareKeys(t *testing.T) {
	storage := newStorage(t)
	a, b := newTestRing(storage), newTestRing(storage)
	b.store = newStore(storage, testIssuer+"/b")
	mustEnsure(t, a)
	mustEnsure(t, b)
	if a.Active().Public().Thumbprint() == b.Active().Public().Thumbprint() {
		t.Error("two issuers sign with one key")
	}
	if err := verifyAt(t, b, mustSign(t, a)); err == nil {
		t.Error("a token of one issuer verifies with the keys of the other")
	}
	if a.store.lockName() == b.store.lockName() {
		t.Error("two issuers share a lock")
	}
}
