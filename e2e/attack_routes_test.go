package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// A rule that forbids a path forbids every spelling that Caddy's matchers take for it.
func attackExpressions(t *testing.T, a *attacked) {
	token := bearer(a.tokenFor(t, "reader", "orders.read"))
	for _, path := range []string{"/expressions/1", "/expressions/Admins", "/EXPRESSIONS/1"} {
		a.checkAllowed(t, a.ask(t, http.MethodGet, path, "", token))
	}
	for _, path := range []string{
		"/expressions/admin", "/expressions/ADMIN", "/expressions/%41dmin", "/EXPRESSIONS/Admin/1", "/expressions/%E2%84%AAadmin/..%20/admin",
		"/expressions//admin", "/expressions/./admin", "/expressions/x/../admin", "/expressions/%2e%2e/expressions/admin", "/expressions/..%20/admin",
		"/expressions/%EF%BC%8E%EF%BC%8E/admin", "/expressions/%FF", "/expressions%2Fadmin", "/expressions/admin%2F", "/expressions/x%5c..%5cadmin", "/expressions/admin;x",
	} {
		got := a.ask(t, http.MethodGet, path, "", token)
		a.checkClosed(t, got, path)
		if got.StatusCode != http.StatusForbidden && got.body != "public" {
			t.Errorf("%s: %d %q", path, got.StatusCode, got.body)
		}
	}
}

// Token and proof are gone from the request when the later verify has it.
func attackLaterOrigin(t *testing.T, a *attacked) {
	p := newProver(t)
	token := a.provenToken(t, p, a.http)
	a.checkAllowed(t, a.ask(t, http.MethodGet, "/origins", "", p.headers("GET", a.url("https://localhost:5001/origins"), token)...))
	got := a.ask(t, http.MethodGet, "/origins", "", p.headers("GET", "https://api.example.com/origins", token)...)
	a.checkClosed(t, got, "a proof for another origin")
	if challenge := got.Header.Get("Www-Authenticate"); got.StatusCode != http.StatusUnauthorized || !strings.Contains(challenge, `error="invalid_dpop_proof"`) {
		t.Errorf("%d %q", got.StatusCode, challenge)
	}
}

// Traefik CVE-2026-41181: what serves the page of an error gets no token.
func attackErrorRoutes(t *testing.T, a *attacked) {
	p := newProver(t)
	proven := a.provenToken(t, p, a.http)
	token := a.tokenFor(t, "reader", "orders.read")
	for name, headers := range map[string][]string{
		"a scope is missing": {bearer(token)},
		"a bad signature":    {bearer(token + "A")},
		"malformed":          {bearer("x.y.z")},
		"two headers":        {bearer(token), bearer(token)},
		"no proof":           {"Authorization: DPoP " + proven},
		"with a proof":       p.headers("GET", a.url("https://localhost:5003/orders"), proven),
	} {
		got := send(t, a.http, a.request(http.MethodGet, "https://localhost:5003/orders", "", headers...))
		seen := a.api.take()
		if len(seen) != 1 || seen[0].uri != "/sorry" || seen[0].header["Authorization"] != nil || seen[0].header["Dpop"] != nil {
			t.Errorf("%s: %d, arrived: %+v", name, got.StatusCode, seen)
		}
	}
}

// Traefik CVE-2026-40912 and 48020, heimdall CVE-2026-42274, opa-envoy CVE-2026-26205: no
// spelling of a path leads around the verify of its route.
func attackPaths(t *testing.T, a *attacked) {
	token := bearer(a.tokenFor(t, "reader", "orders.read"))
	for path, uri := range map[string]string{"/stripped/orders": "/orders", "/prefix/orders": "/orders", "/stripped/a%2Fb": "/a%2Fb"} {
		if got := a.checkAllowed(t, a.ask(t, http.MethodGet, path, "", token)); got.uri != uri {
			t.Errorf("%s arrived as %s", path, got.uri)
		}
	}
	for _, route := range []string{"/orders", "/stripped", "/prefix"} {
		name := strings.TrimPrefix(route, "/")
		for _, path := range []string{
			route + "/1", "/%73tripped/1", "/" + route + "/1", route + "//1", "/." + route + "/1", "/x/.." + route + "/1", "/x/%2e%2e" + route + "/1", "/x/..%2f" + name + "/1",
			route + ";x/1", route + "/1;x", "/;x" + route + "/1", "/x/..;" + route + "/1", "/%2f" + name + "/1", route + "%2f1", strings.ToUpper(route) + "/1",
			"/%" + "6" + string("0123456789abcdef"[name[0]&15]) + name[1:] + "/1", route + "/%2e%2e/orders/1", route + "/..%2forders/1", route + "%00/1", "/%5c" + name + "/1",
			route + "/../public", route + "/%2e%2e/%2e%2e/orders", route + "/1?x=/../public", route + "/..%3b/orders/1",
		} {
			a.checkClosed(t, a.ask(t, http.MethodGet, path, ""), path)
		}
	}
}
