package verifier

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// RFC 9068 section 4.
func TestVerifyReturnsTheClaims(t *testing.T) {
	token := signed(claims(object{"tenant": object{"id": 7}, "aud": []string{"orders-api", "billing-api"}}))
	got, err := newVerifier(t).Verify(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	if tenant, ok := got.Claim("tenant"); !ok || !reflect.DeepEqual(tenant, map[string]any{"id": strictjson.Number("7")}) {
		t.Errorf("claim tenant is %#v, %v", tenant, ok)
	}
	read := *got
	read.all = nil
	want := &Claims{
		Issuer: issuerA, Subject: "orders-worker", ClientID: "orders-worker", ID: "1", KeyID: ecKID,
		Audience: []string{"orders-api", "billing-api"}, Scope: []string{"orders.read", "orders.write"},
		IssuedAt: time.Unix(at(-time.Minute), 0), ExpiresAt: time.Unix(at(time.Hour), 0),
		scopeText: "orders.read orders.write",
	}
	if !reflect.DeepEqual(&read, want) {
		t.Errorf("got %+v, want %+v", &read, want)
	}
}

// RFC 7518 section 3.1, RFC 8037: signed by go-jose, an independent implementation.
func TestVerifyWorksWithEveryAlgorithm(t *testing.T) {
	for _, alg := range jws.Algorithms {
		t.Run(alg, func(t *testing.T) {
			private := signingKey(t, alg)
			key := publicKey(t, "k", alg, private.Public())
			v := newTwins(t, clock, Options{URL: issuerA, Algorithms: []string{alg}, Keys: keySet{"k": key}})
			opts := new(jose.SignerOptions).WithType("at+jwt").WithHeader("kid", "k")
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: private}, opts)
			if err != nil {
				t.Fatal(err)
			}
			object, err := signer.Sign([]byte(claims(nil)))
			if err != nil {
				t.Fatal(err)
			}
			token, err := object.CompactSerialize()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.Verify(context.Background(), token); err != nil {
				t.Error(err)
			}
		})
	}
}

func signingKey(t *testing.T, alg string) crypto.Signer {
	t.Helper()
	curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg]
	switch {
	case curve != nil:
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	case alg == "EdDSA":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	return private().rsa
}

// RFC 8725 section 3.8: the keys of one issuer do not verify tokens of another, also if
// both have the same kid.
func TestVerifyDoesNotMixIssuers(t *testing.T) {
	v, p := newVerifier(t), private()
	for name, row := range map[string]struct {
		iss    string
		key    *ecdsa.PrivateKey
		reason Reason
	}{
		"A by A": {issuerA, p.ecA, ""},
		"B by B": {issuerB, p.ecB, ""},
		"A by B": {issuerA, p.ecB, BadSignature},
		"B by A": {issuerB, p.ecA, BadSignature},
	} {
		token := compact(header(nil), claims(object{"iss": row.iss}), byEC(row.key))
		got, err := v.Verify(context.Background(), token)
		switch {
		case row.reason != "":
			wantRefusal(t, err, row.reason, token)
		case err != nil || got.Issuer != row.iss:
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// RFC 8725 section 3.1: the algorithms of one issuer are not allowed to another.
func TestVerifyTakesTheAlgorithmsOfTheIssuer(t *testing.T) {
	token := compact(header(object{"alg": "RS256", "kid": rsaKID}), claims(object{"iss": issuerB}), byRS256)
	_, err := newVerifier(t).Verify(context.Background(), token)
	wantRefusal(t, err, WrongAlgorithm, token)
}

// A key that leaves the issuer's set verifies nothing from then on.
func TestVerifyForgetsRemovedKeys(t *testing.T) {
	keys := keySet{ecKID: publicKey(t, ecKID, "ES256", private().ecA.Public())}
	v := newTwins(t, clock, Options{URL: issuerA, Algorithms: []string{"ES256"}, Keys: keys})
	token := goodToken()
	if _, err := v.Verify(context.Background(), token); err != nil {
		t.Fatal(err)
	}
	delete(keys, ecKID)
	_, err := v.Verify(context.Background(), token)
	wantRefusal(t, err, UnknownKey, token)
}

// RFC 6750 section 3.1 has no code for a failure of ours. Such a failure lets no request
// in.
func TestVerifyFailsClosedWithoutKeys(t *testing.T) {
	for name, row := range map[string]struct {
		keys   KeySource
		reason Reason
	}{
		"out of reach": {brokenKeys{errors.New("connection refused")}, KeysUnavailable},
		"out of time":  {brokenKeys{context.DeadlineExceeded}, KeysUnavailable},
		"unknown":      {brokenKeys{errors.Join(errors.New("looking"), ErrUnknownKey)}, UnknownKey},
		"neither":      {brokenKeys{nil}, UnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			v := newTwins(t, clock, Options{URL: issuerA, Algorithms: []string{"ES256"}, Keys: row.keys})
			token := goodToken()
			_, err := v.Verify(context.Background(), token)
			wantRefusal(t, err, row.reason, token)
			var refusal *Refusal
			if errors.As(err, &refusal); row.reason == KeysUnavailable && !errors.Is(err, row.keys.(brokenKeys).err) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}

func TestVerifyRefusesEverythingWithoutIssuers(t *testing.T) {
	empty, err := New(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []*Verifier{empty, {}} {
		token := goodToken()
		_, err := v.Verify(context.Background(), token)
		wantRefusal(t, err, UnknownIssuer, token)
	}
}

func TestNewIssuerRefusesUnsoundOptions(t *testing.T) {
	sound := Options{URL: issuerA, Algorithms: []string{"ES256"}, Keys: keySet{}}
	for name, change := range map[string]func(*Options){
		"no URL":              func(o *Options) { o.URL = "" },
		"no keys":             func(o *Options) { o.Keys = nil },
		"no algorithms":       func(o *Options) { o.Algorithms = nil },
		"algorithm none":      func(o *Options) { o.Algorithms = []string{"ES256", "none"} },
		"algorithm HS256":     func(o *Options) { o.Algorithms = []string{"HS256"} },
		"algorithm rs256":     func(o *Options) { o.Algorithms = []string{"rs256"} },
		"negative leeway":     func(o *Options) { o.Leeway = -time.Second },
		"leeway over 60 s":    func(o *Options) { o.Leeway = time.Minute + 1 },
		"ID token":            func(o *Options) { o.Types = []string{"at+jwt", "id_token+jwt"} },
		"logout token":        func(o *Options) { o.Types = []string{"logout+jwt"} },
		"type in upper case":  func(o *Options) { o.Types = []string{"JWT"} },
		"type with its class": func(o *Options) { o.Types = []string{"application/at+jwt"} },
		"optional exp":        func(o *Options) { o.Claims.Optional = []string{"exp"} },
		"optional iss":        func(o *Options) { o.Claims.Optional = []string{"sub", "iss"} },
		"optional aud":        func(o *Options) { o.Claims.Optional = []string{"aud"} },
		"path to nothing":     func(o *Options) { o.Claims.Scope = []claimrule.Path{{"scp"}, {}} },
		"path without a name": func(o *Options) { o.Claims.ClientID = []claimrule.Path{{"a", ""}} },
	} {
		o := sound
		change(&o)
		if issuer, err := NewIssuer(o); issuer != nil || err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewIssuer(sound); err != nil {
		t.Error(err)
	}
}

func TestNewRefusesUnsoundIssuers(t *testing.T) {
	prepare := func(url string) *Issuer {
		issuer, err := NewIssuer(Options{URL: url, Algorithms: []string{"ES256"}, Keys: keySet{}})
		if err != nil {
			t.Fatal(err)
		}
		return issuer
	}
	a, b := prepare(issuerA), prepare(issuerB)
	for name, issuers := range map[string][]*Issuer{
		"twice":                 {a, b, a},
		"two of one URL":        {a, prepare(issuerA)},
		"none":                  {a, nil},
		"not made by NewIssuer": {a, {}},
	} {
		if v, err := New(time.Now, issuers...); v != nil || err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(time.Now, a, b); err != nil {
		t.Error(err)
	}
}

func TestNewIssuerKeepsItsOwnCopyOfTheOptions(t *testing.T) {
	o := Options{
		URL: issuerA, Algorithms: []string{"ES256"}, Types: []string{"at+jwt"},
		Keys:   keySet{ecKID: publicKey(t, ecKID, "ES256", private().ecA.Public())},
		Claims: Layout{ClientID: []claimrule.Path{{"client_id"}}, Scope: []claimrule.Path{{"scope"}}, Optional: []string{"sub"}},
	}
	v := newTwins(t, clock, o)
	o.Algorithms[0], o.Types[0] = "RS256", "jwt"
	o.Claims.ClientID[0][0], o.Claims.Scope[0][0], o.Claims.Optional[0] = "jti", "jti", "jti"
	got, err := v.Verify(context.Background(), signed(claims(object{"sub": removed{}})))
	if err != nil || got.ClientID != "orders-worker" || !got.HasScope("orders.read") {
		t.Errorf("%+v, %v", got, err)
	}
}

// Parallel requests never see each other's identity.
func TestVerifyInParallel(t *testing.T) {
	v, p := newVerifier(t), private()
	var wg sync.WaitGroup
	for range 4 {
		for iss, key := range map[string]*ecdsa.PrivateKey{issuerA: p.ecA, issuerB: p.ecB} {
			token := compact(header(nil), claims(object{"iss": iss, "sub": iss}), byEC(key))
			wg.Go(func() {
				for range 50 {
					if got, err := v.Verify(context.Background(), token); err != nil || got.Issuer != iss || got.Subject != iss {
						t.Errorf("%s: %+v, %v", iss, got, err)
					}
				}
			})
		}
	}
	wg.Wait()
}

// RFC 9864 section 2.2: the tokens of an issuer and the configuration may use either name.
func TestEd25519IsEdDSA(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := jws.NewKey(ecKID, "Ed25519", key.Public())
	if err != nil {
		t.Fatal(err)
	}
	sign := func(input []byte) []byte { return ed25519.Sign(key, input) }
	for _, configured := range []string{"EdDSA", "Ed25519"} {
		v := newTwins(t, clock, Options{URL: issuerA, Algorithms: []string{configured}, Keys: keySet{ecKID: public}})
		for _, alg := range []string{"EdDSA", "Ed25519"} {
			if _, err := v.Verify(context.Background(), compact(header(object{"alg": alg}), claims(nil), sign)); err != nil {
				t.Errorf("%s, where %s is configured: %v", alg, configured, err)
			}
		}
	}
}
