package e2e

import (
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Wherever a verify stands, it comes before what it guards.
func TestVerifyGuardsEveryKindOfRoute(t *testing.T) {
	t.Parallel()
	g := startGuardedBy(t, shopOptions+`
# Without route, Caddy 2.11 keeps only the first handler of a named route.
&(guarded) {
	route {
		verify orders.read {
			claim_header X-Client-Id client_id
		}
		reverse_proxy localhost:5002
	}
}

localhost:5001 {
	tokenidp
	route /route* {
		verify orders.read
		reverse_proxy localhost:5002
	}
	handle /later* {
		reverse_proxy localhost:5002
		verify orders.read
	}
	handle /respond* {
		respond "protected content"
		verify orders.read
	}
	handle_path /path* {
		verify orders.read
		reverse_proxy localhost:5002
	}
	handle /uri* {
		uri strip_prefix /uri
		verify orders.read
		reverse_proxy localhost:5002
	}
	handle /rewrite* {
		rewrite * /token
		verify orders.read
		reverse_proxy localhost:5002
	}
	handle /method* {
		method OPTIONS
		verify orders.read
		reverse_proxy localhost:5002
	}
	handle /named* {
		invoke guarded
	}
	handle /deep* {
		route {
			handle {
				handle_path /deep/* {
					verify orders.read
					reverse_proxy localhost:5002
				}
			}
		}
	}
	handle /file* {
		root * .
		verify orders.read
		file_server browse
	}
	@matched path /matched*
	verify @matched orders.read
	handle @matched {
		reverse_proxy localhost:5002
	}
}
`)
	token := g.token("orders-worker", "orders.read")
	for _, path := range []string{"/route", "/later", "/path", "/uri", "/rewrite", "/method", "/named", "/deep/x", "/matched"} {
		t.Run(path, func(t *testing.T) {
			g.checkRefused(t, g.ask(t, "GET", path, "", "X-Client-Id: admin"), path, "no_token", "")
			g.checkAllowed(t, g.ask(t, "GET", path, "", bearer(token)))
		})
	}
	for _, path := range []string{"/respond", "/file/Caddyfile", "/file"} {
		g.checkRefused(t, g.ask(t, "GET", path, ""), path, "no_token", "")
	}
}

// RFC 6749 section 3.2: a verify for the whole site does not guard the way to
// get a token, and guards all else.
func TestVerifyForTheSiteLeavesTheIssuerOpen(t *testing.T) {
	t.Parallel()
	g := startGuardedBy(t, shopOptions+`
localhost:5001 {
	reverse_proxy localhost:5002
	verify orders.read
	tokenidp
}
`)
	token := g.token("orders-worker", "orders.read")
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		if a := g.ask(t, "GET", path, ""); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	for _, path := range []string{"/", "/tokens", "/token/", "/Token", "/token/x", "/.well-known/", "/.well-known/jwks.json/", "/x/../token", "//token"} {
		g.checkRefused(t, g.ask(t, "GET", path, ""), path, "no_token", "")
		g.checkAllowed(t, g.ask(t, "GET", path, "", bearer(token)))
	}
	// However /token is spelled, the API never gets its request.
	for _, target := range []string{"/%74oken", "/token?x", "/token;x", "/./token", "/token%2f", "/token%00", "https://HOST/token"} {
		g.raw(t, "POST "+target+" HTTP/1.1\nHost: HOST\nConnection: close\nContent-Length: 0\n\n")
		if seen := g.api.take(); len(seen) > 0 {
			t.Errorf("%s reached the API", target)
		}
	}
}

// RFC 3986 section 6.2.2: other spellings of a path lead nobody past the guard
// of the example.
func TestPathSpellingsNeverReachTheExamplesAPI(t *testing.T) {
	t.Parallel()
	c := startExample(t)
	reads := bearer(c.token("orders-worker", "orders.read")) + "\n"
	if a := c.raw(t, "GET /orders/17 HTTP/1.1\nHost: HOST\n"+reads+"Connection: close\n\n"); a == nil || !strings.Contains(a.body, "Hello orders-worker") {
		t.Fatalf("with a token: %+v", a)
	}
	for _, target := range []string{
		"/orders", "/orders/", "/orders/17", "/orders?", "/orders#", "/orders.", "/orders./", "/orders;x", "/orders;/17", "/orders%3b", "/orders%3F", "/orders%23",
		"/%6frders", "/%6Frders/17", "/orders%2f17", "/orders%2F..%2f17", "/orders%5c17", "/orders\\17", "/\\orders", "/orders%00", "/%00/orders", "/orders%20", "/orders%09", "/orders%0a", "/orders%252f17", "/%256frders",
		"/ORDERS", "/Orders/17", "/oRDERS", "/%4FRDERS", "/ordeRſ", "/order%C5%BF", "/orderſ", "/%EF%BD%8Frders",
		"//orders", "///orders", "//orders//17", "/./orders", "/././orders/.", "/x/../orders", "/x/..//orders", "/%2e/orders", "/x/%2e%2e/orders", "/x/..%2forders", "/..%2forders", "/../orders", "/orders/../orders", "/orders/..", "/orders/../token/../orders",
		"/.;/orders", "/x/..;/orders", "/token/../orders", "/.well-known/../orders", "/.well-known/jwks.json/../../orders", "/%2forders", "/%2Forders", "/;/orders", "/orders/%", "/orders%zz", "/%u006frders",
		"https://HOST/orders", "http://HOST/orders", "https://attacker.example/orders", "//HOST/orders", "HOST/orders", "orders", "*", "/orders HTTP/1.1 x",
	} {
		for _, request := range []struct{ method, headers string }{{"GET", ""}, {"HEAD", ""}, {"OPTIONS", ""}, {"POST", ""}, {"POST", reads}, {"delete", reads}, {"get", reads}, {"OPTIONS", reads}} {
			a := c.raw(t, request.method+" "+target+" HTTP/1.1\nHost: HOST\n"+request.headers+"Content-Length: 0\nConnection: close\n\n")
			if a == nil {
				t.Errorf("%s %s: no answer", request.method, target)
				continue
			}
			// 200 and nothing else is the server's own answer where no site is.
			if strings.Contains(a.body, "Hello") || a.StatusCode == http.StatusOK && a.body != "" || a.StatusCode >= 500 {
				t.Errorf("%s %s: %d %q", request.method, target, a.StatusCode, a.body)
			}
		}
	}
}

// A matcher on a path that has been rewritten judges another path than the one
// that the client sent. The operator is told at the start.
func TestVerifyMatchedByARewrittenPathIsWarnedOf(t *testing.T) {
	t.Parallel()
	c := startShop(t, `
	handle /strip* {
		uri strip_prefix /strip
		verify /orders* orders.read # warned
	}
	handle /rewrite* {
		rewrite /rewrite/orders /other
		verify /orders* orders.read # warned
	}
	handle /rewrites* {
		rewrite /rewrites/a /other
		rewrite /rewrites/b /another
		verify /orders* orders.read # warned
	}
	handle /files* {
		try_files {path} /index.html
		verify /orders* orders.read # warned
	}
	handle_path /prefix* {
		verify /orders* orders.read # warned
	}
	handle /not* {
		uri strip_prefix /not
		@private not path /public*
		verify @private orders.read # warned
	}
	handle /route* {
		route {
			uri strip_prefix /route
		}
		route {
			verify /orders* orders.read # warned
		}
	}
	handle /plain* {
		verify /plain/orders* orders.read
	}
	handle /unmatched* {
		uri strip_prefix /unmatched
		verify orders.read
	}
	handle /method* {
		uri strip_prefix /method
		@write not method GET HEAD
		verify @write orders.read
	}
	handle /before* {
		route {
			verify /before/orders* orders.read
			uri strip_prefix /before
		}
	}
	handle /beside* {
		handle /beside/a* {
			rewrite * /a
		}
		handle /beside/b* {
			verify /beside/b/orders* orders.read
		}
	}`)
	var want, got []int
	lines := strings.Split(read(t, filepath.Join(c.dir, "Caddyfile")), "\n")
	for i, line := range lines {
		if strings.Contains(line, "# warned") {
			want = append(want, i+1)
		}
	}
	for line := range strings.Lines(c.logged()) {
		if strings.Contains(line, "matches on a path that a rewrite") {
			_, place, _ := strings.Cut(line, `"source":"Caddyfile:`)
			number, _, _ := strings.Cut(place, `"`)
			n, err := strconv.Atoi(number)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("warned of lines %v, want %v", got, want)
	}
}
