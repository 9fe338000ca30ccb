package e2e

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// RFC 6750 section 2.1: the token is in the one Authorization header, and
// nowhere else.
func TestTokenIsInTheAuthorizationHeaderAlone(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, ordersSite)
	token := g.token("orders-worker", "orders.read")
	const form = "Content-Type: application/x-www-form-urlencoded"
	basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("orders-worker:"+shopSecret))
	for name, row := range map[string]struct {
		method, query, body string
		headers             []string
		reason              string // empty: allowed
	}{
		"Bearer":                       {"GET", "", "", []string{bearer(token)}, ""},
		"bearer":                       {"GET", "", "", []string{"Authorization: bearer " + token}, ""},
		"BEARER":                       {"GET", "", "", []string{"Authorization: BEARER " + token}, ""},
		"two spaces":                   {"GET", "", "", []string{"Authorization: Bearer  " + token}, ""},
		"no header":                    {"GET", "", "", nil, "no_token"},
		"empty header":                 {"GET", "", "", []string{"Authorization: "}, "no_token"},
		"the bare token":               {"GET", "", "", []string{"Authorization: " + token}, "no_token"},
		"Basic":                        {"GET", "", "", []string{basic}, "no_token"},
		"DPoPX":                        {"GET", "", "", []string{"Authorization: DPoPX " + token}, "no_token"},
		"Token":                        {"GET", "", "", []string{"Authorization: Token " + token}, "no_token"},
		"BearerX":                      {"GET", "", "", []string{"Authorization: BearerX " + token}, "no_token"},
		"another letter in the scheme": {"GET", "", "", []string{"Authorization: Beaꞃer " + token}, "no_token"},
		"a colon":                      {"GET", "", "", []string{"Authorization: Bearer:" + token}, "no_token"},
		"a tab":                        {"GET", "", "", []string{"Authorization: Bearer\t" + token}, "no_token"},
		"a space and a tab":            {"GET", "", "", []string{"Authorization: Bearer \t" + token}, "malformed_authorization"},
		"Bearer and nothing":           {"GET", "", "", []string{"Authorization: Bearer"}, "malformed_authorization"},
		"two tokens":                   {"GET", "", "", []string{"Authorization: Bearer " + token + " " + token}, "malformed_authorization"},
		"two headers joined":           {"GET", "", "", []string{"Authorization: Bearer " + token + ", Basic eDp5"}, "malformed_authorization"},
		"Basic joined before":          {"GET", "", "", []string{"Authorization: Basic eDp5, Bearer " + token}, "no_token"},
		"twice the same":               {"GET", "", "", []string{bearer(token), bearer(token)}, "several_authorization_headers"},
		"good, then bad":               {"GET", "", "", []string{bearer(token), bearer("x.y.z")}, "several_authorization_headers"},
		"bad, then good":               {"GET", "", "", []string{bearer("x.y.z"), bearer(token)}, "several_authorization_headers"},
		"Bearer, then Basic":           {"GET", "", "", []string{bearer(token), basic}, "several_authorization_headers"},
		"Basic, then Bearer":           {"GET", "", "", []string{basic, bearer(token)}, "several_authorization_headers"},
		"empty, then Bearer":           {"GET", "", "", []string{"Authorization: ", bearer(token)}, "several_authorization_headers"},
		"query":                        {"GET", "?access_token=" + token, "", nil, "no_token"},
		"query beside the header":      {"GET", "?access_token=x", "", []string{bearer(token)}, ""},
		"body":                         {"POST", "", "access_token=" + token, []string{form}, "no_token"},
		"body and an empty header":     {"POST", "", "access_token=" + token, []string{form, "Authorization: Bearer"}, "malformed_authorization"},
		"cookie":                       {"GET", "", "", []string{"Cookie: access_token=" + token + "; Authorization=Bearer " + token}, "no_token"},
		"X-Authorization":              {"GET", "", "", []string{"X-Authorization: Bearer " + token}, "no_token"},
		"Proxy-Authorization":          {"GET", "", "", []string{"Proxy-Authorization: Bearer " + token}, "no_token"},
		"X-Forwarded-Access-Token":     {"GET", "", "", []string{"X-Forwarded-Access-Token: " + token}, "no_token"},
		"underscore":                   {"GET", "", "", []string{"Authorization_: Bearer " + token}, "no_token"},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/orders/" + segment(t.Name())
			a := g.ask(t, row.method, path+row.query, row.body, row.headers...)
			if row.reason == "" {
				g.checkAllowed(t, a)
				return
			}
			g.checkRefused(t, a, path, row.reason, "")
		})
	}
}

// RFC 9110 section 9: no method is let through for its name.
func TestEveryMethodNeedsAToken(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, ordersSite+`
	handle /open* {
		verify orders.read {
			allow_preflight
			claim_header X-Client-Id client_id
		}
		reverse_proxy localhost:5002
	}`)
	token := g.token("orders-worker", "orders.read")
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "PURGE", "get", "OPTIONS2", "X"} {
		t.Run(method, func(t *testing.T) {
			path := "/orders/" + method
			g.checkRefused(t, g.ask(t, method, path, ""), path, "no_token", "")
			if got := g.checkAllowed(t, g.ask(t, method, path, "", bearer(token))).method; got != method {
				t.Errorf("the API got %s", got)
			}
		})
	}
	preflight := []string{"Origin: https://app.example", "Access-Control-Request-Method: POST"}
	for name, row := range map[string]struct {
		method, path string
		headers      []string
		reason       string
	}{
		"preflight":                            {"OPTIONS", "/open/a", preflight, ""},
		"preflight, not allowed":               {"OPTIONS", "/orders/b", preflight, "no_token"},
		"OPTIONS":                              {"OPTIONS", "/open/c", nil, "no_token"},
		"OPTIONS with an origin":               {"OPTIONS", "/open/d", preflight[:1], "no_token"},
		"OPTIONS with a method":                {"OPTIONS", "/open/e", preflight[1:], "no_token"},
		"GET like a preflight":                 {"GET", "/open/f", preflight, "no_token"},
		"options":                              {"options", "/open/g", preflight, "no_token"},
		"GET that says it is OPTIONS":          {"GET", "/open/h", append([]string{"X-HTTP-Method-Override: OPTIONS"}, preflight...), "no_token"},
		"preflight that says it is something":  {"OPTIONS", "/orders/i", append([]string{"X-HTTP-Method-Override: GET"}, preflight...), "no_token"},
		"preflight with a token that is wrong": {"OPTIONS", "/open/j", append([]string{bearer("x.y.z"), "X-Client-Id: admin"}, preflight...), ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := g.ask(t, row.method, row.path, "", row.headers...)
			if row.reason != "" {
				g.checkRefused(t, a, row.path, row.reason, "")
				return
			}
			if got := g.checkAllowed(t, a).header["X-Client-Id"]; got != nil {
				t.Errorf("X-Client-Id: %q", got)
			}
		})
	}
	a := g.raw(t, "CONNECT /orders/connect HTTP/1.1\nHost: HOST\nConnection: close\n\n")
	g.checkRefused(t, a, "/orders/connect", "no_token", "")
	if a := g.raw(t, "CONNECT HOST HTTP/1.1\nHost: HOST\nConnection: close\n\n"); a != nil && strings.Contains(a.body, protected) || len(g.api.take()) > 0 {
		t.Error("CONNECT reached the API")
	}
}

// RFC 6455 section 4.1, RFC 9110 section 7.8: an upgrade is a request like any
// other.
func TestUpgradesNeedAToken(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, ordersSite)
	const upgrade = " HTTP/1.1\nHost: HOST\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"
	for name, headers := range map[string]string{
		"websocket": "Connection: Upgrade\nUpgrade: websocket\n",
		"h2c":       "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\n",
	} {
		a := g.raw(t, "GET /orders/"+name+upgrade+headers+"\n")
		g.checkRefused(t, a, "/orders/"+name, "no_token", "")
	}
	token := g.token("orders-worker", "orders.read")
	a := g.raw(t, "GET /orders"+upgrade+"Connection: Upgrade\nUpgrade: websocket\n"+bearer(token)+"\n\n")
	if a == nil || a.StatusCode != http.StatusOK {
		t.Fatalf("with a token: %+v", a)
	}
	if seen := g.api.take(); len(seen) != 1 || seen[0].header.Get("Upgrade") != "websocket" {
		t.Errorf("the API got %+v", seen)
	}
}

// A token is at most 16 KiB, however large a header the server reads.
func TestOversizedTokensAreRefused(t *testing.T) {
	t.Parallel()
	g := startGuardedBy(t, strings.Replace(shopOptions, "{\n", "{\n\tservers {\n\t\tmax_header_size 1MB\n\t}\n", 1)+
		"localhost:5001 {\n\ttokenidp\n"+ordersSite+"\n}\n")
	f := newForger(t, g.caddy)
	for name, row := range map[string]struct{ token, reason string }{
		"just within 16 KiB":  {f.claiming(members{"x": strings.Repeat("x", 11_500)}), ""},
		"signed, over 16 KiB": {f.claiming(members{"x": strings.Repeat("x", 12_000)}), "token_too_large"},
		"16 KiB and one":      {strings.Repeat("A", 16<<10+1), "token_too_large"},
		"900 KB":              {strings.Repeat("A", 900_000), "token_too_large"},
		"900 KB of dots":      {strings.Repeat(".", 900_000), "token_too_large"},
		"20,000 dots":         {strings.Repeat(".", 20_000), "token_too_large"},
		"16,000 dots":         {strings.Repeat(".", 16_000), "malformed_token"},
		"2,500 objects deep":  {f.sign(f.header(nil), strings.Repeat(`{"":`, 2500)), "malformed_claims"},
		"a list of 2,501":     {f.claiming(members{"aud": strings.Split(strings.Repeat(" ", 2500), " ")}), "malformed_claims"},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/orders/" + segment(t.Name())
			a := g.ask(t, "GET", path, "", bearer(row.token))
			if row.reason == "" {
				g.checkAllowed(t, a)
				return
			}
			g.checkRefused(t, a, path, row.reason, "")
		})
	}
	a := g.raw(t, "GET /orders HTTP/1.1\nHost: HOST\nAuthorization: Bearer "+strings.Repeat("A", 3<<20)+"\n\n")
	if a != nil && a.StatusCode != http.StatusRequestHeaderFieldsTooLarge || len(g.api.take()) > 0 {
		t.Errorf("3 MB of token: %+v", a)
	}
}

// What a proxy in front may or may not have written decides nothing.
func TestForwardingHeadersDecideNothing(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, ordersSite+`
	handle {
		respond "public"
	}`)
	token := g.token("orders-worker", "orders.read")
	for name, headers := range map[string][]string{
		"URI":           {"X-Forwarded-Uri: /public", "X-Original-URL: /public", "X-Rewrite-URL: /public", "X-Original-URI: /public"},
		"method":        {"X-HTTP-Method-Override: OPTIONS", "X-HTTP-Method: OPTIONS", "X-Method-Override: OPTIONS", "X-Forwarded-Method: OPTIONS"},
		"host":          {"X-Forwarded-Host: internal", "Forwarded: for=127.0.0.1;host=internal;proto=https"},
		"address":       {"X-Forwarded-For: 127.0.0.1", "X-Real-Ip: 127.0.0.1", "Client-Ip: ::1", "True-Client-Ip: 127.0.0.1"},
		"protocol":      {"X-Forwarded-Proto: http", "X-Forwarded-Port: 80", "Front-End-Https: on"},
		"health check":  {"User-Agent: GoogleHC/1.0", "X-Health-Check: 1"},
		"referer":       {"Referer: https://localhost:5001/token", "Origin: https://localhost:5001"},
		"identity":      {"X-Client-Id: admin", "X-Auth-Request-User: admin", "Remote-User: admin", "X-Forwarded-User: admin"},
		"subrequest":    {"X-Caddy-Verified: 1", "X-Original-Method: OPTIONS", "X-Auth-Request-Redirect: /public"},
		"middleware":    {"X-Middleware-Subrequest: middleware", "Purpose: prefetch"},
		"early data":    {"Early-Data: 1", "Expect: 100-continue"},
		"query to skip": {"X-Skip-Auth: true"},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/orders/" + segment(name)
			g.checkRefused(t, g.ask(t, "GET", path+"?/public#/public", "", headers...), path, "no_token", "")
			g.checkAllowed(t, g.ask(t, "GET", path, "", append(headers, bearer(token))...))
		})
	}
	for _, host := range []string{"attacker.example", "LOCALHOST:5001", "localhost", "localhost.", "127.0.0.1", "[::1]:5001", "localhost:80"} {
		g.raw(t, "GET /orders HTTP/1.1\nHost: "+host+"\nConnection: close\n\n")
		if seen := g.api.take(); len(seen) > 0 {
			t.Errorf("Host %s reached the API", host)
		}
	}
}
