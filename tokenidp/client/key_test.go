package client

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func newTestKey(t *testing.T, algorithm string) *Key {
	t.Helper()
	key, err := GenerateKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signed takes a JWS apart and verifies it with the key.
func signed(t *testing.T, key *jws.Key, token string) (header, claims map[string]any) {
	t.Helper()
	m, err := jws.Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Verify(m.SigningInput, m.Signature); err != nil {
		t.Fatal(err)
	}
	encoded, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if header, err = strictjson.Object(raw); err != nil {
		t.Fatal(err)
	}
	if claims, err = strictjson.Object(m.Payload); err != nil {
		t.Fatal(err)
	}
	return header, claims
}

// members wants exactly these, where "*" is any string that is not empty.
func members(t *testing.T, what string, got map[string]any, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if found := fmt.Sprint(got[name]); found != value && (value != "*" || found == "" || got[name] == nil) {
			t.Errorf("%s: %s is %v, not %s", what, name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %v", what, got)
	}
}

func TestKeyIsReadAsItWasWritten(t *testing.T) {
	for _, algorithm := range jws.Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			key := newTestKey(t, algorithm)
			text, err := key.PEM()
			if err != nil || !strings.HasPrefix(string(text), "-----BEGIN PRIVATE KEY-----\n") {
				t.Fatalf("%v", err)
			}
			again, err := ParseKey(text, algorithm)
			if err != nil || again.Public().ID != key.Public().Thumbprint() || again.Public().Algorithm != algorithm {
				t.Fatalf("%v, %v", again, err)
			}
			usual, err := ParseKey(text, "")
			if want := algorithm; err != nil || usual.Public().Algorithm != want && (usual.Public().Algorithm != "RS256" || !slices.Contains([]byte("RP"), algorithm[0])) {
				t.Errorf("%v, %v", usual.Public(), err)
			}
			if printed := fmt.Sprintf("%v %+v %s", key, key, key); strings.Contains(printed, "{") {
				t.Errorf("a key prints as %s", printed)
			}
		})
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	one, err := newTestKey(t, "ES256").PEM()
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct{ text, algorithm, says string }{
		"no key":               {"", "", "there are 0 private keys in it"},
		"two keys":             {string(one) + string(one), "", "there are 2 private keys in it"},
		"another algorithm":    {string(one), "ES384", "does not fit the algorithm"},
		"a symmetric one":      {string(one), "HS256", "not supported"},
		"none":                 {string(one), "none", "not supported"},
		"an algorithm for RSA": {string(one), "PS256", "does not fit the algorithm"},
	} {
		t.Run(name, func(t *testing.T) {
			if key, err := ParseKey([]byte(row.text), row.algorithm); err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%v, %v", key, err)
			}
		})
	}
}

// RFC 7523 section 3; RFC 7523bis section 4: the audience is the issuer as the sole
// value.
func TestAssertion(t *testing.T) {
	for _, algorithm := range []string{"ES256", "PS256", "RS256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			key := newTestKey(t, algorithm)
			assertion, err := key.Named("blue").Assertion("orders-worker", "https://idp.example.com", noon, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			header, claims := signed(t, key.Public(), assertion)
			members(t, "header", header, map[string]string{"alg": algorithm, "kid": "blue", "typ": "client-authentication+jwt"})
			members(t, "claims", claims, map[string]string{
				"iss": "orders-worker", "sub": "orders-worker", "aud": "https://idp.example.com", "jti": "*",
				"iat": fmt.Sprint(noon.Unix()), "exp": fmt.Sprint(noon.Unix() + 60),
			})
			another, err := key.Assertion("orders-worker", "https://idp.example.com", noon, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			header, others := signed(t, key.Public(), another)
			if header["kid"] != key.Public().Thumbprint() || others["jti"] == claims["jti"] {
				t.Errorf("%v %v", header, others)
			}
		})
	}
	if _, err := newTestKey(t, "ES256").Assertion("", "https://idp.example.com", noon, time.Minute); err == nil {
		t.Error("an assertion for nobody")
	}
}

// RFC 9449 section 4.2.
func TestProof(t *testing.T) {
	for _, algorithm := range []string{"ES256", "PS256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			key := newTestKey(t, algorithm)
			proof, err := key.Proof(Proof{Method: "POST", URL: "https://idp.example.com/token?a=b#c"}, noon)
			if err != nil {
				t.Fatal(err)
			}
			header, claims := signed(t, key.Public(), proof)
			members(t, "claims", claims, map[string]string{"jti": "*", "htm": "POST", "htu": "https://idp.example.com/token", "iat": fmt.Sprint(noon.Unix())})
			jwk, _ := header["jwk"].(map[string]any)
			delete(header, "jwk")
			members(t, "header", header, map[string]string{"alg": algorithm, "typ": "dpop+jwt"})
			for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
				if jwk[private] != nil {
					t.Errorf("the proof has the private %s", private)
				}
			}
			if embedded, err := json.Marshal(jwk); err != nil || jwk["kid"] != nil || jwk["alg"] != nil {
				t.Errorf("%v, %v", jwk, err)
			} else if found, err := jws.ParseKeySet(slices.Concat([]byte(`{"keys":[`), embedded, []byte(`]}`)), algorithm); err != nil || found.Keys()[0].Thumbprint() != key.Public().Thumbprint() {
				t.Errorf("the key of the proof: %v, %v", found, err)
			}
		})
	}
}

// RFC 9449 section 7.1 has the example: the hash binds a proof to the token.
func TestProofOfAToken(t *testing.T) {
	key := newTestKey(t, "ES256")
	proof, err := key.Proof(Proof{
		Method: "GET", URL: "https://resource.example.org/protectedresource", Nonce: "n-0",
		AccessToken: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
	}, noon)
	if err != nil {
		t.Fatal(err)
	}
	_, claims := signed(t, key.Public(), proof)
	members(t, "claims", claims, map[string]string{
		"jti": "*", "htm": "GET", "htu": "https://resource.example.org/protectedresource", "iat": fmt.Sprint(noon.Unix()),
		"nonce": "n-0", "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
	})
	for _, p := range []Proof{{Method: "GET", URL: "/orders"}, {URL: "https://idp.example.com"}, {Method: "GET", URL: "https://%zz"}} {
		if proof, err := key.Proof(p, noon); err == nil {
			t.Errorf("%+v: %s", p, proof)
		}
	}
}
