package verifier

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

type object = map[string]any

const (
	issuerA = "https://a.example"
	issuerB = "https://b.example"
	ecKID   = "2026-03-16"
	rsaKID  = "rsa"
	psKID   = "ps"
)

var now = time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

func at(d time.Duration) int64 { return now.Add(d).Unix() }

// keySet is a source of keys that never fails.
type keySet map[string]*jws.Key

func (s keySet) Key(_ context.Context, kid, _ string) (*jws.Key, error) {
	if key, ok := s[kid]; ok {
		return key, nil
	}
	return nil, ErrUnknownKey
}

// brokenKeys is a source of keys that always fails.
type brokenKeys struct{ err error }

func (s brokenKeys) Key(context.Context, string, string) (*jws.Key, error) { return nil, s.err }

// The tests share these, because generating RSA keys takes longer than all the tests.
var private = sync.OnceValue(func() (keys struct {
	rsa          *rsa.PrivateKey
	ecA, ecB, ec *ecdsa.PrivateKey // ec is the attacker's
}) {
	var err error
	generate := func() *ecdsa.PrivateKey {
		key, keyErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		err = errors.Join(err, keyErr)
		return key
	}
	keys.ecA, keys.ecB, keys.ec = generate(), generate(), generate()
	var rsaErr error
	keys.rsa, rsaErr = rsa.GenerateKey(rand.Reader, 2048)
	if err = errors.Join(err, rsaErr); err != nil {
		panic(err)
	}
	return keys
})

func publicKey(t testing.TB, kid, alg string, public crypto.PublicKey) *jws.Key {
	t.Helper()
	key, err := jws.NewKey(kid, alg, public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// twins are two verifiers with one difference: one remembers tokens.
type twins struct {
	t                  testing.TB
	forgetful, mindful *Verifier
}

func newTwins(t testing.TB, now func() time.Time, issuers ...Options) twins {
	t.Helper()
	return twins{t, newWith(t, now, -1, issuers...), newWith(t, now, 0, issuers...)}
}

func newWith(t testing.TB, now func() time.Time, cacheSize int, issuers ...Options) *Verifier {
	t.Helper()
	var prepared []*Issuer
	for _, o := range issuers {
		o.CacheSize = cacheSize
		issuer, err := NewIssuer(o)
		if err != nil {
			t.Fatal(err)
		}
		prepared = append(prepared, issuer)
	}
	v, err := New(now, prepared...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Verify asks both, the one with a memory twice, and checks that they agree.
func (w twins) Verify(ctx context.Context, token string) (*Claims, error) {
	w.t.Helper()
	want, wantErr := w.forgetful.Verify(ctx, token)
	for i := range 2 {
		got, err := w.mindful.Verify(ctx, token)
		if !alike(got, want) || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			w.t.Errorf("asked %d times before, with a memory: %+v, %v; without: %+v, %v", i, got, err, want, wantErr)
		}
	}
	return want, wantErr
}

// newVerifier knows two issuers with keys of the same kid. The first also has a key for
// PS256, which it does not allow.
func newVerifier(t testing.TB) twins {
	t.Helper()
	return newTwins(t, clock, twoIssuers(t)...)
}

func twoIssuers(t testing.TB) []Options {
	t.Helper()
	p := private()
	return []Options{
		{URL: issuerA, Algorithms: []string{"RS256", "ES256"}, Keys: keySet{
			ecKID:  publicKey(t, ecKID, "ES256", p.ecA.Public()),
			rsaKID: publicKey(t, rsaKID, "RS256", p.rsa.Public()),
			psKID:  publicKey(t, psKID, "PS256", p.rsa.Public()),
		}},
		{URL: issuerB, Algorithms: []string{"ES256"}, Types: []string{"at+jwt", "jwt"}, Keys: keySet{
			ecKID: publicKey(t, ecKID, "ES256", p.ecB.Public()),
		}},
	}
}

// goodClaims returns the claims of RFC 9068 section 2.2.
func goodClaims() object {
	return object{
		"iss": issuerA, "sub": "orders-worker", "client_id": "orders-worker", "aud": "orders-api",
		"scope": "orders.read orders.write", "jti": "1", "iat": at(-time.Minute), "exp": at(time.Hour),
	}
}

type removed struct{}

// edit returns JSON of an object with some members changed or removed.
func edit(base, changes object) string {
	edited := maps.Clone(base)
	for name, value := range changes {
		if edited[name] = value; value == (removed{}) {
			delete(edited, name)
		}
	}
	return toJSON(edited)
}

func toJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func claims(changes object) string { return edit(goodClaims(), changes) }

func header(changes object) string {
	return edit(object{"alg": "ES256", "typ": "at+jwt", "kid": ecKID}, changes)
}

func b64[T string | []byte](s T) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

type signer func(input []byte) []byte

func compact(header, claims string, sign signer) string {
	input := b64(header) + "." + b64(claims)
	return input + "." + b64(sign([]byte(input)))
}

func byEC(key *ecdsa.PrivateKey) signer {
	return func(input []byte) []byte {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest(crypto.SHA256.New, input))
		if err != nil {
			panic(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
}

func byRS256(input []byte) []byte {
	signature, err := rsa.SignPKCS1v15(nil, private().rsa, crypto.SHA256, digest(crypto.SHA256.New, input))
	if err != nil {
		panic(err)
	}
	return signature
}

func byPS256(input []byte) []byte {
	salt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	signature, err := rsa.SignPSS(rand.Reader, private().rsa, crypto.SHA256, digest(crypto.SHA256.New, input), salt)
	if err != nil {
		panic(err)
	}
	return signature
}

func byEd25519(key ed25519.PrivateKey) signer {
	return func(input []byte) []byte { return ed25519.Sign(key, input) }
}

func byHMAC(newHash func() hash.Hash, key []byte) signer {
	return func(input []byte) []byte { return digest(func() hash.Hash { return hmac.New(newHash, key) }, input) }
}

func by(signature []byte) signer { return func([]byte) []byte { return signature } }

func digest(newHash func() hash.Hash, data []byte) []byte {
	h := newHash()
	h.Write(data)
	return h.Sum(nil)
}

// goodToken returns the token that every attack varies.
func goodToken() string { return compact(header(nil), claims(nil), byEC(private().ecA)) }

// signed returns a token of issuer A. Everything except its claims is valid.
func signed(claims string) string { return compact(header(nil), claims, byEC(private().ecA)) }

// headed returns a token. Everything except its header is valid.
func headed(header string) string { return compact(header, claims(nil), byEC(private().ecA)) }

// wantRefusal also checks that callers and logs see nothing secret.
func wantRefusal(t *testing.T, err error, reason Reason, token string) {
	t.Helper()
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("error %v is no refusal, want %s", err, reason)
	}
	if refusal.Reason != reason {
		t.Errorf("refused for %s (%v), want %s", refusal.Reason, err, reason)
	}
	signature := token[strings.LastIndexByte(token, '.')+1:]
	if len(signature) > 16 && strings.Contains(err.Error(), signature[:16]) {
		t.Errorf("the error shows the signature: %v", err)
	}
	if want := answers[reason]; refusal.Status != want.status || refusal.Code != want.code || refusal.Description != want.description {
		t.Errorf("answer %+v, want %+v", refusal, want)
	}
}

// alike reports whether two tokens are equal, in their fields and in all their claims,
// which one of them may have to decode first.
func alike(a, b *Claims) bool {
	if a == nil || b == nil {
		return a == b
	}
	fields, others := *a, *b
	fields.all, others.all = nil, nil
	return reflect.DeepEqual(fields, others) && a.all.text == b.all.text && reflect.DeepEqual(a.All(), b.All())
}

// claimsOf returns claims without the text of a token.
func claimsOf(members object) *claimSet {
	s := new(claimSet)
	s.decoded.Store(&members)
	return s
}
