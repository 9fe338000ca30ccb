package verifier_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// keySet finds keys in a JWK Set that the program has. It implements
// [verifier.KeySource]. Package jwks has one that fetches the keys of an issuer and
// follows its rotation.
type keySet struct{ *jws.KeySet }

func (s keySet) Key(_ context.Context, kid, _ string) (*jws.Key, error) {
	if key, found := s.KeySet.Key(kid); found {
		return key, nil
	}
	return nil, verifier.ErrUnknownKey
}

// newVerifier makes a Verifier of one issuer from the issuer's JWK Set.
func newVerifier(now func() time.Time, issuer string, jwkSet []byte) (*verifier.Verifier, error) {
	keys, err := jws.ParseKeySet(jwkSet)
	if err != nil {
		return nil, err
	}
	trusted, err := verifier.NewIssuer(verifier.Options{URL: issuer, Algorithms: []string{"ES256"}, Keys: keySet{keys}})
	if err != nil {
		return nil, err
	}
	return verifier.New(now, trusted)
}

// A server verifies the token of a request. Then it checks that the token is for its
// API and has the scope of the route.
func Example() {
	now := func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }
	jwkSet, token := issue(now(), "orders.read orders.write")

	v, err := newVerifier(now, "https://idp.example.com", jwkSet)
	if err != nil {
		fmt.Println(err)
		return
	}

	r := httptest.NewRequest(http.MethodGet, "https://api.example.com/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)

	presented, err := verifier.PresentedToken(r.Header)
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := v.Verify(r.Context(), presented.Token)
	if err != nil {
		fmt.Println(err)
		return
	}
	// A token that is bound to a key must not pass as a bearer token.
	if err := claims.CheckScheme(presented.Scheme); err != nil {
		fmt.Println(err)
		return
	}
	// A token that is bound to a certificate must come with that certificate.
	if claims.Confirmation != nil {
		if err := claims.Confirmation.CheckCertificate(r.TLS); err != nil {
			fmt.Println(err)
			return
		}
	}
	route := &verifier.Requirement{Audiences: []string{"orders-api"}, Scopes: []string{"orders.read"}}
	if err := claims.Authorize(route, now, r); err != nil {
		fmt.Println(err)
		return
	}

	fmt.Println("client:", claims.ClientID)
	fmt.Println("scopes:", claims.Scope)
	fmt.Println("may write:", claims.HasScope("orders.write"))
	fmt.Println("expires:", claims.ExpiresAt.UTC())

	// Output:
	// client: orders-worker
	// scopes: [orders.read orders.write]
	// may write: true
	// expires: 2026-11-23 13:00:00 +0000 UTC
}

// Every error of this package about a request is a *[verifier.Refusal]. It has the
// status and the challenge for the caller, and the reason for the log.
func ExampleRefusal() {
	now := func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }
	jwkSet, readOnly := issue(now(), "orders.read")
	_, old := issue(now().Add(-2*time.Hour), "orders.write")

	v, err := newVerifier(now, "https://idp.example.com", jwkSet)
	if err != nil {
		fmt.Println(err)
		return
	}
	route := &verifier.Requirement{Audiences: []string{"orders-api"}, Scopes: []string{"orders.write"}}

	for _, authorization := range []string{"Basic b3JkZXJz", "Bearer " + readOnly, "Bearer " + old} {
		r := httptest.NewRequest(http.MethodPost, "https://api.example.com/orders", nil)
		r.Header.Set("Authorization", authorization)

		var refusal *verifier.Refusal
		if errors.As(authorize(v, route, now, r), &refusal) {
			fmt.Println("log:", refusal.Reason)
			fmt.Println("answer:", refusal.Status, refusal.Challenge(verifier.Bearer, "orders", ""))
		}
	}

	// Output:
	// log: no_token
	// answer: 401 Bearer realm="orders"
	// log: missing_scope
	// answer: 403 Bearer realm="orders", error="insufficient_scope", error_description="The access token lacks a scope that this resource requires", scope="orders.write"
	// log: expired
	// answer: 401 Bearer realm="orders", error="invalid_token", error_description="The access token expired"
}

// authorize returns an error unless the request has a bearer token for the route.
func authorize(v *verifier.Verifier, route *verifier.Requirement, now func() time.Time, r *http.Request) error {
	presented, err := verifier.PresentedToken(r.Header)
	if err != nil {
		return err
	}
	claims, err := v.Verify(r.Context(), presented.Token)
	if err != nil {
		return err
	}
	if err := claims.CheckScheme(presented.Scheme); err != nil {
		return err
	}
	return claims.Authorize(route, now, r)
}

var signer, _ = jws.GeneratePrivate("ES256")

// issue does what an issuer does: it publishes its JWK Set, and signs a token
// (RFC 9068) that is valid for one hour.
func issue(now time.Time, scope string) (jwkSet []byte, token string) {
	key, err := jws.NewKey("2026-11-01.100000", "ES256", signer.Public())
	if err != nil {
		panic(err)
	}
	jwkSet, err = json.Marshal(map[string]any{"keys": []any{key.JWK()}})
	if err != nil {
		panic(err)
	}
	claims, err := json.Marshal(map[string]any{
		"iss": "https://idp.example.com", "sub": "orders-worker", "client_id": "orders-worker",
		"aud": "orders-api", "scope": scope, "jti": "4c1d0f",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	if err != nil {
		panic(err)
	}
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"2026-11-01.100000","typ":"at+jwt"}`))
	token, err = jws.Sign(signer, "ES256", header, claims)
	if err != nil {
		panic(err)
	}
	return jwkSet, token
}
