package verifier

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// RFC 7515 section 4, RFC 7519 section 4: unused members are ignored, as these issuers
// write them.
func TestWhatDecidesNothingIsIgnored(t *testing.T) {
	cloudflare := Layout{ClientID: []claimrule.Path{{"common_name"}}, Scope: []claimrule.Path{{"scope"}}, Optional: []string{"sub", "jti", "iat"}}
	for name, row := range map[string]struct {
		layout   Layout
		header   object
		claims   object
		clientID string
		scope    []string
	}{
		"Cloudflare Access, a service token": {cloudflare, nil, object{"sub": "", "common_name": "e367826f.access", "type": "app", "iat": at(0)}, "e367826f.access", nil},
		"ForgeRock AM":                       {foreign, object{"zip": "NONE"}, object{"client_id": "a", "scope": "a b"}, "a", []string{"a", "b"}},
		"Auth0":                              {foreign, nil, object{"azp": "a", "scope": "read:orders  write:orders"}, "a", []string{"read:orders", "write:orders"}},
		"space at the ends":                  {foreign, nil, object{"azp": "a", "scope": "  a b   "}, "a", []string{"a", "b"}},
		"space alone":                        {foreign, nil, object{"azp": "a", "scope": " ", "scp": "  b"}, "a", []string{"b"}},
		"content type":                       {foreign, object{"cty": "application/json"}, object{"azp": "a"}, "a", nil},
		"content type of a nested JWT":       {foreign, object{"cty": "JWT"}, object{"azp": "a"}, "a", nil},
		"mistyped parameters":                {foreign, object{"zip": 1, "cty": nil, "jku": 1, "x5t": []any{}, "nonce": object{}}, object{"azp": "a"}, "a", nil},
		"client_id, where common_name is it": {cloudflare, nil, object{"client_id": 7, "azp": nil, "common_name": "a"}, "a", nil},
		"scp, where scope is it":             {cloudflare, nil, object{"scp": object{}, "roles": "x y", "common_name": "a"}, "a", nil},
		"claims that nobody has registered":  {foreign, nil, object{"azp": "a", "": nil, "ISS": 1, "Exp": "x", "typ": 1, "crit": []string{"x"}, "zip": "DEF"}, "a", nil},
		"registered ones":                    {foreign, nil, object{"azp": "a", "auth_time": "", "acr": 1, "amr": nil, "sid": object{}, "act": "", "may_act": 1, "txn": nil}, "a", nil},
	} {
		t.Run(name, func(t *testing.T) {
			token := compact(header(row.header), edit(object{"iss": issuerA, "aud": "orders-api", "exp": at(time.Hour)}, row.claims), byEC(private().ecA))
			got, err := foreignVerifier(t, row.layout).Verify(t.Context(), token)
			if err != nil || got.ClientID != row.clientID || !slices.Equal(got.Scope, row.scope) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// RFC 7519 section 4: a claim that no rule reads may have any value. A claim with a valid
// value is kept.
func TestUnreadClaims(t *testing.T) {
	v := foreignVerifier(t, foreign)
	for _, value := range []any{nil, true, false, "", 7, object{}, []any{}, []any{nil}, []string{"x"}} {
		for _, name := range []string{"sub", "jti"} {
			got, err := v.Verify(t.Context(), bare(object{"azp": "a", name: value}))
			if err != nil || got.Subject != "" || got.ID != "" {
				t.Errorf("%s is %v: %+v, %v", name, value, got, err)
			}
		}
	}
	if got, err := v.Verify(t.Context(), bare(object{"azp": "a", "sub": "s", "jti": "1"})); err != nil || got.Subject != "s" || got.ID != "1" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A rule that reads sub or jti reads a non-empty string, and no other value.
func TestRulesReadNoMistypedClaims(t *testing.T) {
	v := foreignVerifier(t, foreign)
	for _, name := range []string{"sub", "jti"} {
		path := claimrule.Path{name}
		rule := &Requirement{Audiences: []string{"orders-api"}, Claims: []claimrule.Rule{{Path: path, Values: []string{"x", "7", "true", ""}}}}
		present := &Requirement{Audiences: []string{"orders-api"}, Present: []claimrule.Path{path}}
		for _, value := range []any{nil, true, "", 7, object{}, []any{}, []string{"x"}} {
			c, err := v.Verify(t.Context(), bare(object{"azp": "a", name: value}))
			if err != nil {
				t.Fatal(err)
			}
			wantRefusal(t, c.Authorize(rule, clock, nil), ClaimNotAccepted, name)
			wantRefusal(t, c.Authorize(present, clock, nil), ClaimRequired, name)
		}
		c, err := v.Verify(t.Context(), bare(object{"azp": "a", name: "x"}))
		if err != nil || c.Authorize(rule, clock, nil) != nil || c.Authorize(present, clock, nil) != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// RFC 7517 section 4.5: a kid may name a key of each algorithm, and the token says which.
// Its algorithm is one of the issuer's, and the key's own.
func TestOneKidForSeveralAlgorithms(t *testing.T) {
	keys := manyKeys{publicKey(t, "k", "ES256", private().ecA.Public()), publicKey(t, "k", "RS256", private().rsa.Public()), publicKey(t, "k", "PS256", private().rsa.Public())}
	v := newTwins(t, clock, Options{URL: issuerA, Algorithms: []string{"ES256", "RS256"}, Keys: keys})
	of := func(alg string, sign signer) string {
		return compact(header(object{"alg": alg, "kid": "k"}), claims(nil), sign)
	}
	for _, token := range []string{of("ES256", byEC(private().ecA)), of("RS256", byRS256)} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
	}
	for token, want := range map[string]Reason{
		of("RS256", byEC(private().ecA)): BadSignature, of("RS256", byPS256): BadSignature, of("PS256", byPS256): WrongAlgorithm, of("EdDSA", byRS256): WrongAlgorithm,
	} {
		_, err := v.Verify(t.Context(), token)
		wantRefusal(t, err, want, token)
	}
}

// manyKeys have one kid, and different algorithms.
type manyKeys []*jws.Key

func (k manyKeys) Key(_ context.Context, kid, algorithm string) (*jws.Key, error) {
	for _, key := range k {
		if key.ID == kid && key.Algorithm == algorithm {
			return key, nil
		}
	}
	return nil, ErrUnknownKey
}

// RFC 6749 section 3.3: one space separates. More spaces have no other meaning, and nothing
// else separates. The output has one space.
func TestSpacesInAScope(t *testing.T) {
	v := newVerifier(t)
	for scope, want := range map[string]string{
		"": "", " ": "", "   ": "", " a": "a", "a ": "a", "a  b": "a b", "a b": "a b", "  a   b c  ": "a b c",
	} {
		got, err := v.Verify(t.Context(), signed(claims(object{"scope": scope})))
		if err != nil || got.ScopeText() != want || got.HasScope("") || got.HasScope(" ") {
			t.Errorf("%q: %+v, %v", scope, got, err)
		}
	}
}
