package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// twoTeams is a set-up in which each of two teams has a file of its own.
func startTwoTeams(t *testing.T) *caddy {
	t.Helper()
	return start(t, strings.ReplaceAll(shopOptions, "applications.yaml", "apps/*.yaml")+`
localhost:5001 {
	tokenidp
	handle /orders* {
		verify orders.read
		respond "orders for {http.auth.user.id}"
	}
	handle /stock* {
		verify stock.read
		respond "stock for {http.auth.user.id}"
	}
}
`, options{files: map[string]string{"apps/orders.yaml": team("orders", "worker"), "apps/stock.yaml": team("stock", "planner")}})
}

// team is the file of a team that owns an API and some Applications.
func team(api string, clients ...string) string {
	text := fmt.Sprintf("resources:\n  - name: %[1]s-api\n    scopes: [{name: %[1]s.read}, {name: %[1]s.write}]\napplications:\n", api)
	for _, id := range clients {
		text += fmt.Sprintf("  - client_id: %s\n    secrets: [{id: \"1\", hash: %s}]\n    scopes: [%s.read]\n", id, shopHash, api)
	}
	return text
}

func (c *caddy) rewrite(file, content string) {
	c.t.Helper()
	path := filepath.Join(c.dir, file)
	write(c.t, path+".new", content)
	if err := os.Rename(path+".new", path); err != nil {
		c.t.Fatal(err)
	}
}

// tokenStatus is the status of a token request.
func (c *caddy) tokenStatus(clientID, scope string) int {
	c.t.Helper()
	r := c.request(http.MethodPost, "https://localhost:5001/token", "grant_type=client_credentials&scope="+scope,
		"Content-Type: application/x-www-form-urlencoded")
	r.SetBasicAuth(clientID, shopSecret)
	return c.once(r).StatusCode
}

func (c *caddy) get(url, token string) *answer {
	c.t.Helper()
	return c.do(http.MethodGet, url, "", "Authorization: Bearer "+token)
}

// A change of a file is in force without a reload, and told in the log.
func TestApplicationsChangeWhileRunning(t *testing.T) {
	t.Parallel()
	c := startTwoTeams(t)
	c.rewrite("apps/orders.yaml", team("orders", "worker", "reporter"))
	changed := c.entries("applications changed")
	if got := fmt.Sprint(changed[0]["changes"]); got != `[application "reporter" added (scopes orders.read)]` {
		t.Errorf("the log says %s", got)
	}
	if status := c.tokenStatus("reporter", "orders.read"); status != http.StatusOK {
		t.Errorf("the new Application gets %d", status)
	}
}

// A deactivation cuts new tokens and live ones.
func TestDeactivationCutsAtOnce(t *testing.T) {
	t.Parallel()
	c := startTwoTeams(t)
	token := c.token("worker", "orders.read")
	if a := c.get("https://localhost:5001/orders", token); a.StatusCode != http.StatusOK {
		t.Fatalf("before: %d", a.StatusCode)
	}
	for _, row := range []struct{ name, content string }{
		{"deactivated", strings.Replace(team("orders", "worker", "other"), "client_id: worker\n", "client_id: worker\n    active: false\n", 1)},
		{"active again", team("orders", "worker", "other")},
		{"deactivated by a template", strings.Replace(team("orders", "worker", "other"), "client_id: worker\n", "client_id: worker\n    active: False\n", 1)},
		{"active again", team("orders", "worker", "other")},
		{"removed", team("orders", "other")},
	} {
		c.rewrite("apps/orders.yaml", row.content)
		want, wantToken := http.StatusUnauthorized, http.StatusUnauthorized
		if row.name == "active again" {
			want, wantToken = http.StatusOK, http.StatusOK
		}
		c.eventually(row.name, func() bool { return c.get("https://localhost:5001/orders", token).StatusCode == want })
		if status := c.tokenStatus("worker", "orders.read"); status != wantToken {
			t.Errorf("%s: a token request gets %d", row.name, status)
		}
	}
	refused := c.entries("request refused")
	if reason := refused[len(refused)-1]["reason"]; reason != "inactive_client" {
		t.Errorf("reason %v", reason)
	}
}

// A broken file is told, and holds up nobody else's change.
func TestF07ABrokenFileKeepsItsLastGoodVersion(t *testing.T) {
	t.Parallel()
	c := startTwoTeams(t)
	c.rewrite("apps/orders.yaml", "applications:\n  - client_id: half")
	broken := c.entries("a file of applications is broken, so its last good version stays in force")
	if text := fmt.Sprint(broken[0]["error"]); !strings.Contains(text, "apps/orders.yaml:2:") {
		t.Errorf("the log names no place: %s", text)
	}
	if metrics := c.metrics(); !strings.Contains(metrics, `caddy_tokenidp_applications_in_order{issuer="`+c.url("https://localhost:5001")+`"} 0`) {
		t.Errorf("the metrics do not tell:\n%s", metrics)
	}
	c.token("worker", "orders.read")

	c.rewrite("apps/stock.yaml", team("stock", "planner", "newcomer"))
	c.eventually("the other team's change", func() bool { return c.tokenStatus("newcomer", "stock.read") == http.StatusOK })

	c.rewrite("apps/orders.yaml", team("orders", "worker"))
	c.entries("a file of applications is in order again")
	if metrics := c.metrics(); !strings.Contains(metrics, "caddy_tokenidp_applications_in_order{issuer=\""+c.url("https://localhost:5001")+"\"} 1") {
		t.Errorf("the metrics still say otherwise:\n%s", metrics)
	}
}

// A change that would take a scope from a live route is not put in force.
func TestAScopeThatARouteRequiresStays(t *testing.T) {
	t.Parallel()
	c := startTwoTeams(t)
	c.rewrite("apps/stock.yaml", strings.ReplaceAll(team("stock", "planner"), "stock.read", "stock.look"))
	rejected := c.entries("a change of applications does not fit what is in force, so the version before stays")
	if text := fmt.Sprint(rejected[0]["error"]); !strings.Contains(text, "Caddyfile:") || !strings.Contains(text, "stock.read") {
		t.Errorf("the log does not name the route and the scope: %s", text)
	}
	if a := c.get("https://localhost:5001/stock", c.token("planner", "stock.read")); a.StatusCode != http.StatusOK {
		t.Errorf("status %d", a.StatusCode)
	}
}

func (c *caddy) metrics() string {
	c.t.Helper()
	return c.administer(http.MethodGet, "/metrics", "").body
}
