package e2e

import (
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Several verifies in a row: each judges the token that the first one verified,
// and none undoes what another has set.
func TestSeveralVerifiesInARow(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, `
	handle /orders* {
		verify orders.read {
			claim_header X-Client-Id client_id
		}
		@writes method POST
		verify @writes orders.write {
			claim_header X-Client-Id jti
			claim_header X-Scope scope
		}
		reverse_proxy localhost:5002
	}
	handle /same* {
		verify orders.read {
			claim_header X-Client-Id client_id
		}
		verify orders.read {
			claim_header x-client-id client_id
		}
		reverse_proxy localhost:5002
	}
	handle /missing* {
		verify orders.read {
			claim_header X-Client-Id client_id
		}
		verify orders.read {
			claim_header X-Client-Id tenant
		}
		reverse_proxy localhost:5002
	}
	handle /first* {
		@never method NEVER
		verify @never orders.read {
			claim_header X-Scope scope
		}
		verify orders.read {
			claim_header X-Client-Id client_id
		}
		reverse_proxy localhost:5002
	}
	handle /stock* {
		verify orders.read
		verify stock.read
		reverse_proxy localhost:5002
	}
	handle /broken* {
		verify orders.read {
			claim_header X-Client-Id client_id
		}
		verify orders.write
		reverse_proxy localhost:5002
	}
	handle_errors {
		@broken path /broken*
		handle @broken {
			reverse_proxy localhost:5002
		}
		respond ""
	}`)
	reads, both := g.token("orders-worker", "orders.read"), g.token("orders-worker", "orders.read orders.write")
	jti := claimOf(t, both, "jti")
	forged := []string{"X-Client-Id: admin", "X-Scope: admin"}
	for name, row := range map[string]struct{ method, path, token, id, scope string }{
		"second does not apply":          {"GET", "/orders", reads, "orders-worker", ""},
		"second replaces the header":     {"POST", "/orders", both, jti, "orders.read orders.write"},
		"both set the same":              {"GET", "/same", reads, "orders-worker", "admin"},
		"second has no such claim":       {"GET", "/missing", reads, "", "admin"},
		"first does not apply":           {"GET", "/first", reads, "orders-worker", ""},
		"second refuses, error upstream": {"GET", "/broken", reads, "orders-worker", "admin"},
	} {
		t.Run(name, func(t *testing.T) {
			got := g.checkAllowed(t, g.ask(t, row.method, row.path, "", append(forged, bearer(row.token))...)).header
			// A verify removes the headers of its own, and no others.
			if !slices.Equal(got["X-Client-Id"], values(row.id)) || !slices.Equal(got["X-Scope"], values(row.scope)) {
				t.Errorf("X-Client-Id %q, X-Scope %q", got["X-Client-Id"], got["X-Scope"])
			}
			if got["Authorization"] != nil {
				t.Error("the API got the token")
			}
		})
	}
	g.checkRefused(t, g.ask(t, "POST", "/orders/1", "", bearer(reads)), "/orders/1", "missing_scope", "orders.write")
	g.checkRefused(t, g.ask(t, "POST", "/orders/2", ""), "/orders/2", "no_token", "")
	g.checkRefused(t, g.ask(t, "GET", "/stock/1", "", bearer(both)), "/stock/1", "wrong_audience", "")
	g.checkRefused(t, g.ask(t, "GET", "/stock/2", "", bearer(g.token("orders-worker", "stock.read"))), "/stock/2", "wrong_audience", "")
}

func values(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// RFC 6750 section 5.2: a token is not handed on to who could use it elsewhere.
func TestTokenIsForwardedOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, `
	handle /orders* {
		verify orders.read
		reverse_proxy localhost:5002
	}
	handle /forward* {
		verify orders.read {
			forward_authorization
		}
		verify orders.read {
			forward_authorization
		}
		reverse_proxy localhost:5002
	}
	handle /stripped* {
		verify orders.read
		verify orders.read {
			forward_authorization
		}
		reverse_proxy localhost:5002
	}
	handle /later* {
		verify orders.read {
			forward_authorization
		}
		verify orders.read
		reverse_proxy localhost:5002
	}
	handle /refused* {
		verify orders.write
		reverse_proxy localhost:5002
	}
	handle /refused-forward* {
		verify orders.write {
			forward_authorization
		}
		reverse_proxy localhost:5002
	}
	handle_errors {
		reverse_proxy localhost:5002
	}`)
	token := "Bearer " + g.token("orders-worker", "orders.read")
	for path, want := range map[string]string{"/orders": "", "/forward": token, "/stripped": "", "/later": "", "/refused": "", "/refused-forward": ""} {
		t.Run(path, func(t *testing.T) {
			got := g.checkAllowed(t, g.ask(t, "GET", path, "", "Authorization: "+token)).header["Authorization"]
			if !slices.Equal(got, values(want)) {
				t.Errorf("Authorization: %q", got)
			}
		})
	}
	// Credentials of another kind are not for verify to judge, nor to take away.
	if got := g.checkAllowed(t, g.ask(t, "GET", "/refused", "", "Authorization: Basic eDp5")).header.Get("Authorization"); got != "Basic eDp5" {
		t.Errorf("Authorization: %q", got)
	}
}

// RFC 9068 section 4, RFC 8707 section 2: a scope counts only in a token for the
// API that owns it.
func TestScopesAndAudiencesOfARoute(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, `
	handle /orders* {
		verify orders.read orders.write
		reverse_proxy localhost:5002
	}
	handle /either* {
		verify {
			any_scope orders.write stock.read
		}
		reverse_proxy localhost:5002
	}
	handle /audience* {
		verify {
			audience orders-api
		}
		reverse_proxy localhost:5002
	}
	handle /stock* {
		verify stock.read
		reverse_proxy localhost:5002
	}`)
	f := newForger(t, g.caddy)
	orders := func(scope any) string { return f.claiming(members{"scope": scope}) }
	stock := func(scope any) string {
		return f.claiming(members{"scope": scope, "aud": "https://stock.example.com"})
	}
	for name, row := range map[string]struct{ path, token, reason, scope string }{
		"both scopes":                     {"/orders/", orders("orders.read orders.write"), "", ""},
		"both, the other way round":       {"/orders/", orders("x orders.write y orders.read"), "", ""},
		"one of two":                      {"/orders/", orders("orders.read"), "missing_scope", "orders.read orders.write"},
		"no scope":                        {"/orders/", orders(absent{}), "missing_scope", "orders.read orders.write"},
		"longer names":                    {"/orders/", orders("orders.readx xorders.write"), "missing_scope", "orders.read orders.write"},
		"other case":                      {"/orders/", orders("Orders.Read ORDERS.WRITE"), "missing_scope", "orders.read orders.write"},
		"wildcard":                        {"/orders/", orders("* orders.*"), "missing_scope", "orders.read orders.write"},
		"joined with a comma":             {"/orders/", orders("orders.read,orders.write"), "missing_scope", "orders.read orders.write"},
		"scp":                             {"/orders/", f.claiming(members{"scope": absent{}, "scp": "orders.read orders.write"}), "missing_scope", "orders.read orders.write"},
		"Scope":                           {"/orders/", f.claiming(members{"scope": absent{}, "Scope": "orders.read orders.write"}), "missing_scope", "orders.read orders.write"},
		"right scopes, other API":         {"/orders/", stock("orders.read orders.write"), "wrong_audience", ""},
		"either, the first":               {"/either/", orders("orders.write"), "", ""},
		"either, the second":              {"/either/", stock("stock.read"), "", ""},
		"either, in an array":             {"/either/", f.claiming(members{"scope": "stock.read", "aud": []string{"x", "https://stock.example.com"}}), "", ""},
		"either, of the wrong API":        {"/either/", orders("stock.read"), "missing_scope", "orders.write stock.read"},
		"either, of the wrong API, again": {"/either/", stock("orders.write"), "missing_scope", "orders.write stock.read"},
		"either, neither":                 {"/either/", orders("orders.read"), "missing_scope", "orders.write stock.read"},
		"either, third API":               {"/either/", f.claiming(members{"aud": "x"}), "wrong_audience", ""},
		"audience alone":                  {"/audience/", orders(absent{}), "", ""},
		"audience, other":                 {"/audience/", stock("stock.read"), "wrong_audience", ""},
		"name instead of its URI":         {"/stock/", f.claiming(members{"aud": "stock-api", "scope": "stock.read"}), "wrong_audience", ""},
		"URI with a slash":                {"/stock/", f.claiming(members{"aud": "https://stock.example.com/", "scope": "stock.read"}), "wrong_audience", ""},
		"URI in another case":             {"/stock/", f.claiming(members{"aud": "https://STOCK.example.com", "scope": "stock.read"}), "wrong_audience", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := row.path + segment(name)
			a := g.ask(t, "GET", path, "", bearer(row.token))
			if row.reason == "" {
				g.checkAllowed(t, a)
				return
			}
			g.checkRefused(t, a, path, row.reason, row.scope)
		})
	}
	// What the server itself issues is judged alike, also right after another route.
	token := g.token("reader", "orders.read")
	g.checkAllowed(t, g.ask(t, "GET", "/audience", "", bearer(token)))
	g.checkRefused(t, g.ask(t, "GET", "/orders/issued", "", bearer(token)), "/orders/issued", "missing_scope", "orders.read orders.write")
	g.checkRefused(t, g.ask(t, "GET", "/stock/issued", "", bearer(token)), "/stock/issued", "wrong_audience", "")
}

// privateJWK returns a file with the key under the kid.
func privateJWK(name, kid string, key *rsa.PrivateKey) file {
	content, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: "RS256", Use: "sig"})
	if err != nil {
		panic(err)
	}
	return file{name, string(content)}
}

// RFC 8725 section 3.8: two issuers of one server, both with a key of the same kid, do
// not take each other's tokens.
func TestIssuersDoNotMix(t *testing.T) {
	t.Parallel()
	options := strings.Replace(shopOptions, "\t\t}\n\t}\n}", `			signing_key file one.json
		}
		issuer https://localhost:5001/second {
			applications applications.yaml
			signing_key file two.json
		}
	}
}`, 1)
	g := startGuardedBy(t, options+`
localhost:5001 {
	tokenidp https://localhost:5001
	tokenidp https://localhost:5001/second
	handle /orders* {
		verify orders.read {
			issuer https://localhost:5001
		}
		reverse_proxy localhost:5002
	}
	handle /both* {
		verify orders.read {
			issuer https://localhost:5001 https://localhost:5001/second
		}
		@second header X-Second 1
		verify @second orders.read {
			issuer https://localhost:5001/second
		}
		reverse_proxy localhost:5002
	}
}
`, privateJWK("one.json", "k", attackerKey()), privateJWK("two.json", "k", secondKey()))
	one := &forger{t, g.url("https://localhost:5001"), "k", attackerKey(), time.Now()}
	two := &forger{t, g.url("https://localhost:5001/second"), "k", secondKey(), time.Now()}
	g.checkAllowed(t, g.ask(t, "GET", "/orders", "", bearer(one.good())))
	g.checkAllowed(t, g.ask(t, "GET", "/both", "", bearer(one.good())))
	g.checkAllowed(t, g.ask(t, "GET", "/both", "", bearer(two.good()), "X-Second: 1"))
	g.checkRefused(t, g.ask(t, "GET", "/orders/two", "", bearer(two.good())), "/orders/two", "unknown_issuer", "")
	for name, token := range map[string]string{"1": one.claiming(members{"iss": two.issuer}), "2": two.claiming(members{"iss": one.issuer})} {
		g.checkRefused(t, g.ask(t, "GET", "/both/"+name, "", bearer(token)), "/both/"+name, "bad_signature", "")
	}
	// The second verify challenges in the name of its own issuer.
	a := g.ask(t, "GET", "/both/one", "", bearer(one.good()), "X-Second: 1")
	if line := g.refusalAt("/both/one"); a.StatusCode != http.StatusUnauthorized || line["reason"] != "wrong_audience" || len(g.api.take()) > 0 {
		t.Errorf("%d, logged %v", a.StatusCode, line)
	}
}
