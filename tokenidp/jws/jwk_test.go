package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

type object = map[string]any

// members are those of a public key as another library writes them.
func members(t testing.TB, alg string) object {
	t.Helper()
	data, err := json.Marshal(newKey(t, alg, privateKey(t, alg).Public()).JWK())
	if err != nil {
		t.Fatal(err)
	}
	var jwk object
	if err := json.Unmarshal(data, &jwk); err != nil {
		t.Fatal(err)
	}
	return jwk
}

// with changes members; a nil value removes one.
func with(jwk, changes object) []byte {
	changed := maps.Clone(jwk)
	for name, value := range changes {
		if changed[name] = value; value == nil {
			delete(changed, name)
		}
	}
	data, err := json.Marshal(changed)
	if err != nil {
		panic(err)
	}
	return data
}

// RFC 7517 section 4: what JWK writes, parseKey reads, and nothing private is in it.
func TestParseKeyReadsWhatJWKWrites(t *testing.T) {
	for _, alg := range Algorithms {
		key := newKey(t, alg, privateKey(t, alg).Public())
		data, err := json.Marshal(key.JWK())
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseJWK("", data)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		public := got.Public.(interface{ Equal(crypto.PublicKey) bool })
		if got.ID != "k1" || got.Algorithm != alg || !public.Equal(key.Public) || got.Thumbprint() != key.Thumbprint() {
			t.Errorf("%s: %+v, want %+v", alg, got, key)
		}
		var jwk object
		if err := json.Unmarshal(data, &jwk); err != nil || jwk["use"] != "sig" || jwk["d"] != nil {
			t.Errorf("%s: %s", alg, data)
		}
	}
}

// RFC 7517 section 4: every member but kty is optional, unknown ones are ignored.
func TestParseKeyAccepts(t *testing.T) {
	jwk := members(t, "ES256")
	for name, changes := range map[string]object{
		"neither use nor kid": {"use": nil, "kid": nil},
		"key_ops":             {"key_ops": []string{"sign", "verify"}, "use": nil},
		"unknown members":     {"x5t": "x", "x5c": []string{}, "ext": true, "exp": 1},
	} {
		if _, err := parseJWK("", with(jwk, changes)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	okp := members(t, "EdDSA")
	if key, err := parseJWK("", with(okp, object{"alg": "Ed25519"})); err != nil || key.Algorithm != "EdDSA" {
		t.Errorf("Ed25519: %+v, %v", key, err)
	}
}

// RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2, RFC 8725 sections 3.1 and 3.5.
func TestParseKeyRefuses(t *testing.T) {
	rsaJWK, ec, okp := members(t, "RS256"), members(t, "ES256"), members(t, "EdDSA")
	p384 := members(t, "ES384")
	point, err := privateKey(t, "ES384").Public().(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	n := rsaPrivate().N
	encoded := func(v *big.Int) string { return b64(string(v.Bytes())) }
	padded := new(big.Int).SetBit(new(big.Int), 16384, 1)
	x := ec["x"].(string)
	for name, jwk := range map[string][]byte{
		"not JSON":                 []byte(`kty`),
		"null":                     []byte(`null`),
		"repeated member":          append([]byte(`{"kty":"EC",`), with(ec, nil)[1:]...),
		"kty missing":              with(ec, object{"kty": nil}),
		"kty lower case":           with(ec, object{"kty": "ec"}),
		"kty of another type":      with(ec, object{"kty": "RSA"}),
		"kty oct":                  []byte(`{"kty":"oct","alg":"HS256","k":"AAAA"}`),
		"kty oct without k":        []byte(`{"kty":"oct","alg":"RS256"}`),
		"alg missing":              with(ec, object{"alg": nil}),
		"alg empty":                with(ec, object{"alg": ""}),
		"alg number":               with(ec, object{"alg": 256}),
		"alg HS256":                with(rsaJWK, object{"alg": "HS256"}),
		"alg none":                 with(rsaJWK, object{"alg": "none"}),
		"alg of another type":      with(rsaJWK, object{"alg": "ES256"}),
		"alg of encryption":        with(rsaJWK, object{"alg": "RSA-OAEP"}),
		"alg of another curve":     with(ec, object{"alg": "ES384"}),
		"alg ES256K":               with(ec, object{"alg": "ES256K", "crv": "secp256k1"}),
		"use enc":                  with(ec, object{"use": "enc"}),
		"use empty":                with(ec, object{"use": ""}),
		"use array":                with(ec, object{"use": []string{"sig"}}),
		"key_ops sign only":        with(ec, object{"key_ops": []string{"sign"}}),
		"key_ops empty":            with(ec, object{"key_ops": []string{}}),
		"key_ops string":           with(ec, object{"key_ops": "verify"}),
		"key_ops repeats verify":   with(ec, object{"key_ops": []string{"verify", "verify"}}),
		"key_ops repeats another":  with(ec, object{"key_ops": []string{"x", "verify", "x"}}),
		"key_ops of numbers":       with(ec, object{"key_ops": []any{"verify", 1}}),
		"key_ops nested":           with(ec, object{"key_ops": []any{"verify", []any{"verify"}, []any{"verify"}}}),
		"kid number":               with(ec, object{"kid": 20260316}),
		"kid object":               with(ec, object{"kid": object{}}),
		"private EC":               with(ec, object{"d": x}),
		"private RSA, d only":      with(rsaJWK, object{"d": "AQ"}),
		"private RSA, p only":      with(rsaJWK, object{"p": "AQ"}),
		"private RSA, oth":         with(rsaJWK, object{"oth": []any{}}),
		"symmetric beside public":  with(rsaJWK, object{"k": "AAAA"}),
		"n missing":                with(rsaJWK, object{"n": nil}),
		"n empty":                  with(rsaJWK, object{"n": ""}),
		"n number":                 with(rsaJWK, object{"n": 3233}),
		"n padded":                 with(rsaJWK, object{"n": rsaJWK["n"].(string) + "="}),
		"n with leading zero":      with(rsaJWK, object{"n": b64("\x00" + string(n.Bytes()))}),
		"n even":                   with(rsaJWK, object{"n": encoded(new(big.Int).Add(n, big.NewInt(1)))}),
		"n of 1024 bits":           with(rsaJWK, object{"n": encoded(new(big.Int).SetBit(new(big.Int).Rsh(n, 1024), 0, 1))}),
		"n of 2047 bits":           with(rsaJWK, object{"n": encoded(new(big.Int).SetBit(new(big.Int).Rsh(n, 1), 0, 1))}),
		"n of 16384 bits":          with(rsaJWK, object{"n": encoded(padded.Add(padded, big.NewInt(1)))}),
		"e missing":                with(rsaJWK, object{"e": nil}),
		"e zero":                   with(rsaJWK, object{"e": "AA"}),
		"e one":                    with(rsaJWK, object{"e": "AQ"}),
		"e even":                   with(rsaJWK, object{"e": b64("\x01\x00\x00")}),
		"e with leading zero":      with(rsaJWK, object{"e": b64("\x00\x01\x00\x01")}),
		"e 2^32+1":                 with(rsaJWK, object{"e": b64("\x01\x00\x00\x00\x01")}),
		"e 2^64+3":                 with(rsaJWK, object{"e": b64("\x01\x00\x00\x00\x00\x00\x00\x00\x03")}),
		"e as large as n":          with(rsaJWK, object{"e": rsaJWK["n"]}),
		"e with trailing bits":     with(rsaJWK, object{"e": "AR"}),
		"crv missing":              with(ec, object{"crv": nil}),
		"crv lower case":           with(ec, object{"crv": "p-256"}),
		"crv P-224":                with(ec, object{"crv": "P-224"}),
		"crv of another length":    with(ec, object{"crv": "P-384", "alg": "ES384"}),
		"x missing":                with(ec, object{"x": nil}),
		"x and y swapped":          with(ec, object{"x": ec["y"], "y": x}),
		"x of another key":         with(ec, object{"x": members(t, "ES256")["x"]}),
		"x longer, y shorter":      with(p384, object{"x": b64(string(point[1:50])), "y": b64(string(point[50:]))}),
		"x with a leading zero":    with(ec, object{"x": "AA" + x}),
		"x with a line break":      with(ec, object{"x": x[:20] + "\n" + x[20:]}),
		"x with trailing bits":     with(ec, object{"x": x[:42] + nextInAlphabet(x[42])}),
		"origin":                   with(ec, object{"x": b64(strings.Repeat("\x00", 32)), "y": b64(strings.Repeat("\x00", 32))}),
		"Ed448":                    with(okp, object{"crv": "Ed448"}),
		"X25519":                   with(okp, object{"crv": "X25519"}),
		"Ed25519 of 31 bytes":      with(okp, object{"x": b64(strings.Repeat("a", 31))}),
		"Ed25519 of 33 bytes":      with(okp, object{"x": b64(strings.Repeat("a", 33))}),
		"Ed25519 without x":        with(okp, object{"x": nil}),
		"Ed25519 for RSA":          with(okp, object{"alg": "RS256"}),
		"members in another case":  []byte(`{"KTY":"OKP","Crv":"Ed25519","ALG":"EdDSA","X":"` + okp["x"].(string) + `"}`),
		"a set instead of one key": []byte(`{"keys":[` + string(with(ec, nil)) + `]}`),
	} {
		if key, err := parseJWK("", jwk); key != nil || !errors.Is(err, ErrKey) {
			t.Errorf("%s: %+v, %v", name, key, err)
		}
	}
}

// nextInAlphabet sets the unused last bit of a canonical final character.
func nextInAlphabet(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)+1])
}

// RFC 8725 section 3.1.
func TestParseKeyForSuppliesTheAlgorithmAndRefusesAnother(t *testing.T) {
	jwk := members(t, "RS256")
	key, err := parseJWK("PS256", with(jwk, object{"alg": nil}))
	if err != nil || key.Algorithm != "PS256" {
		t.Errorf("%+v, %v", key, err)
	}
	for alg, changes := range map[string]object{"PS256": nil, "ES256": {"alg": nil}, "HS256": {"alg": nil}} {
		if _, err := parseJWK(alg, with(jwk, changes)); !errors.Is(err, ErrKey) {
			t.Errorf("%s for %v: %v", alg, changes, err)
		}
	}
	if _, err := parseJWK("EdDSA", with(members(t, "EdDSA"), object{"alg": "Ed25519"})); err != nil {
		t.Error(err)
	}
}

// RFC 7518 sections 3.3 and 3.4, RFC 8037 section 2.
func TestNewKeyRefuses(t *testing.T) {
	n := rsaPrivate().N
	var noRSA *rsa.PublicKey
	var noEC *ecdsa.PublicKey
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		alg    string
		public crypto.PublicKey
	}{
		"nil":                        {"RS256", nil},
		"nil RSA":                    {"RS256", noRSA},
		"nil EC":                     {"ES256", noEC},
		"no modulus":                 {"RS256", &rsa.PublicKey{E: 65537}},
		"negative modulus":           {"RS256", &rsa.PublicKey{N: new(big.Int).Neg(n), E: 65537}},
		"1024 bits":                  {"RS256", weak.Public()},
		"exponent 1":                 {"RS256", &rsa.PublicKey{N: n, E: 1}},
		"exponent 2":                 {"RS256", &rsa.PublicKey{N: n, E: 2}},
		"negative exponent":          {"RS256", &rsa.PublicKey{N: n, E: -3}},
		"exponent over 2^31":         {"RS256", &rsa.PublicKey{N: n, E: 1<<31 + 1}},
		"private key":                {"RS256", rsaPrivate()},
		"RSA for ECDSA":              {"ES256", rsaPrivate().Public()},
		"RSA for EdDSA":              {"EdDSA", rsaPrivate().Public()},
		"P-256 for ES384":            {"ES384", privateKey(t, "ES256").Public()},
		"P-256 for RSA":              {"RS256", privateKey(t, "ES256").Public()},
		"no curve":                   {"ES256", &ecdsa.PublicKey{}},
		"Ed25519 for ECDSA":          {"ES256", privateKey(t, "EdDSA").Public()},
		"Ed25519 of the wrong size":  {"EdDSA", ed25519.PublicKey("short")},
		"bytes for HMAC":             {"HS256", []byte("secret")},
		"bytes":                      {"RS256", []byte("secret")},
		"algorithm none":             {"none", rsaPrivate().Public()},
		"no algorithm":               {"", rsaPrivate().Public()},
		"algorithm in another case":  {"rs256", rsaPrivate().Public()},
		"unsupported curve of ECDSA": {"ES256", &ecdsa.PublicKey{Curve: elliptic.P224()}},
	} {
		if key, err := NewKey("k", row.alg, row.public); key != nil || !errors.Is(err, ErrKey) {
			t.Errorf("%s: %+v, %v", name, key, err)
		}
	}
}

// RFC 7638 section 3.1, the example of the RFC.
func TestThumbprintOfTheRFC(t *testing.T) {
	key, err := parseJWK("", []byte(`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := key.Thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"; got != want {
		t.Errorf("thumbprint %s, want %s", got, want)
	}
	if got := new(Key).Thumbprint(); got != "" {
		t.Errorf("thumbprint of no key: %s", got)
	}
}

// RFC 7517 section 5: entries that are not understood are ignored.
func TestParseKeySetSkipsUnusableEntries(t *testing.T) {
	ec, okp := members(t, "ES256"), members(t, "EdDSA")
	entries := []string{
		string(with(ec, object{"kid": "a"})),
		`{"kty":"oct","kid":"s","alg":"HS256","k":"AAAA"}`,
		string(with(ec, object{"kid": "enc", "use": "enc"})),
		string(with(ec, object{"kid": "private", "d": ec["x"]})),
		`{"kty":"post-quantum","kid":"pq"}`, `null`, `1`, `[]`, `{}`,
		string(with(okp, object{"kid": "b"})),
		string(with(okp, object{"kid": nil})),
		string(with(ec, object{"kid": "enc2", "use": "enc"})),
		string(with(okp, object{"kid": "enc2"})), // only one of the two is usable
	}
	set, err := ParseKeySet([]byte(`{"x":1,"keys":[` + strings.Join(entries, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, key := range set.Keys() {
		ids = append(ids, key.ID)
	}
	if got, want := fmt.Sprintf("%q", ids), `["a" "b" "" "enc2"]`; got != want {
		t.Errorf("keys %s, want %s", got, want)
	}
	if len(set.Skipped) != 9 {
		t.Errorf("%d entries skipped: %v", len(set.Skipped), set.Skipped)
	}
	for _, kid := range []string{"", "A", "a ", "s", "enc", "private", "pq", "<nil>"} {
		if key, ok := set.Key(kid); ok || key != nil {
			t.Errorf("kid %q found %+v", kid, key)
		}
	}
	if key, ok := set.Key("b"); !ok || key.Algorithm != "EdDSA" {
		t.Errorf("kid b: %+v", key)
	}
}

// RFC 7517 section 4.5: keys of different types may share a kid, and a key that is
// there twice is one. A kid that stands for two keys of one algorithm stands for none.
func TestParseKeySetWithRepeatedKeyIDs(t *testing.T) {
	ec, okp, rsaJWK := members(t, "ES256"), members(t, "EdDSA"), members(t, "RS256")
	same := string(with(ec, object{"kid": "a"}))
	for name, row := range map[string]struct {
		others     []string
		algorithms string // of the keys of the kid a
	}{
		"another key":               {[]string{string(with(members(t, "ES256"), object{"kid": "a"}))}, ""},
		"another type":              {[]string{string(with(okp, object{"kid": "a"}))}, "ES256 EdDSA"},
		"the same key":              {[]string{same}, "ES256"},
		"three times":               {[]string{same, same}, "ES256"},
		"the same key, by alg":      {[]string{string(with(ec, object{"kid": "a", "alg": nil}))}, "ES256"},
		"more members":              {[]string{string(with(ec, object{"kid": "a", "x5t": "x", "use": nil, "iat": 1}))}, "ES256"},
		"one for encryption":        {[]string{string(with(members(t, "ES256"), object{"kid": "a", "use": "enc"}))}, "ES256"},
		"two algorithms of a key":   {[]string{string(with(rsaJWK, object{"kid": "a"})), string(with(rsaJWK, object{"kid": "a", "alg": "PS256"}))}, "ES256 RS256 PS256"},
		"another, and another type": {[]string{string(with(members(t, "ES256"), object{"kid": "a"})), string(with(okp, object{"kid": "a"}))}, "EdDSA"},
		"the same, and another":     {[]string{same, string(with(members(t, "ES256"), object{"kid": "a"}))}, ""},
	} {
		set, err := ParseKeySet([]byte(`{"keys":[`+same+`,`+string(with(okp, object{"kid": "b"}))+`,`+strings.Join(row.others, ",")+`]}`), Algorithms...)
		if err != nil {
			t.Fatal(err)
		}
		var algorithms []string
		for _, key := range set.Keys() {
			if key.ID == "a" {
				algorithms = append(algorithms, key.Algorithm)
			}
		}
		_, b := set.Key("b")
		if strings.Join(algorithms, " ") != row.algorithms || !b {
			t.Errorf("%s: %q; skipped %v", name, algorithms, set.Skipped)
		}
		if ambiguous := strings.Contains(fmt.Sprint(set.Skipped), `key of ES256 (kid "a"): unusable key: other keys of this algorithm have this kid too; each needs a kid of its own`); ambiguous != slices.Contains(set.Ambiguous, "a") || ambiguous == strings.Contains(row.algorithms, "ES256") {
			t.Errorf("%s: ambiguous %q, skipped %v", name, set.Ambiguous, set.Skipped)
		}
	}
}

func TestParseKeySetRefuses(t *testing.T) {
	for name, jwks := range map[string]string{
		"nothing":            ``,
		"null":               `null`,
		"array":              `[]`,
		"keys missing":       `{}`,
		"keys null":          `{"keys":null}`,
		"keys object":        `{"keys":{}}`,
		"Keys":               `{"Keys":[]}`,
		"keys twice":         `{"keys":[],"keys":[]}`,
		"member twice":       `{"keys":[{"kty":"EC","kty":"EC"}]}`,
		"trailing data":      `{"keys":[]}x`,
		"HTML":               `<!DOCTYPE html>`,
		"deep":               `{"keys":` + strings.Repeat("[", 100_000),
		"101 entries":        `{"keys":[` + strings.Repeat("{},", 100) + `{}]}`,
		"a key, not a set":   string(with(members(t, "ES256"), nil)),
		"invalid UTF-8":      "{\"keys\":[],\"x\":\"\xff\"}",
		"a set within a set": `{"keys":{"keys":[]}}`,
	} {
		if set, err := ParseKeySet([]byte(jwks)); set != nil || !errors.Is(err, ErrKey) {
			t.Errorf("%s: %+v, %v", name, set, err)
		}
	}
}

// RFC 8259 section 8.1: a byte order mark may be ignored, and some editors write one.
func TestParseKeySetIgnoresAByteOrderMark(t *testing.T) {
	set, err := ParseKeySet([]byte("\uFEFF" + `{"keys":[` + string(with(members(t, "ES256"), nil)) + `]}`))
	if err != nil || len(set.Keys()) != 1 {
		t.Error(err)
	}
	if _, err := ParseKeySet([]byte("\uFEFF\uFEFF" + `{"keys":[]}`)); err == nil {
		t.Error("two are ignored")
	}
}

func TestKeySetIsImmutableAndItsZeroValuesAreEmpty(t *testing.T) {
	set, err := ParseKeySet([]byte(`{"keys":[` + string(with(members(t, "ES256"), nil)) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	set.Keys()[0] = nil
	if key, ok := set.Key("k1"); !ok || key == nil || set.Keys()[0] == nil {
		t.Errorf("%+v, %v", key, ok)
	}
	for _, empty := range []*KeySet{nil, {}} {
		if _, ok := empty.Key("k1"); ok || len(empty.Keys()) != 0 {
			t.Error("an empty set has keys")
		}
	}
}

// RFC 7517 section 4.4: alg is optional, and then the issuer's algorithms decide.
// RFC 8725 section 3.1: one key, one algorithm.
func TestParseKeySetGivesKeysTheFirstAlgorithmThatFits(t *testing.T) {
	rsaJWK, p256, p384, okp := members(t, "RS256"), members(t, "ES256"), members(t, "ES384"), members(t, "EdDSA")
	without := object{"alg": nil}
	for name, row := range map[string]struct {
		algorithms []string
		jwk        []byte
		want       string // "": skipped
	}{
		"RSA":                              {[]string{"ES256", "RS256", "PS256"}, with(rsaJWK, without), "RS256"},
		"RSA, another order":               {[]string{"PS256", "RS256"}, with(rsaJWK, without), "PS256"},
		"P-256":                            {[]string{"RS256", "ES384", "ES256"}, with(p256, without), "ES256"},
		"P-384":                            {[]string{"ES256", "ES384"}, with(p384, without), "ES384"},
		"P-384 where P-256 is accepted":    {[]string{"ES256"}, with(p384, without), ""},
		"Ed25519":                          {[]string{"RS256", "EdDSA"}, with(okp, without), "EdDSA"},
		"Ed25519 by its RFC 9864 name":     {[]string{"Ed25519"}, with(okp, without), "EdDSA"},
		"RSA where EC is accepted":         {[]string{"ES256"}, with(rsaJWK, without), ""},
		"weak RSA":                         {[]string{"RS256", "PS256"}, with(rsaJWK, object{"alg": nil, "e": "AQ"}), ""},
		"named, not the first":             {[]string{"RS256", "PS256"}, with(rsaJWK, object{"alg": "PS256"}), "PS256"},
		"named by RFC 9864":                {[]string{"EdDSA"}, with(okp, object{"alg": "Ed25519"}), "EdDSA"},
		"named, not accepted":              {[]string{"RS256"}, with(rsaJWK, object{"alg": "PS256"}), ""},
		"named, for encryption":            {[]string{"RS256"}, with(rsaJWK, object{"alg": "RSA-OAEP"}), ""},
		"named, of another type":           {[]string{"RS256", "ES256"}, with(rsaJWK, object{"alg": "ES256"}), ""},
		"alg empty":                        {[]string{"RS256"}, with(rsaJWK, object{"alg": ""}), "RS256"},
		"alg of another JSON type":         {[]string{"RS256"}, with(rsaJWK, object{"alg": 256}), ""},
		"alg null":                         {[]string{"RS256"}, []byte(strings.Replace(string(with(rsaJWK, object{"alg": "?"})), `"?"`, `null`, 1)), ""},
		"for encryption, without alg":      {[]string{"RS256"}, with(rsaJWK, object{"alg": nil, "use": "enc"}), ""},
		"a secret":                         {[]string{"HS256", "RS256"}, []byte(`{"kty":"oct","kid":"k1","k":"AAAA"}`), ""},
		"an algorithm that does not exist": {[]string{"RS257", "none"}, with(rsaJWK, without), ""},
		"no algorithms, none named":        {nil, with(rsaJWK, without), ""},
		"no algorithms, one named":         {nil, with(rsaJWK, nil), "RS256"},
	} {
		set, err := ParseKeySet([]byte(`{"keys":[`+string(row.jwk)+`]}`), row.algorithms...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		key, found := set.Key("k1")
		if found != (row.want != "") || found && key.Algorithm != row.want {
			t.Errorf("%s: %+v, skipped %v; want %q", name, key, set.Skipped, row.want)
		}
		if !found && (len(set.Skipped) != 1 || !errors.Is(set.Skipped[0], ErrKey)) {
			t.Errorf("%s: skipped %v", name, set.Skipped)
		}
	}
}

// RFC 7517 section 4.5: a key that no token of the issuer can be signed with
// makes no kid ambiguous; one that could be does.
func TestParseKeySetDropsOnlyAcceptedKeysThatShareAKeyID(t *testing.T) {
	jwk, other := members(t, "ES256"), members(t, "ES384")
	set := `{"keys":[` + string(with(jwk, nil)) + `,` + string(with(other, object{"alg": nil})) + `,` + string(with(members(t, "ES384"), nil)) + `]}`
	for name, row := range map[string]struct {
		algorithms []string
		want       string
	}{
		"one accepted":  {[]string{"ES256"}, "ES256"},
		"both accepted": {[]string{"ES256", "ES384"}, "ES256"},
		"the other":     {[]string{"ES384"}, ""},
	} {
		got, err := ParseKeySet([]byte(set), row.algorithms...)
		if err != nil {
			t.Fatal(err)
		}
		if key, found := got.Key("k1"); found != (row.want != "") || found && key.Algorithm != row.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// parseJWK reads one key. Those that name no algorithm are for alg.
func parseJWK(alg string, jwk []byte) (*Key, error) {
	members, err := strictjson.Object(jwk)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if alg == "" {
		return parseKey(nil, members)
	}
	return parseKey([]string{alg}, members)
}
