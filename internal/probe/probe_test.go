package probe_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/tokenidp/caddy-tokenidp/caddyfile"
	"github.com/tokenidp/caddy-tokenidp/internal/probe"
)

const applications = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}, {name: orders.write}, {name: orders.admin}]
  - name: stock-api
    scopes: [{name: stock.read}]
applications:
  - client_id: worker
    secrets: [{id: "1", file: not-here.secret}]
    scopes: [orders.read, orders.write, stock.read]
  - client_id: reader
    secrets: [{id: "1", hash: "{env.PROBE_TEST_HASH}"}]
    scopes: [orders.read]
    claims: {tenant: acme}
  - client_id: admin
    jwks_file: not-here.jwks
    scopes: [orders.read, orders.admin]
  - client_id: bound
    jwks_file: not-here.jwks
    dpop_bound_access_tokens: true
    scopes: [orders.read]
  - client_id: certified
    tls_client_auth_san_dns: certified.example.com
    tls_client_certificate_bound_access_tokens: true
    scopes: [orders.read]
  - client_id: retired
    active: false
    scopes: [orders.read]
`

const options = `{
	tokenidp {
		issuer https://idp.example.com {
			applications applications.yaml
			signing_key file not-here.pem
		}
		trust https://login.example.org/realms/shop {
			jwks_file not-here.json
			audience orders-api
		}
	}
}
`

const sites = `
(guarded) {
	verify orders.read
	reverse_proxy up:1
}
&(named) {
	verify orders.write
	reverse_proxy up:2
}
idp.example.com {
	tokenidp
	respond 404
}
api.example.com, *.api.example.com {
	handle /orders* {
		@write not method GET HEAD
		verify orders.read {
			claim_header X-Client client_id
			claim_header X-Tenant tenant
		}
		verify @write orders.write
		@admin token_scope orders.admin
		handle @admin {
			reverse_proxy admin:1
		}
		reverse_proxy orders:1
	}
	handle_path /v1/* {
		rewrite * /orders{path}
		import guarded
	}
	handle /named {
		invoke named
	}
	handle /trusted {
		verify invoices.read {
			issuer https://login.example.org/realms/shop
			sender_constrained mtls dpop
			dpop_origin https://api.example.com
		}
		reverse_proxy trusted:1
	}
	handle /trusted/bearer {
		verify invoices.read {
			issuer https://login.example.org/realms/shop
		}
		file_server
	}
	handle /bound {
		verify orders.read {
			sender_constrained dpop
			dpop_origin https://api.example.com
		}
		reverse_proxy bound:1
	}
	handle /few {
		verify {
			audience orders-api
			expression "!('orders.write' in scopes)"
		}
		reverse_proxy few:1
	}
	handle /report {
		verify orders.admin {
			report_only
		}
		reverse_proxy report:1
	}
	handle /basic {
		basic_auth {
			bob {env.PROBE_TEST_PASSWORD}
		}
		reverse_proxy basic:1
	}
	handle /forward {
		forward_auth auth:1 {
			uri /check
			copy_headers X-User
		}
		reverse_proxy forwarded:1
	}
	handle /open {
		reverse_proxy open:1
	}
	handle /gone {
		respond 410
	}
	handle /moved {
		redir https://elsewhere.example.com/
	}
	handle /abort {
		abort
	}
	handle /error {
		error 403
	}
	handle /empty {
		verify orders.read
	}
	handle /metrics {
		verify orders.read
		metrics
	}
	handle /intercepted {
		intercept {
			@ok status 2xx
			replace_status @ok 418
		}
		reverse_proxy up:3
	}
	handle {
		respond 404
	}
	handle_errors 403 {
		reverse_proxy errors:1
	}
}
http://plain.example.com:8080 {
	import guarded
}
`

// newProbe makes the probe of a Caddyfile, in its own folder with the applications.
func newProbe(t testing.TB, caddyfile string) *probe.Probe {
	t.Helper()
	p, err := probe.New(adapt(t, caddyfile), probe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func adapt(t testing.TB, caddyfile string) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "applications.yaml"), []byte(applications), 0o600); err != nil {
		t.Fatal(err)
	}
	return adaptIn(t, dir, caddyfile)
}

func adaptIn(t testing.TB, dir, caddyfile string) []byte {
	t.Helper()
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": filepath.Join(dir, "Caddyfile")})
	if err != nil {
		t.Fatal(err)
	}
	return adapted
}

func caller(t testing.TB, p *probe.Probe, name string) *probe.Caller {
	t.Helper()
	var c *probe.Caller
	var err error
	switch name {
	case "":
		return probe.Anonymous()
	case "trusted":
		c, err = p.Claims(map[string]any{"iss": "https://login.example.org/realms/shop", "azp": "billing", "scope": "invoices.read"})
	case "stranger":
		c, err = p.Claims(map[string]any{"iss": "https://login.example.org/realms/shop", "azp": "billing", "scope": "invoices.read", "aud": "another"})
	case "own":
		c, err = p.Claims(map[string]any{"iss": "https://idp.example.com", "client_id": "reader", "scope": "orders.read", "aud": "orders-api"})
	case "expired":
		c, err = p.Claims(map[string]any{"iss": "https://idp.example.com", "client_id": "reader", "scope": "orders.read", "iat": 1, "exp": 2})
	default:
		c, err = p.Client(name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestVerdicts(t *testing.T) {
	p := newProbe(t, options+sites)
	for _, row := range []struct {
		caller, request string
		status          int
		handler         string // if the request is allowed
		reason          string
	}{ // an error of 403 has a route, which answers with 200
		{"reader", "GET https://api.example.com/orders/1", 200, "reverse_proxy orders:1", ""},
		{"reader", "GET https://API.example.com:443/ORDERS", 200, "reverse_proxy orders:1", ""},
		{"reader", "GET https://eu.api.example.com/orders", 200, "reverse_proxy orders:1", ""},
		{"reader", "POST https://api.example.com/orders", 200, "", "missing_scope"},
		{"reader", "GET https://api.example.com/orders/%2e%2e/gone", 410, "", "answered"},
		{"reader", "GET https://api.example.com/v1/1?x=1", 200, "reverse_proxy up:1", ""},
		{"reader", "GET http://plain.example.com:8080/", 200, "reverse_proxy up:1", ""},
		{"reader", "GET https://api.example.com/named", 200, "", "missing_scope"},
		{"reader", "GET https://api.example.com/few", 200, "reverse_proxy few:1", ""},
		{"worker", "POST https://api.example.com/orders", 200, "reverse_proxy orders:1", ""},
		{"worker", "GET https://api.example.com/named", 200, "reverse_proxy up:2", ""},
		{"worker", "GET https://api.example.com/few", 200, "reverse_proxy few:1", ""}, // with the right scope alone
		{"worker", "GET https://api.example.com/bound", 200, "reverse_proxy bound:1", ""},
		{"worker", "GET https://api.example.com/trusted", 401, "", "unknown_issuer"},
		{"worker", "GET https://api.example.com/report", 200, "reverse_proxy report:1", ""},
		{"admin", "GET https://api.example.com/orders", 200, "reverse_proxy admin:1", ""},
		{"admin", "PUT https://api.example.com/orders", 200, "", "missing_scope"},
		{"bound", "GET https://api.example.com/orders", 401, "", "dpop_proof_for_another_request"},
		{"bound", "GET https://api.example.com/bound", 200, "reverse_proxy bound:1", ""},
		{"certified", "GET https://api.example.com/orders", 200, "reverse_proxy orders:1", ""},
		{"retired", "GET https://api.example.com/orders", 401, "", "inactive_client"},
		{"retired", "GET https://api.example.com/open", 200, "reverse_proxy open:1", ""},
		{"own", "GET https://api.example.com/orders", 200, "reverse_proxy orders:1", ""},
		{"expired", "GET https://api.example.com/orders", 401, "", "expired"},
		{"trusted", "GET https://api.example.com/trusted", 200, "reverse_proxy trusted:1", ""},
		{"trusted", "GET https://api.example.com/trusted/bearer", 200, "file_server", ""},
		{"trusted", "GET https://api.example.com/orders", 401, "", "unknown_issuer"},
		{"stranger", "GET https://api.example.com/trusted/bearer", 401, "", "wrong_audience"},
		{"", "GET https://api.example.com/orders", 401, "", "no_token"},
		{"", "GET https://api.example.com/open", 200, "reverse_proxy open:1", ""},
		{"", "GET https://api.example.com/basic", 401, "", "credentials_required"},
		{"", "GET https://api.example.com/forward", 200, "reverse_proxy forwarded:1", ""},
		{"", "GET https://api.example.com/gone", 410, "", "answered"},
		{"", "GET https://api.example.com/moved", 302, "", "answered"},
		{"", "GET https://api.example.com/abort", 0, "", "error"},
		{"", "GET https://api.example.com/error", 200, "", "error"},
		{"", "GET https://api.example.com/nothing", 404, "", "answered"},
		{"", "GET https://api.example.com/.well-known/acme-challenge/x", 404, "", "answered"},
		{"", "GET https://api.example.com/intercepted", 418, "", "answered"},
		{"reader", "GET https://api.example.com/empty", 200, "", "not_handled"},
		{"reader", "GET https://api.example.com/metrics", 200, "metrics", ""},
		{"", "GET https://idp.example.com/.well-known/jwks.json", 200, "tokenidp", ""},
		{"", "GET https://idp.example.com/other", 404, "", "answered"},
	} {
		r, err := probe.ParseRequest(row.request)
		if err != nil {
			t.Fatal(err)
		}
		v, err := p.Ask(r, caller(t, p, row.caller))
		if err != nil {
			t.Errorf("%s %s: %v", row.caller, row.request, err)
			continue
		}
		handler := ""
		if v.Allowed {
			handler = v.Handler
		}
		if v.Status != row.status || handler != row.handler || v.Reason != row.reason {
			t.Errorf("%s %s: %d %q %q, want %d %q %q (%s)", row.caller, row.request, v.Status, handler, v.Reason, row.status, row.handler, row.reason, v.Cause)
		}
	}
}

// A verdict has the verifies on the way, their places, and the headers for the upstream.
func TestVerdictHasTheWay(t *testing.T) {
	p := newProbe(t, options+sites)
	v, err := p.Ask(probe.Request{Method: "POST", URL: "https://api.example.com/orders/1"}, caller(t, p, "worker"))
	if err != nil || len(v.Passed) != 2 {
		t.Fatalf("%+v, %v", v, err)
	}
	if id := v.Passed[0].Route.ID; id != "api.example.com,*.api.example.com/orders*" || !strings.Contains(v.Passed[0].Source, "Caddyfile:") {
		t.Errorf("%q at %s", id, v.Passed[0].Source)
	}
	if got := v.Headers.Get("X-Client"); got != "worker" || v.Headers.Get("X-Tenant") != "" {
		t.Errorf("%v", v.Headers)
	}
	v, _ = p.Ask(probe.Request{Method: "GET", URL: "https://api.example.com/orders/1"}, caller(t, p, "reader"))
	if len(v.Passed) != 1 || v.Headers.Get("X-Tenant") != "acme" {
		t.Errorf("%+v", v)
	}
	v, _ = p.Ask(probe.Request{Method: "DELETE", URL: "https://api.example.com/orders/1"}, caller(t, p, "reader"))
	if len(v.Passed) != 1 || v.Refused == nil || v.Refused.Source == v.Passed[0].Source || !v.AfterError || v.Handler != "reverse_proxy errors:1" {
		t.Errorf("%+v", v)
	}
	v, _ = p.Ask(probe.Request{Method: "GET", URL: "https://api.example.com/report"}, probe.Anonymous())
	if len(v.Passed) != 0 || len(v.Reported) != 1 || v.Reported[0].Reason != "no_token" {
		t.Errorf("%+v", v)
	}
}

// A request has claim headers and other headers as a client sends them.
func TestRequestHasHeaders(t *testing.T) {
	p := newProbe(t, options+"http://a.example:8080 {\n\t@secret header X-Secret yes\n\thandle @secret {\n\t\treverse_proxy up:1\n\t}\n\trespond 404\n}\n")
	for value, status := range map[string]int{"yes": 200, "no": 404} {
		v, err := p.Ask(probe.Request{Method: "GET", URL: "http://a.example:8080/", Header: http.Header{"X-Secret": {value}}}, probe.Anonymous())
		if err != nil || v.Status != status {
			t.Errorf("%s: %+v, %v", value, v, err)
		}
	}
}

// A question that makes no sense is an error, not a verdict.
func TestAskRefuses(t *testing.T) {
	p := newProbe(t, options+sites)
	for request, want := range map[string]string{
		"GET https://api.exmaple.com/orders":       "did you mean api.example.com?",
		"GET https://api.example.com:9/orders":     "no server listens where",
		"GET https://plain.example.com:8080/":      "port 8080 speaks http",
		"GET http://api.example.com:443/":          "port 443 speaks https",
		"GET ftp://api.example.com/":               "is not the URL of a request",
		"GET https://api.example.com/%zz":          "is not the URL of a request",
		"GET https://api.example.com/#x":           "fragment",
		"G(T https://api.example.com/":             "is not a method",
		"https://api.example.com/":                 "is not a method and a URL",
		"GET https://user@api.example.com/orders":  "is not the URL of a request",
		"GET https://api.example.com/orders more ": "is not the URL of a request",
	} {
		r, err := probe.ParseRequest(request)
		if err == nil {
			_, err = p.Ask(r, probe.Anonymous())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", request, err, want)
		}
	}
	if _, err := p.Client("workr"); err == nil || !strings.Contains(err.Error(), "did you mean worker?") {
		t.Error(err)
	}
	for _, claims := range []map[string]any{{}, {"iss": "https://nobody.example.com"}} {
		if _, err := p.Claims(claims); err == nil {
			t.Errorf("%v: no error", claims)
		}
	}
}

// Missing values and files are named, and count as present.
func TestUnknown(t *testing.T) {
	unknown := newProbe(t, options+sites).Unknown()
	for _, want := range []string{"{env.PROBE_TEST_PASSWORD}", "{env.PROBE_TEST_HASH}", "not-here.secret", "not-here.jwks", "not-here.pem", "not-here.json"} {
		if !slices.ContainsFunc(unknown, func(text string) bool { return strings.Contains(text, want) }) {
			t.Errorf("%s is not among %q", want, unknown)
		}
	}
}

// The keys of the server count as present, so it is ready.
func TestReady(t *testing.T) {
	p := newProbe(t, options+"idp.example.com {\n\ttokenidp\n\t@ready tokenidp_ready\n\thandle /health {\n\t\trespond @ready 204\n\t\trespond 503\n\t}\n}\n")
	v, err := p.Ask(probe.Request{Method: "GET", URL: "https://idp.example.com/health"}, new(probe.Caller))
	if err != nil || v.Status != 204 {
		t.Errorf("%+v, %v", v, err)
	}
}

// A configuration that Caddy does not load is an error, and a configuration without
// issuers, too.
func TestNewRefuses(t *testing.T) {
	for config, want := range map[string]string{
		`{`:           "decoding the configuration",
		`{"apps":{}}`: "no issuer is configured",
		`{"apps":{"tokenidp":{"issuers":[{"issuer":"https://idp.example.com"}]},"http":{"servers":{"s":{"routes":[{"handle":[{"handler":"verify","scopes":["a"]}]}]}}}}}`: "are not known here",
		`{"apps":{"tokenidp":{"issuers":[{"issuer":"https://idp.example.com"}]},"http":{"servers":{"s":{"routes":[{"match":[{"nobody":{}}]}]}}}}}`:                        "unknown module: http.matchers.nobody",
		`{"apps":{"tokenidp":{"issuers":[{"issuer":"https://idp.example.com"}]},"http":{"servers":[]}}}`:                                                                  "decoding the http app",
	} {
		p, err := probe.New([]byte(config), probe.Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
		if p != nil {
			p.Close()
		}
	}
}
