package verifier

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// foreign is the layout of an issuer that follows RFC 7519 only.
var foreign = Layout{
	ClientID: []claimrule.Path{{"client_id"}, {"azp"}, {"appid"}, {"sub"}},
	Scope: []claimrule.Path{
		{"scope"}, {"scp"}, {"roles"}, {"realm_access", "roles"}, {"resource_access", "orders-api", "roles"},
		{"https://example.com/roles"},
	},
	Optional: []string{"sub", "client_id", "jti", "iat"},
}

// foreignVerifier knows an issuer of that layout. Its tokens have any type or none.
func foreignVerifier(t testing.TB, layout Layout) twins {
	t.Helper()
	return newTwins(t, clock, Options{
		URL: issuerA, Algorithms: []string{"ES256"}, Types: []string{"at+jwt", "jwt", ""}, Claims: layout,
		Keys: keySet{ecKID: publicKey(t, ecKID, "ES256", private().ecA.Public())},
	})
}

// bare returns a token with the claims that every issuer's tokens must have, and the given
// ones.
func bare(more object) string {
	return typed("JWT", edit(object{"iss": issuerA, "aud": "orders-api", "exp": at(time.Hour)}, more))
}

func typed(typ, payload string) string {
	return compact(header(object{"typ": typ}), payload, byEC(private().ecA))
}

// untyped returns a token of a Kubernetes service account, except for the payload.
func untyped(payload string) string {
	return compact(header(object{"typ": removed{}}), payload, byEC(private().ecA))
}

// The access tokens of well-known issuers, shortened.
func TestTokensOfOtherIssuers(t *testing.T) {
	for name, row := range map[string]struct {
		token             string
		subject, clientID string
		scope             []string
	}{
		"Keycloak": {
			bare(object{
				"iat": at(0), "jti": "trrtcc:1", "sub": "f0e1", "typ": "Bearer", "azp": "orders-worker", "acr": "1", "auth_time": at(0), "sid": "s",
				"scope": "email profile", "realm_access": object{"roles": []string{"offline_access", "orders.admin"}},
				"resource_access": object{"orders-api": object{"roles": []string{"orders.read"}}, "account": object{"roles": []string{"view-profile"}}},
			}),
			"f0e1", "orders-worker", []string{"email", "offline_access", "orders.admin", "orders.read", "profile"},
		},
		"Keycloak, without scope": {bare(object{"sub": "f0e1", "azp": "orders-worker", "scope": ""}), "f0e1", "orders-worker", nil},
		"Entra, version 1":        {bare(object{"sub": "s", "appid": "a", "scp": "orders.read", "roles": []string{"orders.write", "orders.read"}}), "s", "a", []string{"orders.read", "orders.write"}},
		"Okta":                    {bare(object{"sub": "s", "cid": "a", "scp": []string{"orders.read", "orders.write"}}), "s", "s", []string{"orders.read", "orders.write"}},
		"Auth0": {
			bare(object{"sub": "a@clients", "azp": "a", "scope": "orders.read", "gty": "client-credentials", "https://example.com/roles": []string{"admin"}}),
			"a@clients", "a", []string{"admin", "orders.read"},
		},
		"Kubernetes": {
			untyped(toJSON(object{
				"iss": issuerA, "aud": []string{"orders-api"}, "exp": at(time.Hour), "iat": at(0), "nbf": at(0),
				"sub": "system:serviceaccount:shop:worker", "kubernetes.io": object{"namespace": "shop", "pod": object{"name": "worker-0"}},
			})),
			"system:serviceaccount:shop:worker", "system:serviceaccount:shop:worker", nil,
		},
		"nothing but the required": {bare(nil), "", "", nil},
		"client_id before azp":     {bare(object{"azp": "b", "client_id": "a", "sub": "c"}), "c", "a", nil},
		"empty arrays of roles":    {bare(object{"roles": []string{}, "realm_access": object{}}), "", "", nil},
		"the same scope twice":     {bare(object{"scope": "a b", "scp": []string{"b", "a"}}), "", "", []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := foreignVerifier(t, foreign).Verify(context.Background(), row.token)
			if err != nil {
				t.Fatal(err)
			}
			if got.Subject != row.subject || got.ClientID != row.clientID || !reflect.DeepEqual(got.Scope, row.scope) || !got.HasAudience("orders-api") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A present claim with the wrong type is refused. Otherwise, the next claim would replace
// it.
func TestMistypedClaimsOfOtherIssuersAreRefused(t *testing.T) {
	v := foreignVerifier(t, foreign)
	refused := func(name, token string, reason Reason) {
		t.Run(name, func(t *testing.T) {
			_, err := v.Verify(context.Background(), token)
			wantRefusal(t, err, reason, token)
		})
	}
	for _, name := range []string{"iss", "aud", "exp"} {
		refused(name+" missing", bare(object{name: removed{}}), MissingClaim)
	}
	// sub is the client here, because no earlier claim is present.
	for _, name := range []string{"iss", "aud", "exp", "sub", "client_id", "azp", "appid", "iat", "nbf"} {
		for _, value := range []any{nil, true, "", object{}, []any{}, []any{nil}} {
			refused(name+" is "+toJSON(value), bare(object{name: value}), MalformedClaims)
		}
	}
	for _, name := range []string{"sub", "client_id", "azp", "appid"} {
		refused(name+" is a number", bare(object{name: 7}), MalformedClaims)
		refused(name+" is an array of one", bare(object{name: []string{"x"}}), MalformedClaims)
	}
	for _, name := range []string{"scope", "scp", "roles", "https://example.com/roles"} {
		for _, value := range []any{nil, true, 1, object{}, "a\tb", "a\u00a0b", `a"b`, "é", []any{1}, []any{"a", nil}, []any{[]any{"a"}}} {
			refused(name+" is "+toJSON(value), bare(object{name: value}), MalformedClaims)
		}
	}
	// One scope must not become two, also not for an upstream.
	for _, element := range []string{"", " ", "a b", "Domain Users", "a\n", `a"`, `a\`, "é", "\x7f"} {
		refused("role "+toJSON(element), bare(object{"roles": []string{"orders.read", element}}), MalformedClaims)
	}
	for _, value := range []any{nil, "orders.read", []string{"orders.read"}, 1} {
		refused("realm_access is "+toJSON(value), bare(object{"realm_access": value}), MalformedClaims)
	}
	refused("roles in it is an object", bare(object{"realm_access": object{"roles": object{"orders.read": true}}}), MalformedClaims)
	refused("cnf", bare(object{"cnf": object{"jkt": "AAAA"}}), UnsupportedConfirm)
	refused("iat after exp", bare(object{"iat": at(2 * time.Hour)}), MalformedClaims)
	refused("iat ahead", bare(object{"iat": at(2 * time.Minute)}), IssuedInFuture)
	refused("nbf ahead", bare(object{"nbf": at(2 * time.Minute)}), NotYetValid)
	refused("expired", bare(object{"exp": at(-time.Minute)}), Expired)
}

// Each of the claims is optional only if the layout says so.
func TestOptionalClaims(t *testing.T) {
	for _, name := range []string{"sub", "client_id", "jti", "iat"} {
		token := compact(header(nil), claims(object{name: removed{}}), byEC(private().ecA))
		for _, optional := range []string{"sub", "client_id", "jti", "iat"} {
			got, err := foreignVerifier(t, Layout{Optional: []string{optional}}).Verify(context.Background(), token)
			if optional != name {
				wantRefusal(t, err, MissingClaim, token)
			} else if err != nil || got.Subject+got.ClientID+got.ID == "" {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
	}
}

// A name may contain dots, and is not a path. A path is not a name.
func TestPathsAreNotNames(t *testing.T) {
	layout := Layout{ClientID: []claimrule.Path{{"a", "b"}}, Scope: []claimrule.Path{{"x.y"}}, Optional: []string{"client_id"}}
	got, err := foreignVerifier(t, layout).Verify(context.Background(), signed(claims(object{
		"a.b": "wrong", "x": object{"y": "wrong"}, "x.y": "right", "a": object{"B": "wrong"},
	})))
	if err != nil || got.ClientID != "" || !reflect.DeepEqual(got.Scope, []string{"right"}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// RFC 7519 section 5.1, RFC 8725 section 3.11: no type does not mean any type.
func TestTokensWithoutType(t *testing.T) {
	accepted := func(types ...string) twins {
		return newTwins(t, clock, Options{
			URL: issuerA, Algorithms: []string{"ES256"}, Types: types,
			Keys: keySet{ecKID: publicKey(t, ecKID, "ES256", private().ecA.Public())},
		})
	}
	token := headed(header(object{"typ": removed{}}))
	if _, err := accepted("").Verify(context.Background(), token); err != nil {
		t.Error(err)
	}
	for _, v := range []twins{accepted(), accepted("at+jwt"), accepted("jwt"), accepted("at+jwt", "jwt")} {
		_, err := v.Verify(context.Background(), token)
		wantRefusal(t, err, WrongType, token)
	}
	for _, typ := range []string{
		"", " ", "application/", "JWT", "at+jwt", "id_token", "id_token+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt",
		"client-authentication+jwt", "token-introspection+jwt",
	} {
		token := headed(header(object{"typ": typ}))
		_, err := accepted("").Verify(context.Background(), token)
		wantRefusal(t, err, WrongType, token)
	}
}

// RFC 8725 sections 2.8 and 3.12, with an issuer whose tokens have no type.
func TestOtherTokensOfOtherIssuersAreRefused(t *testing.T) {
	common := object{"iss": issuerA, "aud": "orders-api", "exp": at(time.Hour), "iat": at(0), "sub": "s", "azp": "orders-api"}
	verifiers := make(map[string]twins)
	for _, marks := range [][]string{nil, {"nonce"}, {"at_hash"}, {"nonce", "at_hash"}} {
		layout := foreign
		layout.InsecureMarks = slices.Clone(marks)
		verifiers[strings.Join(marks, " ")] = foreignVerifier(t, layout)
		clear(layout.InsecureMarks) // the issuer has its own copy
	}
	const always = ""
	for name, row := range map[string]struct {
		more object
		with []string // the InsecureMarks with which it is accepted
	}{
		"ID token":                        {object{"nonce": "n", "auth_time": at(0)}, []string{"nonce", "nonce at_hash"}},
		"ID token without nonce":          {object{"at_hash": "h"}, []string{"at_hash", "nonce at_hash"}},
		"ID token with all":               {object{"nonce": "n", "at_hash": "h"}, []string{"nonce at_hash"}},
		"ID token of a code":              {object{"c_hash": "h"}, nil},
		"ID token of a code, with all":    {object{"nonce": "n", "at_hash": "h", "c_hash": "h"}, nil},
		"ID token of FAPI":                {object{"s_hash": "h"}, nil},
		"nonce of null":                   {object{"nonce": nil}, []string{"nonce", "nonce at_hash"}},
		"logout token":                    {object{"events": object{"http://schemas.openid.net/event/backchannel-logout": object{}}, "sid": "x"}, nil},
		"security event":                  {object{"events": object{}}, nil},
		"introspection response":          {object{"token_introspection": object{"active": true}}, nil},
		"no mark, so an access token":     {nil, []string{always, "nonce", "at_hash", "nonce at_hash"}},
		"marks of another case, nested":   {object{"Nonce": "n", "x": object{"at_hash": "h"}}, []string{always, "nonce", "at_hash", "nonce at_hash"}},
		"a logout token with all of them": {object{"nonce": "n", "at_hash": "h", "events": object{}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			payload := edit(common, row.more)
			for marks, v := range verifiers {
				for _, token := range []string{untyped(payload), typed("JWT", payload)} {
					_, err := v.Verify(context.Background(), token)
					if !slices.Contains(row.with, marks) {
						wantRefusal(t, err, WrongType, token)
					} else if err != nil {
						t.Errorf("with %q: %v", marks, err)
					}
				}
				// The type says what the token is, and only the issuer can have written it.
				if _, err := v.Verify(context.Background(), typed("at+jwt", payload)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Only marks that some issuers have in access tokens can be allowed.
func TestMarksThatNoAccessTokenHas(t *testing.T) {
	for _, mark := range []string{"c_hash", "s_hash", "events", "token_introspection", "typ", ""} {
		layout := foreign
		layout.InsecureMarks = []string{"nonce", mark}
		_, err := NewIssuer(Options{URL: issuerA, Algorithms: []string{"ES256"}, Claims: layout, Keys: keySet{}})
		if err == nil || !strings.Contains(err.Error(), "nonce and at_hash can be") {
			t.Errorf("%q: %v", mark, err)
		}
	}
}

// An issuer may have its own mark, which is more exact than the type.
func TestPurposeOfTokensOfOtherIssuers(t *testing.T) {
	marked := foreign
	marked.Purpose = []claimrule.Rule{{Path: claimrule.Path{"typ"}, Values: []string{"Bearer"}}}
	v := foreignVerifier(t, marked)
	marked.Purpose[0] = claimrule.Rule{} // the issuer has its own copy
	for name, row := range map[string]struct {
		mark any
		good bool
	}{
		"access token": {"Bearer", true}, "ID token": {"ID", false}, "refresh token": {"Refresh", false},
		"another case": {"bearer", false}, "none": {removed{}, false}, "null": {nil, false},
	} {
		payload := edit(object{"iss": issuerA, "aud": "orders-api", "exp": at(time.Hour)}, object{"typ": row.mark})
		for _, token := range []string{typed("JWT", payload), typed("at+jwt", payload)} {
			_, err := v.Verify(context.Background(), token)
			if row.good {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			} else {
				wantRefusal(t, err, WrongType, token)
			}
		}
	}
}

// An issuer may mark its bound access tokens in another way. That mark has no effect on a
// token that is not bound to a key.
func TestPurposeOfBoundTokens(t *testing.T) {
	marked := foreign
	marked.Purpose = []claimrule.Rule{{Path: claimrule.Path{"typ"}, Values: []string{"Bearer"}}}
	marked.PurposeOfBound = []claimrule.Rule{{Path: claimrule.Path{"typ"}, Values: []string{"DPoP"}}}
	v := foreignVerifier(t, marked)
	marked.PurposeOfBound[0] = claimrule.Rule{} // the issuer has its own copy
	thumbprint := strings.Repeat("A", 43)
	for name, row := range map[string]struct {
		typ, cnf any
		good     bool
	}{
		"bound":                        {"DPoP", object{"jkt": thumbprint}, true},
		"bound to both":                {"DPoP", object{"jkt": thumbprint, "x5t#S256": thumbprint}, true},
		"bound, with the other mark":   {"Bearer", object{"jkt": thumbprint}, true},
		"bound to a certificate alone": {"DPoP", object{"x5t#S256": thumbprint}, false},
		"not bound":                    {"DPoP", removed{}, false},
		"bound, without a mark":        {removed{}, object{"jkt": thumbprint}, false},
		"ID token":                     {"ID", object{"jkt": thumbprint}, false},
		"another case":                 {"dpop", object{"jkt": thumbprint}, false},
	} {
		payload := edit(object{"iss": issuerA, "aud": "orders-api", "exp": at(time.Hour)}, object{"typ": row.typ, "cnf": row.cnf})
		for _, token := range []string{typed("JWT", payload), typed("at+jwt", payload)} {
			claims, err := v.Verify(context.Background(), token)
			if !row.good {
				wantRefusal(t, err, WrongType, token)
			} else if err != nil || claims.Confirmation.Key != thumbprint {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	// Tokens that are not bound need no mark of bound tokens, unless the issuer marks them.
	free := foreign
	free.PurposeOfBound = []claimrule.Rule{{Path: claimrule.Path{"typ"}, Values: []string{"DPoP"}}}
	if _, err := foreignVerifier(t, free).Verify(context.Background(), bare(nil)); err != nil {
		t.Error(err)
	}
}

func TestClaimAtAPath(t *testing.T) {
	v := newVerifier(t)
	got, err := v.Verify(context.Background(), signed(claims(object{"a": object{"b": object{"c": 7, "n": nil}}, "a.b": "dotted", "s": "x"})))
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		path  claimrule.Path
		want  any
		found bool
	}{
		"of one name":       {claimrule.Path{"sub"}, "orders-worker", true},
		"of three":          {claimrule.Path{"a", "b", "c"}, strictjson.Number("7"), true},
		"to null":           {claimrule.Path{"a", "b", "n"}, nil, true},
		"with a dot":        {claimrule.Path{"a.b"}, "dotted", true},
		"empty":             {nil, nil, false},
		"absent":            {claimrule.Path{"x"}, nil, false},
		"absent below":      {claimrule.Path{"a", "x"}, nil, false},
		"below a string":    {claimrule.Path{"s", "x"}, nil, false},
		"below null":        {claimrule.Path{"a", "b", "n", "x"}, nil, false},
		"of an empty name":  {claimrule.Path{"a", ""}, nil, false},
		"in another case":   {claimrule.Path{"a", "B"}, nil, false},
		"below what is not": {claimrule.Path{"x", "y"}, nil, false},
	} {
		if value, found := got.At(row.path); found != row.found || !reflect.DeepEqual(value, row.want) {
			t.Errorf("%s: %#v, %v", name, value, found)
		}
	}
	if value, found := (*Claims)(nil).At(claimrule.Path{"sub"}); found || value != nil {
		t.Errorf("no claims have %#v", value)
	}
	paths := []claimrule.Path{{"a", "b", "c"}, {"s", "x"}, {"x"}}
	if allocs := testing.AllocsPerRun(100, func() {
		for _, path := range paths {
			got.At(path)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
