package policy

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

const resources = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}, {name: orders.write}]
  - name: stock-api
    resource: https://stock.example.com
    scopes: [{name: stock.read}, {name: stock.write}]
applications:
`

func issuer(t *testing.T, applications string) Issuer {
	t.Helper()
	hash, err := secret.HashGenerated(secret.Generate())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "applications.yaml")
	if err := os.WriteFile(file, []byte(resources+strings.ReplaceAll(applications, "HASH", hash)), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := live.NewLibrary([]string{file}, application.Options{}).Load()
	if err != nil {
		t.Fatal(err)
	}
	return Issuer{URL: "https://idp.example.com", Applications: set, TokenLifetime: time.Hour}
}

const everybody = `
  - {client_id: reader, scopes: [orders.read], secrets: [{id: a, hash: HASH}]}
  - {client_id: writer, scopes: [orders.read, orders.write, stock.read], secrets: [{id: a, hash: HASH}]}
  - {client_id: inactive, active: false, scopes: [orders.read], secrets: [{id: a, hash: HASH}]}
  - {client_id: expired, scopes: [orders.read], secrets: [{id: a, hash: HASH, expires: 2026-11-25}]}
  - {client_id: gold, scopes: [orders.read], claims: {tier: gold}, token_lifetime: 5m, secrets: [{id: a, hash: HASH}]}
  - {client_id: dpop, scopes: [orders.read], dpop_bound_access_tokens: true, secrets: [{id: a, hash: HASH}]}
  - {client_id: mtls, scopes: [orders.read], tls_client_certificate_bound_access_tokens: true, secrets: [{id: a, hash: HASH}]}
`

func TestAccess(t *testing.T) {
	i := issuer(t, everybody)
	orders, stock := []string{"orders-api"}, []string{"https://stock.example.com"}
	gold := []claimrule.Rule{{Path: claimrule.Path{"tier"}, Values: []string{"gold"}}}
	expression, err := verifier.NewExpression("request.method == 'GET'")
	if err != nil {
		t.Fatal(err)
	}
	onTier, err := verifier.NewExpression("'tier' in claims && claims.tier == 'gold'")
	if err != nil {
		t.Fatal(err)
	}
	alone := []claimrule.Rule{{Path: claimrule.Path{"scope"}, Values: []string{"orders.read"}}}
	together := []claimrule.Rule{{Path: claimrule.Path{"scope"}, Values: []string{"orders.read orders.write"}}}
	read := verifier.Requirement{Audiences: orders, Scopes: []string{"orders.read"}}
	with := func(change func(*verifier.Requirement)) *verifier.Requirement {
		r := read
		change(&r)
		return &r
	}
	either := &verifier.Requirement{Alternatives: []verifier.Alternative{{Scope: "stock.write", Audience: stock[0]}, {Scope: "stock.read", Audience: stock[0]}, {Scope: "orders.read", Audience: "orders-api"}}}
	for _, row := range []struct {
		name, client string
		asked        *verifier.Requirement
		want         string // scope, conditions; or the reason
	}{
		{"its scope", "reader", &read, "orders.read"},
		{"the least of its scopes", "writer", &read, "orders.read"},
		{"several scopes", "writer", with(func(r *verifier.Requirement) { r.Scopes = []string{"orders.write", "orders.read"} }), "orders.write orders.read"},
		{"a scope that it lacks", "reader", with(func(r *verifier.Requirement) { r.Scopes = []string{"orders.write"} }), "missing_scope"},
		{"an API that it has no scope of", "reader", &verifier.Requirement{Audiences: stock}, "missing_scope"},
		{"any scope of the API", "writer", &verifier.Requirement{Audiences: stock}, "stock.read"},
		{"an alternative", "writer", either, "orders.read"},
		{"another", "gold", either, "orders.read"},
		{"nothing passes", "reader", nil, "wrong_audience"},
		{"inactive", "inactive", &read, "inactive_client"},
		{"expired", "expired", &read, "expired_secret"},
		{"its claim", "gold", with(func(r *verifier.Requirement) { r.Claims = gold }), "orders.read"},
		{"a claim that it lacks", "reader", with(func(r *verifier.Requirement) { r.Claims = gold }), "claim_not_accepted"},
		{"a claim that must be there", "reader", with(func(r *verifier.Requirement) { r.Present = []claimrule.Path{{"tier"}} }), "claim_required"},
		{"a token that lives too long", "reader", with(func(r *verifier.Requirement) { r.MaxLifetime = 10 * time.Minute }), "lives_too_long"},
		{"one that does not", "gold", with(func(r *verifier.Requirement) { r.MaxLifetime = 10 * time.Minute }), "orders.read"},
		{"a fresh token", "reader", with(func(r *verifier.Requirement) { r.MaxAge = time.Minute }), "orders.read, with a token not older than 1m0s"},
		{"an expression", "reader", with(func(r *verifier.Requirement) { r.Expressions = []*verifier.Expression{expression} }), "orders.read, where request.method == 'GET'"},
		{"an expression on its claims", "gold", with(func(r *verifier.Requirement) { r.Expressions = []*verifier.Expression{onTier} }), "orders.read"},
		{"one that is false", "reader", with(func(r *verifier.Requirement) { r.Expressions = []*verifier.Expression{onTier} }), "expression_refused"},
		{"one scope alone", "writer", with(func(r *verifier.Requirement) { r.Claims = alone }), "orders.read"},
		{"two scopes together", "writer", with(func(r *verifier.Requirement) { r.Claims = together }), "orders.read orders.write"},
		{"bound by DPoP", "dpop", &read, "orders.read, with a DPoP proof"},
		{"bound to a certificate", "mtls", &read, "orders.read, over a connection with its certificate"},
		{"whoever binds by DPoP", "reader", with(func(r *verifier.Requirement) { r.SenderConstrained = verifier.Means }), "orders.read, with a DPoP proof"},
		{"bound to a certificate already", "mtls", with(func(r *verifier.Requirement) { r.SenderConstrained = verifier.Means }), "orders.read, over a connection with its certificate"},
		{"a certificate alone", "reader", with(func(r *verifier.Requirement) { r.SenderConstrained = []string{verifier.ByMTLS} }), "not_sender_constrained"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, ok := i.Applications.Application(row.client)
			if !ok {
				t.Fatal("no such Application")
			}
			access := i.Access(a, row.asked, noon)
			got := strings.Join(append([]string{strings.Join(access.Scope, " ")}, access.Conditions...), ", ")
			if !access.Allowed {
				got = access.Reason
			}
			if got != row.want || access.Allowed == (access.Cause != "") || access.Allowed && !row.asked.Accepts(access.Audience) {
				t.Errorf("%q, want %q: %+v", got, row.want, access)
			}
		})
	}
}

// Access is what the token endpoint and a route come to together: it is allowed if and
// only if some token that the Application can get passes.
func TestAccessIsWhatATokenComesTo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) // the same each time
	some := func(all []string) (chosen []string) {
		for _, one := range all {
			if random.IntN(2) == 0 {
				chosen = append(chosen, one)
			}
		}
		return chosen
	}
	scopes := []string{"orders.read", "orders.write", "stock.read", "stock.write"}
	var applications strings.Builder
	for n := range 15 {
		held := slices.Compact(slices.Sorted(slices.Values(append(some(scopes), scopes[n%4]))))
		fmt.Fprintf(&applications, "  - {client_id: c%d, scopes: [%s], secrets: [{id: a, hash: HASH}]}\n", n, strings.Join(held, ", "))
	}
	i := issuer(t, applications.String())
	audience := map[string]string{"o": "orders-api", "s": "https://stock.example.com"}
	allowed := 0
	for range 200 {
		r := new(verifier.Requirement)
		of := []string{"o", "s"}[random.IntN(2)]
		if random.IntN(3) > 0 {
			r.Audiences = []string{audience[of]}
			r.Scopes = some(scopes)
		}
		for _, scope := range some(scopes) {
			r.Alternatives = append(r.Alternatives, verifier.Alternative{Scope: scope, Audience: audience[scope[:1]]})
		}
		if exactly := some(scopes); random.IntN(4) == 0 && len(exactly) == 1 {
			r.Claims = []claimrule.Rule{{Path: claimrule.Path{"scope"}, Values: exactly}}
		}
		for _, a := range i.Applications.Applications() {
			access := i.Access(a, r, noon)
			if passes := slices.ContainsFunc(subsets(a.Scopes), func(asked []string) bool { return i.passes(t, a, asked, r) }); passes != access.Allowed {
				t.Errorf("%v with %v: %+v, and a token passes: %t", a.Scopes, r, access, passes)
			}
			if access.Allowed {
				allowed++
				if !i.passes(t, a, access.Scope, r) {
					t.Errorf("%v with %v: a token for %v does not pass", a.Scopes, r, access.Scope)
				}
			}
		}
	}
	if allowed < 100 {
		t.Errorf("only %d are allowed", allowed)
	}
}

// passes asks for a token with these scopes, and sends it.
func (i Issuer) passes(t *testing.T, a *application.Application, scopes []string, r *verifier.Requirement) bool {
	t.Helper()
	client := &oauth.Client{Application: a}
	grant, err := oauth.Authorize(i.Applications, client, &oauth.TokenRequest{GrantType: oauth.ClientCredentials, Scope: strings.Join(scopes, " ")}, i.TokenLifetime)
	if err != nil {
		return false
	}
	encoded, err := oauth.NewAccessToken(i.URL, client, grant, noon).Claims()
	if err != nil {
		t.Fatal(err)
	}
	claims, err := verifier.Assumed(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return claims.Authorize(r, func() time.Time { return noon }, nil) == nil
}

func subsets(all []string) (sets [][]string) {
	for bits := 1; bits < 1<<len(all); bits++ {
		var set []string
		for n, one := range all {
			if bits&(1<<n) != 0 {
				set = append(set, one)
			}
		}
		sets = append(sets, set)
	}
	return sets
}
