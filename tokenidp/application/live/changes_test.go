package live

import (
	"fmt"
	"strings"
	"testing"
)

func TestChanges(t *testing.T) {
	const a = `application "orders-worker" `
	without := func(from, to string) string {
		return valid[strings.Index(valid, from):strings.Index(valid, to)]
	}
	for _, row := range []struct{ name, old, new, want string }{
		{"nothing", "", "# a comment\n", ""},
		{"added", "    token_lifetime: 30m\n", "    token_lifetime: 30m\n  - {client_id: b, active: false, scopes: [billing.read, orders.read]}\n", `application "b" added, inactive (scopes billing.read orders.read)`},
		{"another client_id", "orders-worker", "a-worker", "application \"a-worker\" added (scopes orders.read orders.write)\n" + a + "removed"},
		{"deactivated", "active: true", "active: false", a + "deactivated"},
		{"a client_name", "Orders worker", `"O \"x\""`, a + `client_name "O \"x\"" instead of "Orders worker"`},
		{"no client_name", "    client_name: Orders worker\n", "", a + `client_name "" instead of "Orders worker"`},
		{"scopes", "[orders.read, orders.write]", "[billing.read, orders.read]", a + "gained scope billing.read\n" + a + "lost scope orders.write"},
		{"the order of scopes", "[orders.read, orders.write]", "[orders.write, orders.read]", ""},
		{"default_scopes", "default_scopes: [orders.read]", "default_scopes: [orders.write, orders.read]", a + "default_scopes orders.write orders.read instead of orders.read"},
		{"no default_scopes", "    default_scopes: [orders.read]\n", "", a + "default_scopes none instead of orders.read"},
		{"a method", "client_secret_basic", "client_secret_post", a + "token_endpoint_auth_method client_secret_post instead of client_secret_basic"},
		{"any method", "    token_endpoint_auth_method: client_secret_basic\n", "", a + "token_endpoint_auth_method any instead of client_secret_basic"},
		{"a lifetime", "30m", "15m", a + "token_lifetime 15m0s instead of 30m0s"},
		{"no lifetime", "    token_lifetime: 30m\n", "", a + "token_lifetime the default instead of 30m0s"},
		{"a quota", "    token_lifetime: 30m\n", "    token_lifetime: 30m\n    quota: {tokens: 600, per: 1h}\n", a + "quota 600 per 1h0m0s instead of none"},
		{"introspection", "    token_lifetime: 30m\n", "    token_lifetime: 30m\n    introspection: true\n", a + "introspection true instead of false"},
		{"introspection of a resource", "applications:\n", "    introspection: [orders-worker]\napplications:\n", `resource "billing-api" may be asked about by orders-worker`},
		{"a secret", "      - id", "      - {id: new, hash: " + bcryptPHP + ", expires: 2027-06-30T12:00:00+02:00}\n      - id", a + `secret "new" added, expires 2027-06-30T10:00:00Z`},
		{"a secret for ever", "      - id", "      - {id: new, hash: " + bcryptPHP + "}\n      - id", a + `secret "new" added, expires never`},
		{"the id of a secret", `"2026-11"`, "other", a + `secret "other" added, expires 2027-06-30` + "\n" + a + `secret "2026-11" removed`},
		{"the hash of a secret", "0a0a", "0b0b", a + `secret "2026-11" replaced`},
		{"the expiry of a secret", "expires: 2027-06-30", "expires: 2028-01-01", a + `secret "2026-11" expires 2028-01-01 instead of 2027-06-30`},
		{"no expiry of a secret", "        expires: 2027-06-30\n", "", a + `secret "2026-11" expires never instead of 2027-06-30`},
		{"a resource", "applications:\n", "  - {name: stock-api, scopes: [{name: stock.read}, {name: stock.write}]}\napplications:\n", `resource "stock-api" added (scopes stock.read stock.write)`},
		{"a resource less", without("  - name: billing-api", "applications:\n"), "", `resource "billing-api" removed`},
		{"another identifier", "https://api.example.com/billing", "https://example.com", `resource "billing-api" audience https://example.com instead of https://api.example.com/billing`},
		{"a scope", "      - name: billing.read", "      - name: billing.read\n      - name: billing.write", `scope billing.write added to resource "billing-api"`},
		{"another name of a scope", "name: billing.read", "name: billing.list", "scope billing.list added to resource \"billing-api\"\nscope billing.read removed from resource \"billing-api\""},
		{"a scope moves", "      - name: orders.write\n", "", ""},
		{"a description", "Read orders", "See orders", "scope orders.read described otherwise"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{"a.yaml": valid}, "a.yaml")
			text := strings.Replace(valid, row.old, row.new, 1)
			if row.name == "a scope moves" {
				text = strings.Replace(text, "      - name: billing.read\n", "      - name: billing.read\n      - name: orders.write\n", 1)
				row.want = `scope orders.write moved from resource "orders-api" to "billing-api"`
			}
			f.save("a.yaml", text)
			f.want("changed", row.want)
			for _, hidden := range []string{"0a0a", "0b0b", bcryptPHP} {
				if strings.Contains(row.want, hidden) {
					t.Errorf("%s is shown", hidden)
				}
			}
		})
	}
}

// The query of a URL may be a credential, as where it is signed for whoever has it.
func TestChangesShowNoQueryOfAJWKSURI(t *testing.T) {
	const a = `application "x" jwks_uri `
	declared := func(query string) string { return keyed("    jwks_uri: https://x.example.com/keys" + query + "\n") }
	f := newFolder(t, map[string]string{"a.yaml": declared("?sig=hidden1")}, "a.yaml")
	f.save("a.yaml", declared("?sig=hidden2"))
	f.want("another query", a+"https://x.example.com/keys with another query")
	f.save("a.yaml", declared("/new?sig=hidden2"))
	f.want("another path", a+"https://x.example.com/keys/new instead of https://x.example.com/keys")
	f.save("a.yaml", keyed("    jwks: {keys: ["+ecJWK+"]}\n"))
	changed := f.refresh(nil)
	if !strings.Contains(changed, a+"none instead of https://x.example.com/keys/new") || strings.Contains(changed, "hidden") {
		t.Errorf("the log says %s", changed)
	}
}

func TestChangesAreLimited(t *testing.T) {
	f := newFolder(t, map[string]string{"a.yaml": "resources: [{name: x, scopes: [{name: x}]}]\n"}, "a.yaml")
	var text strings.Builder
	text.WriteString("resources: [{name: x, scopes: [{name: x}]}]\napplications:\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "  - {client_id: c%04d, active: false, scopes: [x]}\n", i)
	}
	f.save("a.yaml", text.String())
	r := f.Refresh(nil)
	if n := len(r.Changes); n != mostChanges+1 || r.Changes[n-1] != "… and 4000 more" || r.Changes[0] != `application "c0000" added, inactive (scopes x)` {
		t.Errorf("%d lines, the last being %q", n, r.Changes[n-1])
	}
}

func TestListed(t *testing.T) {
	for n, want := range map[int]string{0: "none", 1: "x", 2: "x x", 21: strings.Repeat("x ", 20) + "and 1 more"} {
		names := strings.Fields(strings.Repeat("x ", n))
		if got := listed(names); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
