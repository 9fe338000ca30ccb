package dpop

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

var noon = time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)

// members are those of a JSON object; absent removes one of another.
type members map[string]any

type absent struct{}

func (m members) with(changes members) members {
	all := maps.Clone(m)
	for name, value := range changes {
		if _, gone := value.(absent); gone {
			delete(all, name)
		} else {
			all[name] = value
		}
	}
	return all
}

var (
	ecKey  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	edKey  = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) })
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func encode(s []byte) string { return base64.RawURLEncoding.EncodeToString(s) }

func object(v any) members {
	var m members
	if err := json.Unmarshal(must(json.Marshal(v)), &m); err != nil {
		panic(err)
	}
	return m
}

func publicJWK(key crypto.Signer) members { return object(jose.JSONWebKey{Key: key.Public()}) }

// header is a right one, with changes.
func header(alg string, key crypto.Signer, changes members) members {
	return members{"typ": "dpop+jwt", "alg": alg, "jwk": publicJWK(key)}.with(changes)
}

const token = "header.claims.signature"

// payload is a right one for request, with changes.
func payload(changes members) members {
	return members{
		"jti": "e1j3V_bKic8-LAEB", "htm": "POST", "htu": "https://api.example.com/orders", "iat": noon.Unix(), "ath": tokenHash(token),
	}.with(changes)
}

// sign makes a proof of whatever header and claims, by somebody else's code.
func sign(alg string, key crypto.Signer, header, payload any) string {
	encoded := encode(must(json.Marshal(header))) + "." + encode(must(json.Marshal(payload)))
	return encoded + "." + encode(signature(alg, key, encoded))
}

func signature(alg string, key crypto.Signer, input string) []byte {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
	if alg == "EdDSA" || alg == "Ed25519" {
		return must(key.Sign(nil, []byte(input), crypto.Hash(0)))
	}
	digest := hash.New()
	digest.Write([]byte(input))
	switch alg[:2] {
	case "PS":
		return must(key.Sign(rand.Reader, digest.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}))
	case "RS":
		return must(key.Sign(rand.Reader, digest.Sum(nil), hash))
	}
	private := key.(*ecdsa.PrivateKey)
	r, s, err := ecdsa.Sign(rand.Reader, private, digest.Sum(nil))
	if err != nil {
		panic(err)
	}
	size := (private.Params().BitSize + 7) / 8
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

func proof(changes members) string {
	return sign("ES256", ecKey(), header("ES256", ecKey(), nil), payload(changes))
}

func withHeader(changes members) string {
	return sign("ES256", ecKey(), header("ES256", ecKey(), changes), payload(nil))
}

func request() Request {
	return Request{Method: "POST", URLs: []weburl.Target{must(weburl.ParseTarget("https://api.example.com/orders"))}, Token: token}
}

// RFC 9449 section 4.2: what is right passes, whatever the algorithm.
func TestRightProofs(t *testing.T) {
	p384, p521 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	keys := map[string]crypto.Signer{
		"ES256": ecKey(), "ES384": p384, "ES512": p521, "EdDSA": edKey(), "Ed25519": edKey(),
		"RS256": rsaKey(), "RS384": rsaKey(), "RS512": rsaKey(), "PS256": rsaKey(), "PS384": rsaKey(), "PS512": rsaKey(),
	}
	for _, alg := range Algorithms {
		key := keys[alg]
		p, err := Check([]string{sign(alg, key, header(alg, key, nil), payload(nil))}, request(), noon)
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		jwk := jose.JSONWebKey{Key: key.Public()}
		if want := encode(must(jwk.Thumbprint(crypto.SHA256))); p.Thumbprint != want || p.By(want) != nil || !errors.Is(p.By(want[:42]), ErrOtherKey) {
			t.Errorf("%s: thumbprint %s, want %s", alg, p.Thumbprint, want)
		}
	}
	if len(keys) != len(Algorithms) {
		t.Error("an algorithm is not tested")
	}
	for name, right := range map[string]string{
		"other members":                proof(members{"nonce": "x", "sub": "y", "aud": []any{1}}),
		"a query and a fragment":       proof(members{"htu": "https://api.example.com/orders?a=b#c"}),
		"other case and the port":      proof(members{"htu": "HTTPS://API.example.com:443/orders"}),
		"encoded":                      proof(members{"htu": "https://api.example.com/%6fr%64ers"}),
		"a minute old":                 proof(members{"iat": noon.Add(-MaxAge).Unix()}),
		"10 seconds ahead":             proof(members{"iat": noon.Add(MaxAhead).Unix()}),
		"a fraction":                   proof(members{"iat": 1773662399.25}),
		"exp and nbf":                  proof(members{"exp": noon.Unix() + 1, "nbf": noon.Unix()}),
		"the longest jti":              proof(members{"jti": strings.Repeat("a", 256)}),
		"a key with its purpose":       withHeader(members{"jwk": publicJWK(ecKey()).with(members{"use": "sig", "kid": "x", "alg": "ES256", "key_ops": []any{"verify"}})}),
		"other parameters of a header": withHeader(members{"kid": "x", "x5t": "y", "zip": "NONE", "cty": "JWT"}),
		"a kid that names nothing":     withHeader(members{"kid": strings.Repeat("a", 1000)}),
		"a kid of no type":             withHeader(members{"kid": nil, "jwk": publicJWK(ecKey()).with(members{"kid": 1})}),
	} {
		if _, err := Check([]string{right}, request(), noon); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bare := request()
	bare.Token = ""
	for _, ath := range []any{absent{}, nil, "", 1, "another's"} {
		if _, err := Check([]string{proof(members{"ath": ath})}, bare, noon); err != nil {
			t.Errorf("no token, ath %v: %v", ath, err)
		}
	}
}

// check finds the error of each proof.
func check(t *testing.T, want error, proofs map[string]string) {
	t.Helper()
	for name, wrong := range proofs {
		if p, err := Check([]string{wrong}, request(), noon); !errors.Is(err, want) || p != nil {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

// RFC 9449 section 4.3, check 1: there is not more than one DPoP header.
func TestOneHeader(t *testing.T) {
	for want, headers := range map[error][]string{
		ErrMissing: nil, ErrSeveral: {proof(nil), proof(nil)}, ErrMalformed: {proof(nil) + ", " + proof(nil)},
	} {
		if _, err := Check(headers, request(), noon); !errors.Is(err, want) {
			t.Errorf("%d headers: %v", len(headers), err)
		}
	}
}

// RFC 9449 section 4.3, check 2: the header is one well-formed JWT.
func TestWellFormed(t *testing.T) {
	good := proof(nil)
	check(t, ErrMalformed, map[string]string{
		"empty": "", "text": "proof", "two parts": good[:strings.LastIndexByte(good, '.')], "four parts": good + ".a", "a space": " " + good,
		"padded": good + "=", "too long": proof(members{"x": strings.Repeat("a", 8<<10)}), "JSON": `{"payload":"","signatures":[]}`,
		"encrypted": good + ".a.b", "detached": strings.Replace(good, strings.Split(good, ".")[1], "", 1),
		"not JSON": sign("ES256", ecKey(), "x", payload(nil)), "claims that are no object": sign("ES256", ecKey(), header("ES256", ecKey(), nil), []any{}),
	})
}

// RFC 9449 section 4.3, check 3: all required claims are there.
func TestRequiredClaims(t *testing.T) {
	for _, name := range []string{"jti", "htm", "htu", "iat"} {
		for _, value := range []any{absent{}, nil, "", []any{"a"}, members{}, true} {
			check(t, ErrMalformed, map[string]string{name: proof(members{name: value})})
		}
	}
	check(t, ErrMalformed, map[string]string{
		"a long jti": proof(members{"jti": strings.Repeat("a", 257)}), "jti as a number": proof(members{"jti": 1}), "iat as text": proof(members{"iat": "1773662400"}),
		"iat beyond all": proof(members{"iat": 1e300}), "iat below": proof(members{"iat": -1}), "ath as a number": proof(members{"ath": 1}), "exp as text": proof(members{"exp": "x"}),
		"nbf as null": proof(members{"nbf": nil}),
	})
}

// RFC 9449 section 4.3, check 4: typ is dpop+jwt. An access token, or an assertion, is
// no proof.
func TestType(t *testing.T) {
	for _, typ := range []any{absent{}, "", "at+jwt", "JWT", "jwt", "DPoP+JWT", "application/dpop+jwt", "client-authentication+jwt", 1, nil} {
		check(t, ErrMalformed, map[string]string{"typ": withHeader(members{"typ": typ})})
	}
}

// RFC 9449 section 4.3, check 5: alg is a supported asymmetric algorithm.
func TestAlgorithm(t *testing.T) {
	for _, alg := range []any{absent{}, "", "none", "None", "HS256", "HS512", "ES256K", "RS1", "es256", "dir", 1, nil} {
		check(t, ErrMalformed, map[string]string{"alg": withHeader(members{"alg": alg})})
	}
	// Another one than that of the key.
	check(t, ErrMalformed, map[string]string{
		"ES384 with P-256":      sign("ES256", ecKey(), header("ES384", ecKey(), nil), payload(nil)),
		"RS256 with P-256":      sign("ES256", ecKey(), header("RS256", ecKey(), nil), payload(nil)),
		"PS256 signed as RS256": sign("RS256", rsaKey(), header("PS256", rsaKey(), nil), payload(nil)),
		"a key for another one": sign("RS256", rsaKey(), header("RS256", rsaKey(), members{"jwk": publicJWK(rsaKey()).with(members{"alg": "PS256"})}), payload(nil)),
		"a key for another use": withHeader(members{"jwk": publicJWK(ecKey()).with(members{"use": "enc"})}),
		"critical":              withHeader(members{"crit": []any{"b64"}, "b64": false}),
		"b64 without crit":      withHeader(members{"b64": false}),
	})
}

// RFC 9449 section 4.3, check 6: the signature verifies with the key of the header.
func TestSignature(t *testing.T) {
	good, other := proof(nil), must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	parts := strings.Split(good, ".")
	small := must(rsa.GenerateKey(rand.Reader, 2048))
	check(t, ErrMalformed, map[string]string{
		"another key":       sign("ES256", other, header("ES256", ecKey(), nil), payload(nil)),
		"other claims":      parts[0] + "." + strings.Split(proof(members{"jti": "x"}), ".")[1] + "." + parts[2],
		"no signature":      parts[0] + "." + parts[1] + ".",
		"zeros":             parts[0] + "." + parts[1] + "." + encode(make([]byte, 64)),
		"a shorter one":     parts[0] + "." + parts[1] + "." + parts[2][:84],
		"a point elsewhere": withHeader(members{"jwk": publicJWK(ecKey()).with(members{"x": publicJWK(other)["x"]})}),
		"a small modulus":   sign("RS256", small, header("RS256", small, members{"jwk": publicJWK(small).with(members{"n": encode(small.N.Bytes()[:128])})}), payload(nil)),
		"an exponent of 1":  sign("RS256", small, header("RS256", small, members{"jwk": publicJWK(small).with(members{"e": "AQ"})}), payload(nil)),
		"no key":            withHeader(members{"jwk": absent{}}),
		"a key elsewhere":   withHeader(members{"jwk": absent{}, "jku": "https://attacker.example/jwks", "x5u": "https://attacker.example/x5u"}),
		"a certificate":     withHeader(members{"jwk": absent{}, "x5c": []any{"MII"}}),
		"a key as text":     withHeader(members{"jwk": "x"}),
		"a key set":         withHeader(members{"jwk": members{"keys": []any{publicJWK(ecKey())}}}),
		"a symmetric key":   withHeader(members{"jwk": members{"kty": "oct", "k": "AAAA"}}),
		"a key of no type":  withHeader(members{"jwk": publicJWK(ecKey()).with(members{"kty": absent{}})}),
	})
}

// RFC 9449 section 4.3, check 7: jwk has no private key.
func TestPrivateKey(t *testing.T) {
	check(t, ErrMalformed, map[string]string{
		"EC":  withHeader(members{"jwk": object(jose.JSONWebKey{Key: ecKey()})}),
		"RSA": sign("RS256", rsaKey(), header("RS256", rsaKey(), members{"jwk": object(jose.JSONWebKey{Key: rsaKey()})}), payload(nil)),
		"OKP": sign("EdDSA", edKey(), header("EdDSA", edKey(), members{"jwk": object(jose.JSONWebKey{Key: edKey()})}), payload(nil)),
		"p":   withHeader(members{"jwk": publicJWK(ecKey()).with(members{"p": "AAAA"})}),
	})
}

// RFC 9449 section 4.3, check 8: htm is the method of the request, of exact case.
func TestMethod(t *testing.T) {
	check(t, ErrOtherRequest, map[string]string{
		"GET": proof(members{"htm": "GET"}), "post": proof(members{"htm": "post"}), "POST and more": proof(members{"htm": "POST "}),
	})
}

// RFC 9449 section 4.3, check 9: htu is the URL of the request.
func TestURL(t *testing.T) {
	for _, htu := range []string{
		"https://api.example.com/orders/", "https://api.example.com/order", "https://api.example.com/Orders", "https://api.example.com/", "https://api.example.com",
		"http://api.example.com/orders", "https://api.example.com:8443/orders", "https://example.com/orders", "https://api.example.com.attacker.example/orders",
		"https://api.example.com/a/../orders", "https://api.example.com/./orders", "https://api.example.com//orders", "https://api.example.com/orders%2f", "https://api.example.com/orders;a",
	} {
		check(t, ErrOtherRequest, map[string]string{htu: proof(members{"htu": htu})})
	}
	for _, htu := range []string{
		"/orders", "orders", "//api.example.com/orders", "https:/orders", "https:api.example.com/orders", "https://user@api.example.com/orders", "ftp://api.example.com/orders",
		"https://api.example.com/%zz", "https://api.example.com/ö", "https://api.example.com/ orders", " https://api.example.com/orders", "https://\u212a.example.com/orders", "https://:443/orders",
	} {
		check(t, ErrMalformed, map[string]string{htu: proof(members{"htu": htu})})
	}
}

// RFC 9449 section 4.3, check 11, and section 11.1: the proof was made just now.
func TestTime(t *testing.T) {
	check(t, ErrStale, map[string]string{
		"old": proof(members{"iat": noon.Add(-MaxAge - time.Second).Unix()}), "ahead": proof(members{"iat": noon.Add(MaxAhead + time.Second).Unix()}),
		"in 1970": proof(members{"iat": 0}), "in milliseconds": proof(members{"iat": 253402300799}),
		"expired": proof(members{"exp": noon.Unix()}), "not yet": proof(members{"nbf": noon.Unix() + 11}),
	})
}

// RFC 9449 section 4.3, check 12: ath is the hash of the token that comes with it.
func TestTokenHash(t *testing.T) {
	check(t, ErrOtherToken, map[string]string{
		"none": proof(members{"ath": absent{}}), "another's": proof(members{"ath": tokenHash("another")}), "the token": proof(members{"ath": token}),
		"padded": proof(members{"ath": tokenHash(token) + "="}),
	})
}

// RFC 9449 section 11.1: a proof is used once, and nobody uses up another one's.
func TestSingleUse(t *testing.T) {
	used := make(map[string]time.Time)
	once := func(_ context.Context, _, id string, until time.Time) (bool, error) {
		_, known := used[id]
		used[id] = until
		return !known, nil
	}
	other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	elsewhere := request()
	elsewhere.URLs = append(elsewhere.URLs, must(weburl.ParseTarget("https://api.example.com/stock")))
	for _, row := range []struct {
		name, proof string
		want        error
	}{
		{"first", proof(nil), nil},
		{"again", proof(nil), ErrReplayed},
		{"again, a second later", proof(members{"iat": noon.Unix() + 1}), ErrReplayed},
		{"again, spelled otherwise", proof(members{"htu": "https://API.example.com/%6Frders?x"}), ErrReplayed},
		{"another jti", proof(members{"jti": "x"}), nil},
		{"another key", sign("ES256", other, header("ES256", other, nil), payload(nil)), nil},
		{"another URL", proof(members{"htu": "https://api.example.com/stock"}), nil},
	} {
		p, err := Check([]string{row.proof}, elsewhere, noon)
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		if err := p.Use(t.Context(), "worker", once); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
		// It is remembered for as long as it would pass, whatever the clocks of others.
		if _, err := Check([]string{row.proof}, elsewhere, used[p.id]); !errors.Is(err, ErrStale) || len(p.id) != 48 {
			t.Errorf("%s: %q is forgotten at %s: %v", row.name, p.id, used[p.id], err)
		}
	}
	outage := errors.New("outage")
	p := must(Check([]string{proof(members{"jti": "y"})}, request(), noon))
	if err := p.Use(t.Context(), "worker", func(context.Context, string, string, time.Time) (bool, error) { return true, outage }); !errors.Is(err, outage) {
		t.Errorf("outage: %v", err)
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		proof(nil), "", "a.b.c", withHeader(members{"typ": "JWT"}), proof(members{"htu": "https://api.example.com/%6F?#"}), proof(members{"iat": 1e300}),
		sign("EdDSA", edKey(), header("EdDSA", edKey(), nil), payload(nil)), withHeader(members{"jwk": members{"kty": "oct"}}), proof(members{"jti": "\x00"}),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Check([]string{s}, request(), noon)
		if (p == nil) == (err == nil) {
			t.Fatalf("%v and %v", p, err)
		}
		if p != nil && (len(p.Thumbprint) != 43 || p.until.Before(noon)) {
			t.Errorf("%+v", p)
		}
	})
}
