package oauth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

const idp = "https://idp.example.com"

var (
	rsaKey     = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey      = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	otherECKey = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	edKey      = sync.OnceValue(func() ed25519.PrivateKey { _, key, err := ed25519.GenerateKey(rand.Reader); return must(key, err) })
)

// members are those of a JSON object; a nil one is left out.
type members map[string]any

func (m members) with(changes members) members {
	all := maps.Clone(m)
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

// assertionClaims are those of a good assertion of a client, at the time of the
// endpoint's clock.
func assertionClaims(clientID string, now time.Time) members {
	return members{"iss": clientID, "sub": clientID, "aud": idp, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": rand.Text()}
}

// assert signs claims, with the header that the algorithm gives and more. The
// algorithms that no client may use are made by hand.
func assert(t testing.TB, key any, alg string, header, claims members) string {
	t.Helper()
	return assertBytes(t, key, alg, header, must(json.Marshal(claims)))
}

func assertBytes(t testing.TB, key any, alg string, header members, claims []byte) string {
	t.Helper()
	encoded := must(json.Marshal(members{"alg": alg}.with(header)))
	input := base64.RawURLEncoding.EncodeToString(encoded) + "." + base64.RawURLEncoding.EncodeToString(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature(t, key, alg, input))
}

func signature(t testing.TB, key any, alg, input string) []byte {
	t.Helper()
	switch alg {
	case "none":
		return []byte("none")
	case "HS256":
		mac := hmac.New(sha256.New, key.([]byte))
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		digest := sha256.Sum256([]byte(input))
		r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
		must(0, err)
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(k, []byte(input))
	case *rsa.PrivateKey:
		digest := sha256.Sum256([]byte(input))
		if alg == "PS256" {
			return must(rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must(rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest[:]))
	}
	t.Fatalf("no key for %s", alg)
	return nil
}

// jwk is a public key as a client declares it.
func jwk(key any, id, alg string) string {
	return string(must(jose.JSONWebKey{Key: key, KeyID: id, Algorithm: alg}.MarshalJSON()))
}

// assertingEndpoint has a client for every way to declare keys.
func assertingEndpoint(t testing.TB) *endpoint {
	t.Helper()
	folder := t.TempDir()
	public, other := must(x509.MarshalPKIXPublicKey(ecKey().Public())), must(x509.MarshalPKIXPublicKey(otherECKey().Public()))
	files := map[string]string{
		"ec.pem":  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"two.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: other})) + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"applications.yaml": fmt.Sprintf(`
resources: [{name: orders-api, scopes: [{name: orders.read}]}]
applications:
  - {client_id: ec, scopes: [orders.read], jwks: {keys: [%[1]s]}}
  - {client_id: other, scopes: [orders.read], jwks: {keys: [%[2]s]}}
  - {client_id: rsa, scopes: [orders.read], jwks: {keys: [%[3]s]}}
  - {client_id: pss, scopes: [orders.read], token_endpoint_auth_signing_alg: PS256, jwks: {keys: [%[3]s]}}
  - {client_id: ed, scopes: [orders.read], token_endpoint_auth_method: private_key_jwt, jwks: {keys: [%[4]s]}}
  - {client_id: several, scopes: [orders.read], jwks: {keys: [%[1]s, %[5]s, %[3]s]}}
  - {client_id: strangers, scopes: [orders.read], jwks: {keys: [%[2]s, %[5]s]}}
  - {client_id: file, scopes: [orders.read], jwks_file: ec.pem}
  - {client_id: files, scopes: [orders.read], jwks_file: two.pem}
  - {client_id: url, scopes: [orders.read], jwks_uri: "https://keys.example.com/jwks.json"}
  - {client_id: url-pss, scopes: [orders.read], token_endpoint_auth_signing_alg: PS256, jwks_uri: "https://keys.example.com/jwks.json"}
  - {client_id: down, scopes: [orders.read], jwks_uri: "https://down.example.com/jwks.json"}
  - {client_id: nowhere, scopes: [orders.read], jwks_uri: "https://nowhere.example.com/jwks.json"}
  - {client_id: inactive, active: false, scopes: [orders.read], jwks: {keys: [%[1]s]}}
  - {client_id: secretive, scopes: [orders.read], secrets: [{id: a, hash: %[6]s}]}
`, jwk(ecKey().Public(), "ec", ""), jwk(otherECKey().Public(), "ec", "ES256"), jwk(rsaKey().Public(), "rsa", ""), jwk(edKey().Public(), "", ""),
			jwk(otherECKey().Public(), "ec2", ""), generatedHash()),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := live.NewLibrary([]string{filepath.Join(folder, "applications.yaml")}, application.Options{}).Load()
	if err != nil {
		t.Fatal(err)
	}
	a, c := newTestAuthenticator()
	return &endpoint{set: set, clock: c, auth: a.With(&Assertions{Issuer: idp, Replay: state.NewMemory(state.NewNode(state.Options{Now: a.now})), KeysAt: keysAt})}
}

// keysAt are the keys that some clients publish.
func keysAt(published application.PublishedKeys) verifier.KeySource {
	if published.Algorithm == "PS256" {
		return publishedKeys{"rsa": must(jws.NewKey("rsa", "PS256", rsaKey().Public()))}
	}
	switch published.URL {
	case "https://keys.example.com/jwks.json":
		return publishedKeys{"ec": must(jws.NewKey("ec", "ES256", ecKey().Public()))}
	case "https://down.example.com/jwks.json":
		return unreachableKeys{}
	}
	return nil
}

type publishedKeys map[string]*jws.Key

func (k publishedKeys) Key(_ context.Context, kid, _ string) (*jws.Key, error) {
	if key := k[kid]; key != nil {
		return key, nil
	}
	return nil, verifier.ErrUnknownKey
}

type unreachableKeys struct{}

func (unreachableKeys) Key(context.Context, string, string) (*jws.Key, error) {
	return nil, errors.New("connection refused")
}

// asserting is a token request with an assertion, and more parameters.
func asserting(assertion, more string) *http.Request {
	return post(formType, "grant_type=client_credentials&scope=orders.read&client_assertion_type="+url.QueryEscape(JWTBearer)+"&client_assertion="+assertion+more)
}

// RFC 7523 sections 2.2 and 3: every kind of key, and every way to declare it.
func TestPrivateKeyJWT(t *testing.T) {
	for _, row := range []struct {
		name, client, alg string
		key               any
		header, claims    members
	}{
		{name: "ES256", client: "ec", alg: "ES256", key: ecKey()},
		{name: "ES256 with kid", client: "ec", alg: "ES256", key: ecKey(), header: members{"kid": "ec"}},
		{name: "RS256 for a key without alg", client: "rsa", alg: "RS256", key: rsaKey()},
		{name: "PS256 by token_endpoint_auth_signing_alg", client: "pss", alg: "PS256", key: rsaKey()},
		{name: "EdDSA", client: "ed", alg: "EdDSA", key: edKey()},
		{name: "Ed25519, the name of RFC 9864", client: "ed", alg: "EdDSA", key: edKey(), header: members{"alg": "Ed25519"}},
		{name: "a kid for a key declared without", client: "ed", alg: "EdDSA", key: edKey(), header: members{"kid": "anything"}},
		{name: "a key of several, by its kid", client: "several", alg: "ES256", key: otherECKey(), header: members{"kid": "ec2"}},
		{name: "a key of several, the only one that fits", client: "several", alg: "RS256", key: rsaKey()},
		{name: "one of two that fit", client: "several", alg: "ES256", key: otherECKey()},
		{name: "the first of two in PEM", client: "files", alg: "ES256", key: otherECKey()},
		{name: "the second of two in PEM, and a kid", client: "files", alg: "ES256", key: ecKey(), header: members{"kid": "x"}},
		{name: "PEM", client: "file", alg: "ES256", key: ecKey()},
		{name: "PEM, and a kid", client: "file", alg: "ES256", key: ecKey(), header: members{"kid": "x"}},
		{name: "jwks_uri", client: "url", alg: "ES256", key: ecKey(), header: members{"kid": "ec"}},
		{name: "jwks_uri, PS256 by token_endpoint_auth_signing_alg", client: "url-pss", alg: "PS256", key: rsaKey(), header: members{"kid": "rsa"}},
		{name: "typ JWT", client: "ec", alg: "ES256", key: ecKey(), header: members{"typ": "JWT"}},
		{name: "typ of its own (rfc7523bis)", client: "ec", alg: "ES256", key: ecKey(), header: members{"typ": "client-authentication+jwt"}},
		{name: "the same, in full", client: "ec", alg: "ES256", key: ecKey(), header: members{"typ": "application/client-authentication+jwt"}},
		{name: "keys in the header are not looked at", client: "ec", alg: "ES256", key: ecKey(), header: members{"jku": "https://evil.example.com", "x5c": []string{"x"}, "jwk": members{"kty": "oct"}}},
		{name: "parameters that nothing uses", client: "ec", alg: "ES256", key: ecKey(), header: members{"zip": "NONE", "cty": "JWT", "x5t": 1}},
		{name: "no iat", client: "ec", alg: "ES256", key: ecKey(), claims: members{"iat": nil}},
		{name: "more claims", client: "ec", alg: "ES256", key: ecKey(), claims: members{"foo": "bar", "scope": "orders.admin", "client_id": "other"}},
		{name: "fractions of seconds", client: "ec", alg: "ES256", key: ecKey(), claims: members{"exp": 1773662460.5}},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := assertingEndpoint(t)
			assertion := assert(t, row.key, row.alg, row.header, assertionClaims(row.client, e.clock.Now()).with(row.claims))
			if w := e.answer(asserting(assertion, "")); w.Code != http.StatusOK {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if len(e.clock.slept) > 0 {
				t.Error("a success was held up")
			}
		})
	}
}

// RFC 7521 section 4.2: the log is to tell which key it was.
func TestTheKeyOfAnAssertionIsTold(t *testing.T) {
	e := assertingEndpoint(t)
	for client, want := range map[string]string{"ec": "ec", "file": must(jws.NewKey("", "ES256", ecKey().Public())).Thumbprint()} {
		c := Credentials{Method: PrivateKeyJWT, ClientID: client, Assertion: ParseAssertion(assert(t, ecKey(), "ES256", nil, assertionClaims(client, e.clock.Now())))}
		got, err := e.auth.Authenticate(t.Context(), e.set, c, here)
		if err != nil || got.KeyID != want || got.Method != PrivateKeyJWT || got.Secret != nil || got.Application.ClientID != client {
			t.Errorf("%s: %+v, %v", client, got, err)
		}
	}
}

// RFC 7521 section 4.2, RFC 7523 section 2.2: both parameters, each once.
func TestClientAssertionParameters(t *testing.T) {
	const grant = "grant_type=client_credentials&scope=orders.read"
	e := assertingEndpoint(t)
	fresh := func() string {
		return assert(t, ecKey(), "ES256", nil, assertionClaims("ec", e.clock.Now()))
	}
	kind := "&client_assertion_type=" + url.QueryEscape(JWTBearer)
	for _, row := range []struct {
		name   string
		r      *http.Request
		status int
		want   Reason
	}{
		{"form", post(formType, grant+kind+"&client_assertion="+fresh()), 0, ""},
		{"client_id too", post(formType, grant+kind+"&client_id=ec&client_assertion="+fresh()), 0, ""},
		{"JSON in camelCase", post(jsonType, `{"grantType":"client_credentials","scope":"orders.read","clientAssertionType":"`+JWTBearer+`","clientAssertion":"`+fresh()+`"}`), 0, ""},
		{"JSON in snake_case", post(jsonType, `{"grant_type":"client_credentials","scope":"orders.read","client_assertion_type":"`+JWTBearer+`","client_assertion":"`+fresh()+`"}`), 0, ""},
		{"type alone", post(formType, grant+kind), 400, ReasonIncompleteAssertion},
		{"type alone, with client_id", post(formType, grant+kind+"&client_id=ec"), 400, ReasonIncompleteAssertion},
		{"assertion alone", post(formType, grant+"&client_assertion="+fresh()), 400, ReasonIncompleteAssertion},
		{"empty type", post(formType, grant+"&client_assertion_type=&client_assertion="+fresh()), 400, ReasonIncompleteAssertion},
		{"type twice", post(formType, grant+kind+kind+"&client_assertion="+fresh()), 400, ReasonRepeatedParameter},
		{"assertion twice", post(formType, grant+kind+"&client_assertion="+fresh()+"&client_assertion="+fresh()), 400, ReasonRepeatedParameter},
		{"both spellings in JSON", post(jsonType, `{"grantType":"client_credentials","clientAssertionType":"`+JWTBearer+`","clientAssertion":"`+fresh()+`","client_assertion":"`+fresh()+`"}`), 400, ReasonRepeatedParameter},
		{"SAML", post(formType, grant+"&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Asaml2-bearer&client_assertion="+fresh()), 401, ReasonUnknownMethod},
		{"type of other case", post(formType, grant+strings.ToUpper(kind[23:])+"&client_assertion_type=x&client_assertion="+fresh()), 401, ReasonUnknownMethod},
		{"the grant type's name", post(formType, grant+"&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&client_assertion="+fresh()), 401, ReasonUnknownMethod},
		{"in the URL", func() *http.Request {
			r := post(formType, grant)
			r.URL.RawQuery = "client_assertion=" + fresh()
			return r
		}(), 400, ReasonParameterInURL},
		{"no client_id, and a subject that is not the issuer", post(formType, grant+kind+"&client_assertion="+assert(t, ecKey(), "ES256", nil, assertionClaims("ec", e.clock.Now()).with(members{"iss": "x"}))), 401, ReasonMissingClientID},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, _, err := e.issue(httptest.NewRecorder(), row.r)
			wantRefused(t, err, row.status, row.want)
		})
	}
}

// badAssertions are assertions of the client ec, each wrong in one way.
func badAssertions(t testing.TB, now time.Time) map[string]struct {
	assertion string
	want      Reason
} {
	t.Helper()
	bad := make(map[string]struct {
		assertion string
		want      Reason
	})
	add := func(name string, want Reason, assertion string) {
		bad[name] = struct {
			assertion string
			want      Reason
		}{assertion, want}
	}
	claim := func(name string, want Reason, changes members) {
		add(name, want, assert(t, ecKey(), "ES256", nil, assertionClaims("ec", now).with(changes)))
	}
	head := func(name string, want Reason, header members) {
		add(name, want, assert(t, ecKey(), "ES256", header, assertionClaims("ec", now)))
	}
	good := assertionClaims("ec", now)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }

	// RFC 7523 section 3: iss and sub are the client_id.
	claim("iss of another client", ReasonAssertionWrongIssuer, members{"iss": "other"})
	claim("sub of another client", ReasonAssertionWrongIssuer, members{"sub": "other"})
	claim("both of another client", ReasonAssertionWrongIssuer, members{"iss": "other", "sub": "other"})
	claim("no iss", ReasonAssertionWrongIssuer, members{"iss": nil})
	claim("no sub", ReasonAssertionWrongIssuer, members{"sub": nil})
	claim("sub of other case", ReasonAssertionWrongIssuer, members{"sub": "EC"})
	claim("sub in a list", ReasonAssertionWrongIssuer, members{"sub": []string{"ec"}})

	// Draft rfc7523bis, FAPI 2.0 section 5.3.2.1, CVE-2025-27370: the issuer alone.
	claim("aud: the token endpoint", ReasonAssertionWrongAudience, members{"aud": idp + "/token"})
	claim("aud: a list of the issuer", ReasonAssertionWrongAudience, members{"aud": []string{idp}})
	claim("aud: a list with the issuer", ReasonAssertionWrongAudience, members{"aud": []string{idp, "https://evil.example.com"}})
	claim("aud: with a slash", ReasonAssertionWrongAudience, members{"aud": idp + "/"})
	claim("aud: of other case", ReasonAssertionWrongAudience, members{"aud": "https://IDP.example.com"})
	claim("aud: another issuer", ReasonAssertionWrongAudience, members{"aud": "https://evil.example.com"})
	claim("aud: empty list", ReasonAssertionWrongAudience, members{"aud": []string{}})
	claim("no aud", ReasonAssertionWrongAudience, members{"aud": nil})

	// RFC 7523 section 3 points 4 to 6, FAPI 2.0 section 5.3.2.1.
	claim("no exp", ReasonAssertionMalformed, members{"exp": nil})
	claim("exp as text", ReasonAssertionMalformed, members{"exp": fmt.Sprint(at(time.Minute))})
	claim("exp beyond all numbers", ReasonAssertionMalformed, members{"exp": json.Number("1e400")})
	claim("exp beyond all years", ReasonAssertionMalformed, members{"exp": int64(1) << 62})
	claim("exp is now", ReasonAssertionExpired, members{"exp": at(0)})
	claim("exp a second ago", ReasonAssertionExpired, members{"exp": at(-time.Second)})
	claim("exp six minutes ahead", ReasonAssertionLivesTooLong, members{"exp": at(6 * time.Minute)})
	claim("exp a year ahead", ReasonAssertionLivesTooLong, members{"exp": at(365 * 24 * time.Hour)})
	claim("nbf 61 seconds ahead", ReasonAssertionNotYetValid, members{"nbf": at(61 * time.Second)})
	claim("iat 61 seconds ahead", ReasonAssertionNotYetValid, members{"iat": at(61 * time.Second)})
	claim("iat as text", ReasonAssertionMalformed, members{"iat": "now"})
	claim("nbf below zero", ReasonAssertionMalformed, members{"nbf": -1})

	// Own: every assertion can be told from every other one.
	claim("no jti", ReasonAssertionMalformed, members{"jti": nil})
	claim("empty jti", ReasonAssertionMalformed, members{"jti": ""})
	claim("jti is a number", ReasonAssertionMalformed, members{"jti": 1})
	claim("jti without end", ReasonAssertionMalformed, members{"jti": strings.Repeat("a", 257)})

	// RFC 8725 sections 3.1, 3.2 and 3.11; RFC 7515 section 4.1.11; RFC 7797.
	head("typ of an access token", ReasonAssertionWrongType, members{"typ": "at+jwt"})
	head("typ of a DPoP proof", ReasonAssertionWrongType, members{"typ": "dpop+jwt"})
	head("empty typ", ReasonAssertionWrongType, members{"typ": ""})
	head("unknown typ", ReasonAssertionWrongType, members{"typ": "JOSE"})
	head("typ in a list", ReasonAssertionMalformed, members{"typ": []string{"JWT"}})
	head("crit", ReasonAssertionMalformed, members{"crit": []string{"exp"}, "exp": 1})
	head("b64", ReasonAssertionMalformed, members{"b64": true})
	head("kid of nobody", ReasonAssertionUnknownKey, members{"kid": "nobody"})
	head("kid as a path", ReasonAssertionUnknownKey, members{"kid": "../../dev/null"})
	head("empty kid", ReasonAssertionUnknownKey, members{"kid": ""})
	head("kid is a number", ReasonAssertionMalformed, members{"kid": 1})
	head("alg none of the header", ReasonAssertionWrongAlgorithm, members{"alg": "none"})
	head("alg of another family", ReasonAssertionWrongAlgorithm, members{"alg": "RS256"})
	add("alg none", ReasonAssertionWrongAlgorithm, assert(t, nil, "none", nil, good))
	add("HS256 by the public key", ReasonAssertionWrongAlgorithm, assert(t, must(x509.MarshalPKIXPublicKey(ecKey().Public())), "HS256", nil, good))
	add("HS256 by the client_id", ReasonAssertionWrongAlgorithm, assert(t, []byte("ec"), "HS256", nil, good))
	add("another key", ReasonAssertionBadSignature, assert(t, otherECKey(), "ES256", nil, good))
	add("another key, under the kid", ReasonAssertionBadSignature, assert(t, otherECKey(), "ES256", members{"kid": "ec"}, good))
	add("a key in the header", ReasonAssertionBadSignature, assert(t, otherECKey(), "ES256",
		members{"jwk": json.RawMessage(jwk(otherECKey().Public(), "ec", "ES256"))}, good))
	whole := assert(t, ecKey(), "ES256", nil, good)
	add("the signature cut off", ReasonAssertionMalformed, whole[:strings.LastIndex(whole, ".")+1])
	add("the signature shortened", ReasonAssertionBadSignature, whole[:len(whole)-2])
	add("claims exchanged", ReasonAssertionBadSignature, func() string {
		parts := strings.Split(whole, ".")
		parts[1] = strings.Split(assert(t, otherECKey(), "ES256", nil, good.with(members{"jti": "x"})), ".")[1]
		return strings.Join(parts, ".")
	}())

	// RFC 7515 sections 3 and 7.1; RFC 8259 section 4.
	add("nothing but dots", ReasonAssertionMalformed, "..")
	add("two segments", ReasonAssertionMalformed, whole[:strings.LastIndex(whole, ".")])
	add("five segments", ReasonAssertionMalformed, whole+".a.b")
	add("JSON serialisation", ReasonAssertionMalformed, url.QueryEscape(`{"payload":"e30","signatures":[]}`))
	add("padding", ReasonAssertionMalformed, url.QueryEscape(whole+"="))
	add("too large", ReasonAssertionMalformed, assert(t, ecKey(), "ES256", nil, good.with(members{"x": strings.Repeat("a", jws.MaxTokenSize)})))
	add("900,000 dots in little", ReasonAssertionMalformed, strings.Repeat(".", 60_000))
	add("claims twice", ReasonAssertionMalformed, assertBytes(t, ecKey(), "ES256", nil, bytes.Replace(must(json.Marshal(good)), []byte("{"), []byte(`{"aud":"x",`), 1)))
	add("claims are a list", ReasonAssertionMalformed, assertBytes(t, ecKey(), "ES256", nil, []byte(`[]`)))
	return bad
}

// RFC 7523 section 3, RFC 6749 section 5.2: one answer to every bad assertion,
// after one time; the true reason only for the operator.
func TestBadAssertionsAreIndistinguishable(t *testing.T) {
	const body = `{"error":"invalid_client","error_description":"client authentication failed"}`
	for name, row := range badAssertions(t, assertingEndpoint(t).clock.Now()) {
		t.Run(name, func(t *testing.T) {
			e := assertingEndpoint(t)
			used := new(replayed)
			e.auth.assertions.Replay = used
			w := e.answer(asserting(row.assertion, "&client_id=ec"))
			if w.Code != http.StatusUnauthorized || w.Body.String() != body {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if len(e.clock.slept) != 1 || e.clock.slept[0] != e.set.AuthenticationFloor() {
				t.Errorf("held up by %v", e.clock.slept)
			}
			if used.asked > 0 {
				t.Error("it was marked as used")
			}
			if got := e.refuse(t, asserting(row.assertion, "&client_id=ec")); got.Reason != row.want {
				t.Errorf("reason %s (%v), want %s", got.Reason, got.Cause, row.want)
			} else if strings.Contains(got.Error(), row.assertion) && len(row.assertion) > 10 {
				t.Error("the assertion is in the cause")
			}
		})
	}
}

// replayed is a memory that says that everything was used before, or fails.
type replayed struct {
	asked int
	err   error
}

func (r *replayed) Once(context.Context, string, string, time.Time) (bool, error) {
	r.asked++
	return false, r.err
}

// RFC 7521 section 4.2: who the assertion is of does not help who may not use one.
func TestAssertionsOfOthers(t *testing.T) {
	e := assertingEndpoint(t)
	for _, row := range []struct {
		name, client, more string
		want               Reason
	}{
		{"unknown client", "nobody", "", ReasonUnknownClient},
		{"inactive client", "inactive", "", ReasonInactiveClient},
		{"client with a secret", "secretive", "", ReasonUnregisteredMethod},
		{"client_id of another", "ec", "&client_id=other", ReasonAssertionWrongIssuer},
		{"client_id of other case", "ec", "&client_id=EC", ReasonUnknownClient},
		{"key of another client", "other", "", ReasonAssertionBadSignature},
		{"key of another algorithm", "rsa", "", ReasonAssertionWrongAlgorithm},
		{"none of several keys, and no kid", "strangers", "", ReasonAssertionBadSignature},
		{"jwks_uri, and no kid", "url", "", ReasonAssertionUnknownKey},
		{"jwks_uri out of reach", "down", "", ReasonAssertionKeysUnavailable},
		{"jwks_uri that is gone", "nowhere", "", ReasonAssertionKeysUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			e.clock.Advance(time.Minute) // no limit is reached
			assertion := assert(t, ecKey(), "ES256", nil, assertionClaims(row.client, e.clock.Now()))
			if got := e.refuse(t, asserting(assertion, row.more)); got.Status != http.StatusUnauthorized || got.Reason != row.want {
				t.Errorf("%d %s (%v), want %s", got.Status, got.Reason, got.Cause, row.want)
			}
		})
	}
}

// RFC 6749 section 2.3.1: the limit is for guesses. A client whose keys are out of
// reach has guessed nothing, and neither have others behind its address.
func TestKeysOutOfReachCountAsNoFailure(t *testing.T) {
	for _, client := range []string{"down", "nowhere"} {
		e := assertingEndpoint(t)
		for i := range 2 * failuresPerSource {
			assertion := assert(t, ecKey(), "ES256", nil, assertionClaims(client, e.clock.Now()))
			if got := e.refuse(t, asserting(assertion, "")); got.Status != http.StatusUnauthorized || got.Reason != ReasonAssertionKeysUnavailable {
				t.Fatalf("%s, attempt %d: %d %s", client, i+1, got.Status, got.Reason)
			}
		}
		if got := len(e.clock.slept); got != 2*failuresPerSource {
			t.Errorf("%s: %d answers were held to the floor", client, got)
		}
		if w := e.answer(asserting(assert(t, ecKey(), "ES256", nil, assertionClaims("ec", e.clock.Now())), "")); w.Code != http.StatusOK {
			t.Errorf("a neighbour: %d %s", w.Code, w.Body)
		}
	}
}

// A client that has keys cannot use a secret, which it has not.
func TestAClientWithKeysHasNoSecret(t *testing.T) {
	e := assertingEndpoint(t)
	if got := e.refuse(t, form("ec", generated, "&scope=orders.read")); got.Reason != ReasonWrongSecret {
		t.Errorf("reason %s", got.Reason)
	}
	if got := e.refuse(t, form("ec", "", "&scope=orders.read")); got.Reason != ReasonNoCredentials {
		t.Errorf("reason %s", got.Reason)
	}
}

// FAPI 2.0 section 5.3.2.1: clocks differ.
func TestClockSkewOfAssertions(t *testing.T) {
	for name, ahead := range map[string]members{
		"nbf 8 seconds": {"nbf": 8}, "iat 10 seconds": {"iat": 10}, "both 60 seconds": {"nbf": 60, "iat": 60, "exp": 120},
		"exp five minutes": {"exp": 300}, "exp five minutes by a clock that is ahead": {"exp": 310, "iat": 10}, "exp a second": {"exp": 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := assertingEndpoint(t)
			claims := assertionClaims("ec", e.clock.Now())
			for name, seconds := range ahead {
				claims[name] = e.clock.Now().Unix() + int64(seconds.(int))
			}
			if w := e.answer(asserting(assert(t, ecKey(), "ES256", nil, claims), "")); w.Code != http.StatusOK {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// RFC 7523 section 3 point 7 (CVE-2020-15222, CVE-2020-5300): once, and no more.
func TestAnAssertionIsUsedOnce(t *testing.T) {
	e := assertingEndpoint(t)
	claims := assertionClaims("ec", e.clock.Now())
	assertion := assert(t, ecKey(), "ES256", nil, claims)
	if w := e.answer(asserting(assertion, "")); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	again := map[string]string{
		"the same":                        assertion,
		"signed anew, with a longer life": assert(t, ecKey(), "ES256", nil, claims.with(members{"exp": e.clock.Now().Add(4 * time.Minute).Unix()})),
	}
	for name, assertion := range again {
		if got := e.refuse(t, asserting(assertion, "")); got.Reason != ReasonAssertionReplayed || got.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, got.Status, got.Reason)
		}
	}
	other := assertionClaims("file", e.clock.Now()).with(members{"jti": claims["jti"]})
	if w := e.answer(asserting(assert(t, ecKey(), "ES256", nil, other), "")); w.Code != http.StatusOK {
		t.Errorf("another client's jti counts: %d %s", w.Code, w.Body)
	}
	// A reload makes another Authenticator of what the one before knows.
	reloaded := &endpoint{set: e.set, clock: e.clock, auth: e.auth.With(e.auth.assertions)}
	if got := reloaded.refuse(t, asserting(assertion, "")); got.Reason != ReasonAssertionReplayed {
		t.Errorf("after a reload: %s", got.Reason)
	}
}

// Of many at once, one is the first.
func TestAnAssertionIsUsedOnceAtOnce(t *testing.T) {
	e := assertingEndpoint(t)
	c := Credentials{Method: PrivateKeyJWT, ClientID: "ec", Assertion: ParseAssertion(assert(t, ecKey(), "ES256", nil, assertionClaims("ec", e.clock.Now())))}
	var group sync.WaitGroup
	accepted := make(chan bool, failuresPerClient)
	for range failuresPerClient {
		group.Go(func() {
			_, err := e.auth.Authenticate(t.Context(), e.set, c, here)
			accepted <- err == nil
		})
	}
	group.Wait()
	close(accepted)
	count := 0
	for ok := range accepted {
		if ok {
			count++
		}
	}
	if count != 1 {
		t.Errorf("accepted %d times", count)
	}
}

// What cannot be told is refused, and tells the client to come again.
func TestReplayMemoryOutOfReach(t *testing.T) {
	e := assertingEndpoint(t)
	e.auth.assertions.Replay = &replayed{err: state.ErrUnavailable}
	got := e.refuse(t, asserting(assert(t, ecKey(), "ES256", nil, assertionClaims("ec", e.clock.Now())), ""))
	if got.Status != http.StatusServiceUnavailable || got.Code != CodeTemporarilyUnavailable || got.Reason != ReasonStateUnavailable || got.RetryAfter == 0 {
		t.Errorf("%+v", got)
	}
}

// Nobody guesses a signature: an assertion tests nothing that a limit would have to
// protect, and who sends bad ones locks out nobody.
func TestAssertionsAreNotLimited(t *testing.T) {
	e := assertingEndpoint(t)
	bad := assert(t, otherECKey(), "ES256", nil, assertionClaims("ec", e.clock.Now()))
	for range 2 * failuresPerSource {
		if got := e.refuse(t, asserting(bad, "")); got.Status != http.StatusUnauthorized {
			t.Fatalf("%d %s", got.Status, got.Reason)
		}
	}
	if w := e.answer(asserting(assert(t, ecKey(), "ES256", nil, assertionClaims("ec", e.clock.Now())), "")); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// insecure_assertion_audience: RFC 7523 section 3 point 3, as clients of before know it.
func TestInsecureAssertionAudience(t *testing.T) {
	for name, row := range map[string]struct {
		aud  any
		want Reason
	}{
		"issuer":                     {idp, ""},
		"token endpoint":             {idp + "/token", ""},
		"list of one":                {[]string{idp}, ""},
		"list with another":          {[]string{"https://other.example.com", idp + "/token"}, ""},
		"another":                    {"https://other.example.com/token", ReasonAssertionWrongAudience},
		"list of another":            {[]string{"https://other.example.com"}, ReasonAssertionWrongAudience},
		"another endpoint":           {idp + "/introspect", ReasonAssertionWrongAudience},
		"token endpoint, with slash": {idp + "/token/", ReasonAssertionWrongAudience},
		"number":                     {1, ReasonAssertionWrongAudience},
		"list in a list":             {[]any{[]string{idp}}, ReasonAssertionWrongAudience},
	} {
		t.Run(name, func(t *testing.T) {
			e := assertingEndpoint(t)
			e.auth.assertions.InsecureAudiences = []string{idp + "/token"}
			_, _, err := e.issue(httptest.NewRecorder(), asserting(assert(t, ecKey(), "ES256", nil, assertionClaims("ec", e.clock.Now()).with(members{"aud": row.aud})), ""))
			wantRefused(t, err, http.StatusUnauthorized, row.want)
		})
	}
}

// assertionRefusals has one refused request for every reason that assertions have.
func assertionRefusals(t *testing.T) map[Reason]*Error {
	all := make(map[Reason]*Error)
	for _, row := range badAssertions(t, assertingEndpoint(t).clock.Now()) {
		all[row.want] = assertingEndpoint(t).refuse(t, asserting(row.assertion, "&client_id=ec"))
	}
	e := assertingEndpoint(t)
	good := func(client string) string {
		return assert(t, ecKey(), "ES256", nil, assertionClaims(client, e.clock.Now()))
	}
	all[ReasonIncompleteAssertion] = e.refuse(t, post(formType, "grant_type=a&client_assertion=a"))
	all[ReasonUnknownMethod] = e.refuse(t, post(formType, "grant_type=a&client_assertion_type=a&client_assertion=a"))
	all[ReasonAssertionKeysUnavailable] = e.refuse(t, asserting(good("down"), ""))
	f := federatedEndpoint(t)
	other := assert(t, ecKey(), "ES256", members{"kid": "k"}, podToken(f.clock.Now()).with(members{"sub": "other"}))
	all[ReasonAssertionWrongSubject] = f.refuse(t, asserting(other, "&client_id=worker"))
	all[ReasonAssertionRevoked] = revoking(t, verifier.Refuse(verifier.Revoked, nil))
	e.auth.assertions.Replay = new(replayed)
	all[ReasonAssertionReplayed] = e.refuse(t, asserting(good("ec"), ""))
	e.auth.assertions.Replay = &replayed{err: state.ErrUnavailable}
	all[ReasonStateUnavailable] = e.refuse(t, asserting(good("ec"), ""))
	return all
}

// Whatever comes, it is refused, or was signed by the client for this issuer.
func FuzzClientAssertion(f *testing.F) {
	e := assertingEndpoint(f)
	for _, row := range badAssertions(f, e.clock.Now()) {
		if len(row.assertion) < 4096 {
			f.Add(row.assertion)
		}
	}
	signed := assert(f, ecKey(), "ES256", nil, assertionClaims("ec", e.clock.Now()))
	f.Add(signed)
	app, _ := e.set.Application("ec")
	f.Fuzz(func(t *testing.T, text string) {
		_, refusal := e.auth.byAssertion(t.Context(), time.Second, app, "", ParseAssertion(text))
		if refusal == nil && text[:strings.LastIndex(text, ".")] != signed[:strings.LastIndex(signed, ".")] {
			t.Errorf("accepted %q", text)
		}
	})
}
