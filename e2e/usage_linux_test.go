package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

type usageAnswer struct {
	Since        *time.Time
	Nodes        int
	Problem      string
	Applications []struct {
		Issuer string
		Tokens int
		Scopes []struct {
			Asked, Used int
			Denied      int
		}
		Secrets []struct {
			SecretID string `json:"secret_id"`
			Times    int
		}
	}
	Routes []struct {
		Callers []struct{ Times int }
		Refused []struct {
			Reason string
			Times  int
		}
	}
	Refusals []struct {
		At, Route, Issuer, Reason string
		ReportOnly                bool `json:"report_only"`
		Times                     int
		LastDay                   int        `json:"last_day"`
		ByDay                     []struct{} `json:"refusals_by_day"`
	}
	Findings []struct{ Kind string }
}

// usage returns what the node knows that all have counted.
func (c *caddy) usage() (u usageAnswer) {
	c.t.Helper()
	a := c.administer(http.MethodGet, "/tokenidp/usage", "")
	if err := json.Unmarshal([]byte(a.body), &u); err != nil || a.StatusCode != http.StatusOK {
		c.t.Fatalf("usage: %d %v %s", a.StatusCode, err, a.body)
	}
	return u
}

// TestUsageOutlivesKilledNodes: three nodes count, each of them is killed in turn, and the
// counts of all end within one in a hundred of the truth.
func TestUsageOutlivesKilledNodes(t *testing.T) {
	t.Parallel()
	cl := startCluster(t, 3, 1, "EdDSA")
	token, err := cl.nodes[0].issued(0)
	if err != nil {
		t.Fatal(err)
	}
	tokens, calls := 1, 0
	call := func(n *node, times int) {
		t.Helper()
		for range times {
			if err := n.verified(0, token); err != nil {
				t.Fatal(err)
			}
			calls++
		}
	}
	known := func(by *node, tokens, calls int) bool {
		a := by.usage().Applications[0]
		return a.Tokens >= tokens && a.Scopes[0].Used >= calls
	}
	for i, n := range cl.nodes {
		for range 20 {
			if _, err := n.issued(0); err != nil {
				t.Fatal(err)
			}
			tokens++
		}
		call(n, 400)
		other := cl.nodes[(i+1)%3]
		other.eventually("the counts of its peers", func() bool { return known(other, tokens, calls*995/1000) })
		call(n, 2) // nobody may ever know of them
		n.die()
		n.revive()
	}
	for i, n := range cl.nodes {
		n.eventually("what the killed nodes have counted", func() bool { return known(n, tokens, calls*99/100) })
		u := n.usage()
		a := u.Applications[0]
		if a.Tokens != tokens || a.Scopes[0].Asked != tokens || a.Secrets[0].Times != tokens || a.Scopes[0].Used > calls || u.Since == nil || u.Problem != "" {
			t.Errorf("node %d: %+v; there were %d tokens and %d calls", i, u, tokens, calls)
		}
	}
}

// TestUsageOfARestartedServer is whole after a clean stop.
func TestUsageOfARestartedServer(t *testing.T) {
	t.Parallel()
	c := startShop(t, "\thandle /orders* {\n\t\tverify orders.read\n\t\trespond fine\n\t}")
	token := c.token("reader", "orders.read")
	for range 7 {
		c.get("https://localhost:5001/orders", token)
	}
	c.do(http.MethodGet, "https://localhost:5001/orders", "")
	for range 2 {
		if status := c.tokenStatus("nobody", "orders.read"); status != http.StatusUnauthorized {
			t.Errorf("an unknown client: %d", status)
		}
	}
	check := func(c *caddy) {
		t.Helper()
		u := c.usage()
		if r := u.Routes[0]; len(r.Callers) != 1 || r.Callers[0].Times != 7 || len(r.Refused) != 1 || r.Refused[0].Reason != "no_token" || u.Nodes != 1 || len(u.Findings) != 0 {
			t.Errorf("%+v", u)
		}
		if r := u.Refusals; len(r) != 2 || r[0].At != "token" || r[0].Reason != "unknown_client" || r[0].Times != 2 || r[0].LastDay != 2 || r[0].Issuer == "" ||
			r[1].At != "verify" || r[1].Reason != "no_token" || r[1].Times != 1 || r[1].Route == "" || len(r[1].ByDay) != 1 {
			t.Errorf("%+v", r)
		}
	}
	check(c)
	output, code := c.ctl("report", "--enforced")
	if code != 0 || !containsAll(output, "7 passed since", "no_token") {
		t.Errorf("report: %d\n%s", code, output)
	}
	output, code = c.ctl("usage")
	if code != 0 || !containsAll(output, "by 1 server", "reader", "orders.read", "refused no_token", "REFUSED BY", "unknown_client") {
		t.Errorf("usage: %d\n%s", code, output)
	}
	if output, code := c.ctl("usage", "--storms"); code != 0 || !containsAll(output, "reader", "NEEDED") {
		t.Errorf("storms: %d\n%s", code, output)
	}
	if output, code := c.ctl("usage", "--client", "raeder"); code != 2 || !containsAll(output, "did you mean reader?") {
		t.Errorf("a typo: %d\n%s", code, output)
	}
	c = c.restarted()
	c.eventually("what it knew", func() bool { return len(c.usage().Routes[0].Callers) > 0 })
	check(c)
}

func containsAll(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
