package signing

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/zap"
)

const badID = "2026-03-15"

// bad is an entry that must not be used.
type bad struct {
	name string
	data []byte
}

// badEntries are the ways in which an entry can be wrong, by what is wrong.
func badEntries(t *testing.T) map[string]bad {
	good := testKey(t, badID, "ES256")
	name, data := entryName(good), encoded(t, good)
	edit := func(f func(e, k map[string]any)) bad { return bad{name, edited(t, data, f)} }
	other := testKey(t, badID, "ES256")
	renamed := testKey(t, "2026-03-14", "ES256")
	return map[string]bad{
		"zero length":        {name, nil},
		"truncated":          {name, data[:len(data)/2]},
		"zeros":              {name, make([]byte, len(data))},
		"trailing data":      {name, append(bytes.Clone(data), data...)},
		"null":               {name, []byte("null")},
		"array":              {name, []byte("[]")},
		"bare key":           {name, bareKey(t, data)},
		"version 3":          edit(func(e, k map[string]any) { e["version"] = 3; e["key"] = "sealed" }),
		"version 0":          edit(func(e, k map[string]any) { e["version"] = 0 }),
		"foreign issuer":     edit(func(e, k map[string]any) { e["issuer"] = testIssuer + "/other" }),
		"no issuer":          edit(func(e, k map[string]any) { delete(e, "issuer") }),
		"other kid":          edit(func(e, k map[string]any) { e["kid"] = "2026-03-14" }),
		"other kid in key":   edit(func(e, k map[string]any) { k["kid"] = "2026-03-14" }),
		"kid of name only":   {badID + "." + renamed.Public().Thumbprint() + ".json", encoded(t, renamed)},
		"other thumbprint":   {entryName(other), data},
		"public only":        edit(func(e, k map[string]any) { delete(k, "d") }),
		"no key":             edit(func(e, k map[string]any) { delete(e, "key") }),
		"symmetric":          edit(func(e, k map[string]any) { e["key"] = map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": badID} }),
		"for encryption":     edit(func(e, k map[string]any) { k["use"] = "enc" }),
		"no algorithm":       edit(func(e, k map[string]any) { delete(k, "alg") }),
		"other algorithm":    edit(func(e, k map[string]any) { k["alg"] = "ES384" }),
		"unknown algorithm":  edit(func(e, k map[string]any) { k["alg"] = "HS256" }),
		"signs_from number":  edit(func(e, k map[string]any) { e["signs_from"] = 1773703800 }),
		"signs_from object":  edit(func(e, k map[string]any) { e["signs_from"] = map[string]any{} }),
		"signs_from words":   edit(func(e, k map[string]any) { e["signs_from"] = "tomorrow" }),
		"signs_from day":     edit(func(e, k map[string]any) { e["signs_from"] = "2026-03-16" }),
		"bad date":           edit(func(e, k map[string]any) { e["created_at"] = "yesterday" }),
		"d is a number":      edit(func(e, k map[string]any) { k["d"] = 12345 }),
		"d is zero":          edit(func(e, k map[string]any) { k["d"] = base64.RawURLEncoding.EncodeToString(make([]byte, 32)) }),
		"EC mismatch":        mismatch(t, "ES256"),
		"P-521 mismatch":     mismatch(t, "ES512"),
		"Ed25519 mismatch":   mismatch(t, "EdDSA"),
		"RSA mismatch":       mismatch(t, "RS256"),
		"RSA other primes":   otherPrimes(t),
		"RSA trivial primes": trivialPrimes(t),
		"RSA 1024":           rsaEntry(t, rsaKey(t, 1024, 65537)),
		"RSA exponent 3":     rsaEntry(t, rsaKey(t, 2048, 3)),
	}
}

func bareKey(t *testing.T, data []byte) []byte {
	var e struct {
		Key json.RawMessage `json:"key"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		t.Fatal(err)
	}
	return e.Key
}

// mismatch joins the public half of one key to the private half of another; name
// and thumbprint are those of the public half.
func mismatch(t *testing.T, algorithm string) bad {
	k, other := testKey(t, badID, algorithm), encoded(t, testKey(t, badID, algorithm))
	var d any
	edited(t, other, func(_, key map[string]any) { d = key["d"] })
	return bad{entryName(k), edited(t, encoded(t, k), func(_, key map[string]any) { key["d"] = d })}
}

func otherPrimes(t *testing.T) bad {
	k, other := testKey(t, badID, "RS256"), encoded(t, testKey(t, badID, "RS256"))
	var foreign map[string]any
	edited(t, other, func(_, key map[string]any) { foreign = key })
	return bad{entryName(k), edited(t, encoded(t, k), func(_, key map[string]any) {
		for _, member := range []string{"d", "p", "q", "dp", "dq", "qi"} {
			key[member] = foreign[member]
		}
	})}
}

// trivialPrimes claims that the modulus is 1 times itself.
func trivialPrimes(t *testing.T) bad {
	k := testKey(t, badID, "RS256")
	return bad{entryName(k), edited(t, encoded(t, k), func(_, key map[string]any) {
		key["p"], key["q"] = "AQ", key["n"]
		delete(key, "dp")
		delete(key, "dq")
		delete(key, "qi")
	})}
}

// rsaEntry writes down a key that newKey would refuse.
func rsaEntry(t *testing.T, private *rsa.PrivateKey) bad {
	jwk := jose.JSONWebKey{Key: private, KeyID: badID, Algorithm: "RS256", Use: "sig"}
	data, err := json.Marshal(entry{Version: clearVersion, Issuer: testIssuer, KeyID: badID, CreatedAt: testTime, Key: jwk})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return bad{badID + "." + base64.RawURLEncoding.EncodeToString(sum) + ".json", data}
}

// rsaKey makes a sound key with any exponent.
func rsaKey(t *testing.T, bits int, e int64) *rsa.PrivateKey {
	one := big.NewInt(1)
	for {
		p, errP := rand.Prime(rand.Reader, bits/2)
		q, errQ := rand.Prime(rand.Reader, bits/2)
		if errP != nil || errQ != nil {
			t.Fatal(errP, errQ)
		}
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(big.NewInt(e), phi)
		n := new(big.Int).Mul(p, q)
		if d == nil || p.Cmp(q) == 0 || n.BitLen() != bits {
			continue
		}
		k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: int(e)}, D: d, Primes: []*big.Int{p, q}}
		if err := k.Validate(); err != nil {
			t.Fatal(err)
		}
		k.Precompute()
		return k
	}
}

func TestBadEntryIsLeftAloneAndOthersWork(t *testing.T) {
	for what, b := range badEntries(t) {
		t.Run(what, func(t *testing.T) {
			storage := newStorage(t)
			good := addKey(t, storage, "2026-03-16", "EdDSA")
			writeFile(t, storage, b.name, b.data)
			r, logs := observedRing(storage, "EdDSA")
			mustLoad(t, r)
			mustLoad(t, r)
			if k := mustEnsure(t, r); k.ID != good.ID {
				t.Errorf("active is %s", k.ID)
			}
			if err := verifyAt(t, r, mustSign(t, r)); err != nil {
				t.Error(err)
			}
			if got := published(t, r); !slices.Equal(got, []string{good.ID}) {
				t.Errorf("published %q", got)
			}
			if lines := fmt.Sprint(logs.All()); logs.Len() != 1 || strings.Count(lines, b.name) != 1 {
				t.Errorf("log: %s", lines)
			}
			kept(t, storage, b)
		})
	}
}

// TestBadEntryAlone: it may be the key that signed yesterday's tokens, or the
// active key of a newer release, so no other is made in its place.
func TestBadEntryAlone(t *testing.T) {
	for what, b := range badEntries(t) {
		t.Run(what, func(t *testing.T) {
			storage := newStorage(t)
			writeFile(t, storage, b.name, b.data)
			r := newTestRing(storage)
			err := r.Ensure(t.Context())
			if err == nil || !strings.Contains(err.Error(), b.name) {
				t.Errorf("Ensure: %v", err)
			}
			if r.Active() != nil || storage.count("Store") != 0 {
				t.Errorf("active %v, calls %v", r.Active(), storage.calls)
			}
			if what == "version 3" && !strings.Contains(err.Error(), "newer version") {
				t.Errorf("Ensure: %v", err)
			}
			kept(t, storage, b)
		})
	}
}

func kept(t *testing.T, s *faultyStorage, b bad) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folderOf(s), b.name))
	if err != nil || !bytes.Equal(data, b.data) {
		t.Errorf("the entry was changed: %v", err)
	}
}

// TestBadEntryTakesItsKeyID: its kid is not used again, should it come back.
func TestBadEntryTakesItsKeyID(t *testing.T) {
	for _, b := range []bad{
		{"2026-03-16.thumbprint.json", []byte(`{"version":3}`)},
		{"2026-03-16.thumbprint.json", nil},
	} {
		storage := newStorage(t)
		writeFile(t, storage, b.name, b.data)
		found, err := newStore(storage, testIssuer).list(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(found.taken, []keyID{{"2026-03-16", 1}}) {
			t.Errorf("taken: %v", found.taken)
		}
	}
}

func TestLogNamesABrokenEntryAgainWhenItChanges(t *testing.T) {
	storage := newStorage(t)
	r, logs := observedRing(storage, "EdDSA")
	mustLoad(t, r)
	writeFile(t, storage, "2026-03-15.a.json", nil)
	mustLoad(t, r)
	mustLoad(t, r)
	if logs.Len() != 1 {
		t.Errorf("log: %v", logs.All())
	}
	writeFile(t, storage, "2026-03-15.b.json", nil)
	mustLoad(t, r)
	if logs.Len() != 2 || !strings.Contains(fmt.Sprint(logs.All()[1]), "2026-03-15.b.json") {
		t.Errorf("log: %v", logs.All())
	}
	if logs.FilterLevelExact(zap.ErrorLevel).Len() != 2 {
		t.Errorf("log: %v", logs.All())
	}
}

func TestUnrelatedNamesAreIgnored(t *testing.T) {
	storage := newStorage(t)
	k := testKey(t, "2026-03-15", "EdDSA")
	data := encoded(t, k)
	for _, name := range []string{
		"123456789", "2026-03-15", "2026-03-15.json", entryName(k) + ".tmp", entryName(k) + "~", "." + entryName(k),
		"README.json", ".DS_Store", "2026-3-15." + k.Public().Thumbprint() + ".json", "2026-03-15.1.x.json",
		"backup/" + entryName(k),
	} {
		writeFile(t, storage, name, data)
	}
	r, logs := observedRing(storage, "EdDSA")
	if made := mustEnsure(t, r); made.ID != "2026-03-16" || !slices.Equal(published(t, r), []string{made.ID}) {
		t.Errorf("made %s, published %q", made.ID, published(t, r))
	}
	if logs.FilterLevelExact(zap.ErrorLevel).Len() != 0 {
		t.Errorf("log: %v", logs.All())
	}
}

// TestSubfoldersAreIgnored: some storages list subfolders unasked.
func TestSubfoldersAreIgnored(t *testing.T) {
	storage := newStorage(t)
	k := testKey(t, "2026-03-15", "EdDSA")
	writeFile(t, storage, "backup/"+entryName(k), encoded(t, k))
	storage.listed = func([]string, error) ([]string, error) {
		return storage.FileStorage.List(t.Context(), newStore(storage, testIssuer).folder, true)
	}
	if made := mustEnsure(t, newTestRing(storage)); made.ID != "2026-03-16" {
		t.Errorf("active is %s", made.ID)
	}
}
