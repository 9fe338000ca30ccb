package e2e

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// routesConfig has three imports of one snippet, and three invocations of one named
// route, which only reports.
const routesConfig = `
(guard) {
	verify {args[0]}
	respond fine
}
&(seen) {
	route {
		verify orders.read {
			report_only
		}
		respond fine
	}
}

localhost:5001 {
	tokenidp
	handle /orders* {
		import guard orders.read
	}
	@change method POST
	handle @change {
		invoke seen
	}
	handle_path /invoices/* {
		import guard orders.write
	}
	handle /seen* {
		invoke seen
	}
}

http://localhost:5002 {
	handle /seen* {
		invoke seen
	}
	handle {
		import guard stock.read
	}
}
`

// told is what access, explain and report have in common.
type told struct{ Route, Source string }

func (c *caddy) toldRoutes(output string) []told {
	c.t.Helper()
	start := strings.IndexAny(output, "{[")
	var all []told
	var within struct{ Routes []told }
	for line := range strings.Lines(output[max(0, start):]) {
		if json.Unmarshal([]byte(line), &all) == nil {
			return all
		}
		if json.Unmarshal([]byte(line), &within) == nil && within.Routes != nil {
			return within.Routes
		}
	}
	c.t.Fatalf("no routes in %s", output)
	return nil
}

func routeIDs(all []told) (ids []string) {
	for _, r := range all {
		ids = append(ids, r.Route)
	}
	slices.Sort(ids)
	return ids
}

// A route is known by host, path, method and further matchers in every command, of a
// Caddyfile and of JSON without lines, and the counts of a route are its own.
func TestRoutesAreKnownInEveryCommand(t *testing.T) {
	t.Parallel()
	c := start(t, shopOptions+routesConfig, options{files: map[string]string{"applications.yaml": shopApplications}})
	imported := []string{"localhost:5001/invoices/*", "localhost:5001/orders*", "localhost:5002"}
	seen := []string{"localhost:5001 POST", "localhost:5001/seen*", "localhost:5002/seen*"}
	for _, ids := range [][]string{imported, seen} {
		for i, id := range ids {
			ids[i] = c.url(id)
		}
		slices.Sort(ids)
	}
	token := c.token("reader", "orders.read")
	check := func(when string) {
		t.Helper()
		all := slices.Sorted(slices.Values(slices.Concat(imported, seen)))
		for _, offline := range []string{"--offline=false", "--offline"} {
			if offline == "--offline" && when != "a Caddyfile" {
				continue // the file is that of the Caddyfile still
			}
			access, _ := c.operate("", "access", "--json", offline, "--config", "Caddyfile")
			if offline != "--offline" {
				access, _ = c.ctl("access", "--json")
			}
			explain, _ := c.operate(token, "explain", "--json", offline, "--config", "Caddyfile")
			for command, output := range map[string]string{"access": access, "explain": explain} {
				if got := routeIDs(c.toldRoutes(output)); !slices.Equal(got, all) {
					t.Errorf("%s, %s %s: %q, want %q", when, command, offline, got, all)
				}
			}
		}
		report, _ := c.ctl("report", "--json")
		if got := routeIDs(c.toldRoutes(report)); !slices.Equal(got, seen) {
			t.Errorf("%s, report: %q, want %q", when, got, seen)
		}
		for route, want := range map[string]int{ // whether reader can
			"/invoices/1": 1, "localhost:5001/orders/1": 0, "POST localhost:5001/other": 0, "localhost:5001/invoices/*": 1,
		} {
			for _, command := range [][]string{{"access", "--client", "reader"}, {"explain", token}} {
				if output, code := c.ctl(append(command, "--route", c.url(route))...); code != want {
					t.Errorf("%s, %s --route %s: exit code %d, want %d\n%s", when, command[0], route, code, want, output)
				}
			}
		}
	}
	check("a Caddyfile")
	for request, times := range map[string]int{"GET https://localhost:5001/seen": 1, "POST https://localhost:5001/other": 2, "GET http://localhost:5002/seen": 3} {
		method, url, _ := strings.Cut(request, " ")
		for range times {
			c.do(method, url, "")
		}
	}
	counted := func(when string) {
		t.Helper()
		var all []struct {
			told
			WouldRefuse []reportRow `json:"would_refuse"`
		}
		output, _ := c.ctl("report", "--json")
		if err := json.Unmarshal([]byte(output[strings.IndexByte(output, '['):strings.LastIndexByte(output, ']')+1]), &all); err != nil {
			t.Fatal(err, output)
		}
		for _, r := range all {
			want := map[string]int{c.url("localhost:5001/seen*"): 1, c.url("localhost:5001 POST"): 2, c.url("localhost:5002/seen*"): 3}[r.Route]
			if len(r.WouldRefuse) != 1 || r.WouldRefuse[0].Times != want {
				t.Errorf("%s: %s: %+v, want %d", when, r.Route, r.WouldRefuse, want)
			}
		}
		narrowed, code := c.ctl("report", "--json", "--route", c.url("http://localhost:5002/seen"))
		if got, want := routeIDs(c.toldRoutes(narrowed)), []string{c.url("localhost:5002/seen*")}; code != 1 || !slices.Equal(got, want) {
			t.Errorf("%s, report --route: exit code %d, %q, want %q", when, code, got, want)
		}
		if output, code := c.ctl("report", "--route", c.url("GET localhost:5001/invoices/1")); code != 2 {
			t.Errorf("%s, report of a route that enforces: exit code %d\n%s", when, code, output)
		}
	}
	counted("a Caddyfile")
	config := regexp.MustCompile(`,?"source":"[^"]*"`).ReplaceAllString(c.adapted(), "")
	config = strings.ReplaceAll(config, "{,", "{")
	if a := c.administer(http.MethodPost, "/load", config, "Content-Type: application/json"); a.StatusCode != http.StatusOK {
		t.Fatalf("reload: %d %s", a.StatusCode, a.body)
	}
	if strings.Contains(c.adapted(), `"source"`) {
		t.Fatal("a source is left")
	}
	counted("JSON without sources")
	check("JSON without sources")
}
