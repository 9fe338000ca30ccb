package signing

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

const badID = "2026-03-15"

// bad is an entry that must not be used.
type bad struct {
	name string
	data []byte
}

// badEntries are the ways in which an entry can be wrong, by what is wrong.
func badEntries(t *testing.T) map[string]bad {
	all := damagedEntries(t)
	maps.Copy(all, unfitEntries(t))
	maps.Copy(all, newerEntries(t))
	return all
}

// damagedEntries are none, or not of this issuer.
func damagedEntries(t *testing.T) map[string]bad {
	good := testKey(t, badID, "ES256")
	name, data := entryName(good), encoded(t, good)
	edit := func(f func(e, k map[string]any)) bad { return bad{name, edited(t, data, f)} }
	return map[string]bad{
		"zero length":       {name, nil},
		"truncated":         {name, data[:len(data)/2]},
		"zeros":             {name, make([]byte, len(data))},
		"trailing data":     {name, append(bytes.Clone(data), data...)},
		"null":              {name, []byte("null")},
		"array":             {name, []byte("[]")},
		"bare key":          {name, bareKey(t, data)},
		"version 0":         edit(func(e, k map[string]any) { e["version"] = 0 }),
		"foreign issuer":    edit(func(e, k map[string]any) { e["issuer"] = testIssuer + "/other" }),
		"no issuer":         edit(func(e, k map[string]any) { delete(e, "issuer") }),
		"no key":            edit(func(e, k map[string]any) { delete(e, "key") }),
		"signs_from number": edit(func(e, k map[string]any) { e["signs_from"] = 1773703800 }),
		"signs_from object": edit(func(e, k map[string]any) { e["signs_from"] = map[string]any{} }),
		"signs_from words":  edit(func(e, k map[string]any) { e["signs_from"] = "tomorrow" }),
		"signs_from day":    edit(func(e, k map[string]any) { e["signs_from"] = "2026-03-16" }),
		"bad date":          edit(func(e, k map[string]any) { e["created_at"] = "yesterday" }),
		"d is a number":     edit(func(e, k map[string]any) { k["d"] = 12345 }),
	}
}

// unfitEntries hold keys that are weak, that do not belong together, or that are
// not what their entry says.
func unfitEntries(t *testing.T) map[string]bad {
	good := testKey(t, badID, "ES256")
	name, data := entryName(good), encoded(t, good)
	edit := func(f func(e, k map[string]any)) bad { return bad{name, edited(t, data, f)} }
	other := testKey(t, badID, "ES256")
	renamed := testKey(t, "2026-03-14", "ES256")
	return map[string]bad{
		"other kid":          edit(func(e, k map[string]any) { e["kid"] = "2026-03-14" }),
		"other kid in key":   edit(func(e, k map[string]any) { k["kid"] = "2026-03-14" }),
		"kid of name only":   {badID + "." + renamed.Public().Thumbprint() + ".json", encoded(t, renamed)},
		"other thumbprint":   {entryName(other), data},
		"public only":        edit(func(e, k map[string]any) { delete(k, "d") }),
		"symmetric":          edit(func(e, k map[string]any) { e["key"] = map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": badID} }),
		"for encryption":     edit(func(e, k map[string]any) { k["use"] = "enc" }),
		"no algorithm":       edit(func(e, k map[string]any) { delete(k, "alg") }),
		"other algorithm":    edit(func(e, k map[string]any) { k["alg"] = "ES384" }),
		"unknown algorithm":  edit(func(e, k map[string]any) { k["alg"] = "HS256" }),
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

// newerEntries are of a format that a newer release has.
func newerEntries(t *testing.T) map[string]bad {
	good := testKey(t, badID, "ES256")
	name, data := entryName(good), encoded(t, good)
	edit := func(f func(e, k map[string]any)) bad { return bad{name, edited(t, data, f)} }
	return map[string]bad{
		"version 3":                   edit(func(e, k map[string]any) { e["version"] = 3; e["key"] = "sealed" }),
		"version 3, of the same form": edit(func(e, k map[string]any) { e["version"] = 3 }),
		"version 3, of another form":  {name, []byte(`{"version":3,"sealed":"AAAA","kid":["2026-03-15"],"issuer":{}}`)},
		"version 4, of another name":  {badID + ".sealed-by-kms.json", []byte(`{"version":4,"uri":"pkcs11:object=tokenidp"}`)},
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
