package e2e

import (
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"
)

// What policies ask is asked beside what the route asks itself.
func TestVerifyTakesUpPolicies(t *testing.T) {
	t.Parallel()
	g := startGuardedBy(t, strings.Replace(shopOptions, "tokenidp {", `tokenidp {
		policy fresh {
			max_age 5m
		}
		policy writers orders.write {
			claim tenant a
		}`, 1)+`
localhost:5001 {
	tokenidp
	handle /both* {
		verify orders.read {
			policy fresh writers
		}
		reverse_proxy localhost:5002
	}
	handle /writers* {
		verify {
			policy writers
			require level
		}
		reverse_proxy localhost:5002
	}
	handle {
		verify orders.read
		reverse_proxy localhost:5002
	}
}
`)
	f := newForger(t, g.caddy)
	a := members{"tenant": "a", "level": 1}
	with := func(changes members) string {
		maps.Copy(changes, a)
		return f.claiming(changes)
	}
	all := with(members{})
	for _, path := range []string{"/both/1", "/writers/1", "/any"} {
		g.checkAllowed(t, g.ask(t, "GET", path, "", bearer(all)))
	}
	old := with(members{"iat": f.at(-10 * time.Minute)})
	g.checkAllowed(t, g.ask(t, "GET", "/writers/2", "", bearer(old)))
	for path, row := range map[string]struct{ token, reason, scope string }{
		"/both/2":    {old, "too_old", ""},
		"/both/3":    {f.good(), "claim_not_accepted", ""},
		"/both/4":    {with(members{"scope": "orders.write"}), "missing_scope", "orders.read orders.write"},
		"/both/5":    {with(members{"scope": "orders.read"}), "missing_scope", "orders.read orders.write"},
		"/writers/3": {f.claiming(members{"tenant": "a"}), "claim_required", ""},
		"/writers/4": {with(members{"aud": "https://stock.example.com"}), "wrong_audience", ""},
	} {
		g.checkRefused(t, g.ask(t, "GET", path, "", bearer(row.token)), path, row.reason, row.scope)
	}
}

// What a route asks of a token beside scopes: each route for itself, also of a token
// that another one has let through.
func TestVerifyDemands(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, `
	handle /fresh* {
		verify orders.read {
			max_age 5m
		}
		reverse_proxy localhost:5002
	}
	handle /short* {
		verify orders.read {
			max_lifetime 1h
		}
		reverse_proxy localhost:5002
	}
	handle /tenant* {
		verify orders.read {
			require tenant /act/sub
		}
		reverse_proxy localhost:5002
	}
	handle /tenants* {
		verify orders.read {
			expression "request.path.startsWith('/tenants/' + claims.tenant + '/')"
			expression request.method == "GET" || "orders.admin" in scopes
		}
		reverse_proxy localhost:5002
	}
	handle {
		verify orders.read
		reverse_proxy localhost:5002
	}
`)
	f := newForger(t, g.caddy)
	old := f.claiming(members{"iat": f.at(-time.Hour), "exp": f.at(time.Hour)})
	tenant := f.claiming(members{"iat": f.at(0), "tenant": "a", "act": members{"sub": "x"}})
	g.checkAllowed(t, g.ask(t, "GET", "/any", "", bearer(old)))
	g.checkRefused(t, g.ask(t, "GET", "/fresh", "", bearer(old)), "/fresh", "too_old", "")
	g.checkRefused(t, g.ask(t, "GET", "/short", "", bearer(old)), "/short", "lives_too_long", "")
	g.checkRefused(t, g.ask(t, "GET", "/tenant", "", bearer(old)), "/tenant", "claim_required", "")
	for _, path := range []string{"/fresh/2", "/short/2", "/tenant/2", "/tenants/a/1"} {
		g.checkAllowed(t, g.ask(t, "GET", path, "", bearer(tenant)))
	}
	for path, row := range map[string]struct{ method, token, cause string }{
		"/tenants/b/1":      {"GET", tenant, "is false"},
		"/tenants/a/2":      {"DELETE", tenant, "is false"},
		"/tenants/a/3":      {"GET", old, "no such key: tenant"},
		"/tenants/a/%2e%2e": {"GET", tenant, "not plain"},
	} {
		a := g.ask(t, row.method, path, "", bearer(row.token))
		logged, _ := url.PathUnescape(path)
		g.checkRefused(t, a, logged, "expression_refused", "")
		if cause := g.refusalAt(logged)["cause"].(string); !strings.Contains(cause, row.cause) {
			t.Errorf("%s: the cause is %q, not %q", path, cause, row.cause)
		}
	}
}
