package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// statusPage is a site with the page for who has a token, and for who has a password.
const statusPage = `
	handle /orders {
		verify orders.read
		respond fine
	}
	handle /stock {
		verify stock.read
		respond fine
	}
	handle /status {
		verify orders.write
		tokenidp_status
	}
	handle /ops {
		tokenidp_status
		basic_auth bcrypt {
			# The password is: replace-with-real-secret
			ops $2a$04$8Fs2fXuCjolLkoNURU9nZuXxNR12H5muP9qmSxw5PuRND.dzZR8gq
		}
	}
`

// The page is for who has shown who it is. It says what the commands say, of the
// configuration that serves.
func TestStatusPage(t *testing.T) {
	t.Parallel()
	c := startShop(t, statusPage)
	at := c.url("https://localhost:5001")
	for _, path := range []string{"/status", "/ops"} {
		if a := c.do(http.MethodGet, at+path, ""); a.StatusCode != http.StatusUnauthorized || strings.Contains(a.body, "orders-worker") {
			t.Errorf("%s without credentials: %d %s", path, a.StatusCode, a.body)
		}
	}
	if a := c.get(at+"/status", c.token("reader", "orders.read")); a.StatusCode != http.StatusForbidden {
		t.Errorf("without the scope: %d", a.StatusCode)
	}
	c.awaitsMap("the map", func(string) bool { return true })
	byToken := c.get(at+"/status", c.token("orders-worker", "orders.write"))
	page := c.administer(http.MethodGet, "/tokenidp/status-page", "")
	for who, a := range map[string]*answer{"a token": byToken, "the admin endpoint": page} {
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, ">All in order</h1>") || a.Header.Get("Cache-Control") != "no-store" ||
			!strings.HasPrefix(a.Header.Get("Content-Security-Policy"), "default-src 'none'; ") {
			t.Errorf("%s: %d %v\n%s", who, a.StatusCode, a.Header, a.body)
		}
	}
	// A request with a token is counted, which changes the page. This one is not.
	if a := c.administer(http.MethodGet, "/tokenidp/status-page", ""); a.Header.Get("ETag") != page.Header.Get("ETag") {
		t.Error("the ETag is another one, without a change")
	}
	if a := c.do(http.MethodPost, at+"/status", "", bearer(c.token("orders-worker", "orders.write"))); a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", a.StatusCode)
	}
	rebound := c.request(http.MethodGet, "http://"+c.admin+"/tokenidp/status-page", "")
	rebound.Host = "rebound.example.com"
	if a := c.once(rebound); a.StatusCode != http.StatusForbidden {
		t.Errorf("under the name of a web page: %d", a.StatusCode)
	}
	c.drawsTheTruth(t)

	c.rewrite("Caddyfile", strings.Replace(read(t, filepath.Join(c.dir, "Caddyfile")), "stock.read", "stock.raed", 1))
	if output, code := c.tryReload(); code == 0 {
		t.Fatal(output)
	}
	for name, ask := range map[string]func() string{
		"a token":            func() string { return c.get(at+"/status", c.token("orders-worker", "orders.write")).body },
		"the admin endpoint": func() string { return c.administer(http.MethodGet, "/tokenidp/status-page", "").body },
	} {
		c.eventually("the page of "+name+" after a failed reload", func() bool {
			body := ask()
			return strings.Contains(body, "The newest configuration was refused") && strings.Contains(body, "stock.read of ")
		})
	}
	c.drawsTheTruth(t)

	c.rewrite("applications.yaml", strings.Replace(read(t, filepath.Join(c.dir, "applications.yaml")), "client_id: reader", "client_id: reader\n    active: false", 1))
	c.awaitsMap("the map after a deactivation", func(page string) bool {
		return strings.Contains(page, "not active") && strings.Contains(page, "it is deactivated")
	})
	c.drawsTheTruth(t)
}

// awaitsMap looks at the page of an Application until it has a map that is current, as an
// open page does.
func (c *caddy) awaitsMap(what string, fits func(page string) bool) {
	c.t.Helper()
	c.eventually(what, func() bool {
		page := c.administer(http.MethodGet, "/tokenidp/status-page?client=reader", "").body
		return strings.Contains(page, "Asked <time") && !strings.Contains(page, "That may have changed since") && fits(page)
	})
}

// drawsTheTruth compares the page of each Application with what access says.
func (c *caddy) drawsTheTruth(t *testing.T) {
	t.Helper()
	var access struct {
		Routes []struct {
			Route   string
			Clients []struct {
				ClientID string `json:"client_id"`
				Allowed  bool
			}
		}
	}
	output, _ := c.ctl("access", "--json")
	if err := json.Unmarshal([]byte(output), &access); err != nil || len(access.Routes) != 3 {
		t.Fatalf("%d routes, %v: %s", len(access.Routes), err, output)
	}
	want := make(map[string][]string)
	for _, r := range access.Routes {
		for _, client := range r.Clients {
			if client.Allowed {
				want[client.ClientID] = append(want[client.ClientID], r.Route)
			}
		}
	}
	if len(want) < 2 {
		t.Fatalf("too few get in: %v", want)
	}
	row := regexp.MustCompile(`<td data-label="Route"><a href="[^"]*">(.*?)</a></td><td data-label="Gets in">yes`)
	tags := regexp.MustCompile(`<[^>]*>`)
	for client, routes := range want {
		var got []string
		for _, m := range row.FindAllStringSubmatch(c.administer(http.MethodGet, "/tokenidp/status-page?client="+client, "").body, -1) {
			got = append(got, tags.ReplaceAllString(m[1], ""))
		}
		slices.Sort(got)
		slices.Sort(routes)
		if !slices.Equal(got, routes) {
			t.Errorf("%s gets in at %q, and the page says %q", client, routes, got)
		}
	}
}

// A page that anybody could read is refused, with its place and what to write.
func TestStatusPageForNobody(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		site    string
		refused bool
	}{
		"alone":                    {"tokenidp_status", true},
		"on a path":                {"tokenidp_status /status", true},
		"beside verify":            {"handle /a {\nverify orders.read\n}\nhandle /status {\ntokenidp_status\n}", true},
		"behind verify that may":   {"route {\nverify /status orders.read\ntokenidp_status\n}", true},
		"behind a report":          {"verify orders.read {\nreport_only\n}\ntokenidp_status", true},
		"behind basic_auth that":   {"basic_auth /a {\nops $2a$04$8Fs2fXuCjolLkoNURU9nZuXxNR12H5muP9qmSxw5PuRND.dzZR8gq\n}\ntokenidp_status", true},
		"for errors":               {"verify orders.read\nhandle_errors {\ntokenidp_status\n}", true},
		"behind verify":            {"verify orders.read\ntokenidp_status /status", false},
		"behind basic_auth":        {"basic_auth {\nops $2a$04$8Fs2fXuCjolLkoNURU9nZuXxNR12H5muP9qmSxw5PuRND.dzZR8gq\n}\ntokenidp_status /status", false},
		"behind forward_auth":      {"forward_auth localhost:9091 {\nuri /check\n}\ntokenidp_status /status", false},
		"for everybody, on demand": {"tokenidp_status /status {\ninsecure_public\n}", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := workspace(t, asWritten, shopOptions+"localhost:5001 {\ntokenidp\n"+row.site+"\n}\n", map[string]string{"applications.yaml": shopApplications})
			output, code := validate(t, dir)
			if refused := code != 0; refused != row.refused {
				t.Fatalf("exit code %d: %s", code, output)
			}
			if row.refused && !regexp.MustCompile(`Caddyfile:\d+: anybody can read this status page.*; write verify or basic_auth before it`).MatchString(output) {
				t.Errorf("it says: %s", output)
			}
		})
	}
}
