package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// token_scope decides only about requests that a verify has verified; about any
// other it is an error, which neither "yes" nor "not" turns into a way in.
func TestTokenScopeMatchesVerifiedRequestsOnly(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, `
	handle /inside* {
		verify orders.read
		@admin token_scope orders.write
		handle @admin {
			respond "may write"
		}
		@both token_scope orders.read orders.write
		handle @both {
			respond "unreachable"
		}
		@others not token_scope orders.write
		handle @others {
			respond "may read"
		}
	}
	handle /all* {
		verify orders.read
		@both token_scope orders.write orders.read
		handle @both {
			respond "both"
		}
		@foreign token_scope orders.read stock.read
		handle @foreign {
			respond "unreachable"
		}
		handle {
			respond "not both"
		}
	}
	handle /narrow* {
		@write token_scope orders.write
		verify orders.read
		verify @write orders.write {
			claim_header X-Client-Id client_id
		}
		respond "narrow {http.request.header.X-Client-Id}"
	}
	handle /partly* {
		@get method GET
		verify @get orders.read
		@write token_scope orders.write
		handle @write {
			reverse_proxy localhost:5002
		}
		handle {
			respond "others"
		}
	}
	handle /yes* {
		@admin token_scope orders.write
		handle @admin {
			reverse_proxy localhost:5002
		}
		handle {
			reverse_proxy localhost:5002
		}
	}
	handle /not* {
		@others not token_scope orders.write
		handle @others {
			reverse_proxy localhost:5002
		}
		handle {
			reverse_proxy localhost:5002
		}
	}
	handle /neither* {
		@others not {
			not token_scope orders.write
		}
		reverse_proxy @others localhost:5002
	}
	handle /with* {
		@others {
			method GET
			not token_scope orders.write
		}
		reverse_proxy @others localhost:5002
	}
	route /order* {
		@others not token_scope orders.write
		reverse_proxy @others localhost:5002
		verify orders.read
	}
	handle /guard* {
		@others not token_scope orders.write
		verify @others orders.read
		reverse_proxy localhost:5002
	}
	handle_errors {
		@errors {
			path /errors*
			not token_scope orders.write
		}
		reverse_proxy @errors localhost:5002
	}
	handle /errors* {
		verify orders.read
		reverse_proxy localhost:5003
	}`)
	reads, both := bearer(g.token("orders-worker", "orders.read")), bearer(g.token("orders-worker", "orders.read orders.write"))
	for name, row := range map[string]struct{ method, path, token, want string }{
		"has it":                     {"GET", "/inside", both, "may write"},
		"has it not":                 {"GET", "/inside", reads, "may read"},
		"has all":                    {"GET", "/all", both, "both"},
		"has one of two":             {"GET", "/all", reads, "not both"},
		"matches a second verify":    {"GET", "/narrow", both, "narrow orders-worker"},
		"matches no second verify":   {"GET", "/narrow", reads, "narrow "},
		"behind a verify of methods": {"GET", "/partly", reads, "others"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := g.ask(t, row.method, row.path, "", row.token); a.StatusCode != http.StatusOK || a.body != row.want {
				t.Errorf("%d %q", a.StatusCode, a.body)
			}
		})
	}
	for name, row := range map[string]struct{ method, path string }{
		"yes": {"GET", "/yes"}, "not": {"GET", "/not"}, "not not": {"GET", "/neither"}, "not beside another": {"GET", "/with"},
		"above the verify": {"GET", "/order"}, "matcher of a verify": {"GET", "/guard"}, "behind a verify that did not apply": {"POST", "/partly"},
	} {
		for kind, headers := range map[string][]string{"no token": nil, "reader's": {reads}, "writer's": {both}} {
			t.Run(name+", "+kind, func(t *testing.T) {
				a := g.ask(t, row.method, row.path, "", headers...)
				if a.StatusCode != http.StatusInternalServerError || a.body != "" || len(g.api.take()) > 0 {
					t.Errorf("%d %q", a.StatusCode, a.body)
				}
			})
		}
	}
	// The route of an error knows the token that was verified before the error, and
	// is not behind the verify that refused the request.
	if a := g.ask(t, "GET", "/errors", ""); strings.Contains(a.body, protected) || len(g.api.take()) > 0 {
		t.Errorf("an error let the request through: %d %q", a.StatusCode, a.body)
	}
	if a := g.ask(t, "GET", "/errors", "", reads); !strings.Contains(a.body, protected) {
		t.Errorf("an error forgot the token: %d %q", a.StatusCode, a.body)
	}
	if a := g.ask(t, "GET", "/errors", "", both); strings.Contains(a.body, protected) {
		t.Errorf("an error forgot the scopes: %d %q", a.StatusCode, a.body)
	}
}

// Placeholders say who calls, and are text: nothing in a token is expanded.
func TestPlaceholdersOfARequest(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, `
	log
	handle /orders* {
		verify orders.read {
			claim_header X-Client-Id client_id
		}
		respond "{http.auth.user.id}|{http.auth.user.scope}|{http.auth.user.iss}|{http.auth.user.claims.jti}|{http.auth.user.claims.nobody}|{http.auth.user.claims.}|{http.request.header.X-Client-Id}"
	}
	handle_errors {
		respond "{http.error.status_code} {http.tokenidp.reason}"
	}`)
	f := newForger(t, g.caddy)
	token := g.token("orders-worker", "orders.read")
	for name, row := range map[string]struct {
		token, want string
		status      int
	}{
		"issued":          {token, "orders-worker|orders.read|" + f.issuer + "|" + claimOf(t, token, "jti") + "|||orders-worker", 200},
		"client id":       {f.claiming(members{"client_id": "{env.HOME}", "jti": "{http.auth.user.id}"}), "{env.HOME}|orders.read orders.write|" + f.issuer + "|{http.auth.user.id}|||{env.HOME}", 200},
		"scope":           {f.claiming(members{"scope": "orders.read {env.HOME} {file./etc/passwd}"}), "orders-worker|orders.read {env.HOME} {file./etc/passwd}|" + f.issuer + "|forged|||orders-worker", 200},
		"claim's name":    {f.claiming(members{"nobody": "x", "": "y"}), "orders-worker|orders.read orders.write|" + f.issuer + "|forged|x|y|orders-worker", 200},
		"no token":        {"", "401 no_token", 401},
		"expired":         {f.claiming(members{"exp": 2, "iat": 1}), "401 expired", 401},
		"kid":             {f.headed(members{"kid": "{env.HOME}"}), "401 unknown_key", 401},
		"missing scope":   {f.claiming(members{"scope": "{env.HOME}"}), "403 missing_scope", 403},
		"wrong audience":  {f.claiming(members{"aud": "{env.HOME}"}), "401 wrong_audience", 401},
		"malformed token": {"{env.HOME}", "401 malformed_token", 401},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/orders/" + segment(name)
			var headers []string
			if row.token != "" {
				headers = []string{bearer(row.token)}
			}
			a := g.ask(t, "GET", path, "", headers...)
			if a.StatusCode != row.status || a.body != row.want {
				t.Errorf("%d %q, want %q", a.StatusCode, a.body, row.want)
			}
			if challenge := a.Header.Get("WWW-Authenticate"); (challenge != "") != (row.status != 200) || strings.Contains(challenge, "{") {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
			if row.status != 200 {
				line := g.refusalAt(path)
				if cause, _ := line["cause"].(string); strings.Contains(cause, g.home) {
					t.Errorf("expanded: %v", line)
				}
			}
		})
	}
	users := make(map[string]any)
	g.eventually("the access log", func() bool {
		for _, entry := range g.entries("handled request") {
			uri, _ := entry["request"].(map[string]any)["uri"].(string)
			users[uri] = entry["user_id"]
		}
		return len(users) >= 11 // /token, and ten of orders
	})
	for name, want := range map[string]string{"issued": "orders-worker", "client id": "{env.HOME}", "no token": "", "expired": "", "missing scope": ""} {
		if got := users["/orders/"+segment(name)]; got != want {
			t.Errorf("%s: user_id %q, want %q", name, got, want)
		}
	}
}
