package e2e

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// accessSite has a route for each thing that a verify can ask for.
const accessSite = `
	handle /read* {
		verify orders.read
		respond fine
	}
	handle /write* {
		verify orders.write
		respond fine
	}
	handle /either* {
		verify {
			any_scope orders.write stock.read
		}
		respond fine
	}
	handle /stock* {
		verify {
			audience https://stock.example.com
		}
		respond fine
	}
	handle /gold* {
		verify orders.read {
			claim tier gold
			max_lifetime 10m
		}
		respond fine
	}
	handle /mtls* {
		verify orders.read {
			sender_constrained mtls
		}
		respond fine
	}
	handle /sometimes* {
		verify orders.read {
			expression "request.method == 'GET'"
		}
		respond fine
	}
`

const goldShop = shopApplications + `
  - client_id: gold
    claims: {tier: gold}
    token_lifetime: 5m
    secrets: [{id: "1", hash: ` + shopHash + `}]
    scopes: [orders.read]
  - client_id: late
    secrets: [{id: "1", hash: ` + shopHash + `, expires: 2020-01-01}]
    scopes: [orders.read]
`

// accessed is what `caddy tokenidp access --json` says.
type accessed struct {
	Routes []struct {
		Source, Issuer string
		Clients        []struct {
			ClientID      string `json:"client_id"`
			Allowed       bool
			Scope, Reason string
			Conditions    []string
		}
	}
	Nowhere []string
}

func readAccess(t *testing.T, output string) (all accessed) {
	t.Helper()
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, `{"routes":`) {
			decoder := json.NewDecoder(strings.NewReader(line))
			if err := decoder.Decode(&all); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			return all
		}
	}
	t.Fatalf("no JSON in %s", output)
	return all
}

// Who can reach what, as it is told before any request, is what requests come to.
func TestAccessIsWhatRequestsComeTo(t *testing.T) {
	t.Parallel()
	c := start(t, shopOptions+"localhost:5001 {\n\ttokenidp\n"+accessSite+"\n}\n", options{files: map[string]string{"applications.yaml": goldShop}})
	output, code := c.ctl("access", "--json", "--denied")
	if code != 0 {
		t.Fatalf("%d %s", code, output)
	}
	all := readAccess(t, output)
	paths := []string{"/read", "/write", "/either", "/stock", "/gold", "/mtls", "/sometimes"}
	if len(all.Routes) != len(paths) {
		t.Fatalf("%d routes, want %d: %s", len(all.Routes), len(paths), output)
	}
	granted := map[string][]string{
		"orders-worker": {"orders.read orders.write", "stock.read"}, "reader": {"orders.read"}, "{env.HOME}": {"orders.read"},
		"basic-only": {"orders.read"}, "gold": {"orders.read"}, "retired": nil, "late": nil, // nobody gives them a token
	}
	allowed := 0
	for i, route := range all.Routes {
		if len(route.Clients) != len(granted) {
			t.Errorf("%s: %d Applications, want %d", paths[i], len(route.Clients), len(granted))
		}
		for _, client := range route.Clients {
			ask := granted[client.ClientID]
			if client.Allowed {
				allowed++
				ask = []string{client.Scope}
			}
			reached := false
			for _, scope := range ask {
				reached = reached || c.get("https://localhost:5001"+paths[i], c.token(client.ClientID, scope)).StatusCode == http.StatusOK
			}
			if reached != client.Allowed {
				t.Errorf("%s: told %+v, and it reaches it: %t", paths[i], client, reached)
			}
			if !client.Allowed && client.Reason == "" {
				t.Errorf("%s: no reason: %+v", paths[i], client)
			}
		}
	}
	if allowed != 14 {
		t.Errorf("%d pairs are allowed", allowed)
	}
	if offline, code := c.operate("", "access", "--offline", "--config", "Caddyfile", "--json", "--denied"); code != 0 || len(readAccess(t, offline).Routes) != len(paths) {
		t.Errorf("--offline: %d %s", code, offline)
	} else if got, _ := json.Marshal(readAccess(t, offline)); string(got) != marshalled(t, all) {
		t.Errorf("--offline says %s, and the running one %s", got, marshalled(t, all))
	}
	if len(all.Nowhere) != 1 || all.Nowhere[0] != "late" {
		t.Errorf("nowhere: %v", all.Nowhere)
	}
}

func marshalled(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The exit code answers for one Application and one route.
func TestAccessOfOneApplication(t *testing.T) {
	t.Parallel()
	c := start(t, shopOptions+"localhost:5001 {\n\ttokenidp\n"+accessSite+"\n}\n", options{files: map[string]string{"applications.yaml": goldShop}})
	for _, row := range []struct {
		name string
		args []string
		code int
		want string // a pattern
	}{
		{"it can", []string{"--client", "reader", "--route", "/read/1"}, 0, `(?m)^  reader  scope=orders\.read$`},
		{"it can, under a condition", []string{"--client", "reader", "--route", "/sometimes"}, 0, `scope=orders\.read, where request\.method == 'GET'`},
		{"it cannot", []string{"--client", "reader", "--route", "/write"}, 1, `(?m)^  reader  NO: missing_scope: it lacks orders\.write$`},
		{"a claim", []string{"--client", "reader", "--route", "/gold"}, 1, `NO: claim_not_accepted`},
		{"expired", []string{"--client", "late", "--route", "/read"}, 1, `NO: expired_secret: all its secrets have expired`},
		{"some of all", []string{"--client", "reader"}, 1, `reader cannot reach 5 of 7 routes`},
		{"nobody of that name", []string{"--client", "nobody"}, 2, `no Application has this client_id: .*nobody`},
		{"no such route", []string{"--route", "/nowhere"}, 2, `no verify is reached by --route`},
		{"a mistyped flag", []string{"--clinet", "reader"}, 2, `unknown flag`},
		{"an argument", []string{"reader"}, 2, `this command takes no arguments`},
		{"who cannot", []string{"--route", "/mtls", "--denied"}, 0, `(?m)^  gold +NO: not_sender_constrained`},
		{"all", nil, 0, `(?m)^late reaches no route of this server$`},
		{"a request", []string{"--request", c.url("GET https://localhost:5001/read/1"), "--client", "reader"}, 0, `(?m)^  reader  scope=orders\.read$`},
		{"a request that it cannot make", []string{"--request", c.url("POST https://localhost:5001/sometimes"), "--client", "reader"}, 1, `NO: expression_refused`},
		{"a request to another host", []string{"--request", "GET https://elsewhere.example/"}, 2, `no site has the host elsewhere\.example|no server listens`},
		{"a table for a review", []string{"--markdown", "--route", "/write"}, 0, "(?m)^\\| `.*/write\\*` \\| `orders-worker` \\| `orders.write` \\|"},
		{"nothing is open", []string{"--fail-on-open"}, 0, `scope=`},
		{"a route that nobody reaches", []string{"--route", "/mtls"}, 0, `(?m)^  nobody$`},
	} {
		output, code := c.ctl(append([]string{"access"}, row.args...)...)
		if code != row.code || !regexp.MustCompile(row.want).MatchString(output) {
			t.Errorf("%s: exit code %d, want %d, and nothing like %s in\n%s", row.name, code, row.code, row.want, output)
		}
	}
	if a := c.administer(http.MethodPost, "/tokenidp/applications", ""); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST gets %d", a.StatusCode)
	}
	if a := c.administer(http.MethodGet, "/tokenidp/applications?limit=1", ""); a.StatusCode != http.StatusOK || strings.Contains(a.body, "argon2") || strings.Contains(a.body, "sha256") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
