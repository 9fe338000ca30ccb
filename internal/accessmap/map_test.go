package accessmap_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/caddyserver/certmagic"
	"go.uber.org/goleak"

	_ "github.com/tokenidp/caddy-tokenidp/caddyfile"
	"github.com/tokenidp/caddy-tokenidp/internal/accessmap"
	"github.com/tokenidp/caddy-tokenidp/internal/probe/probetest"
	"github.com/tokenidp/caddy-tokenidp/internal/statuspage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

const applications = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}, {name: orders.write}]
applications:
  - {client_id: reader, secrets: [{id: "1", hash: HASH}], scopes: [orders.read]}
  - {client_id: worker, secrets: [{id: "1", hash: HASH}], scopes: [orders.read, orders.write]}
  - {client_id: bound, secrets: [{id: "1", hash: HASH}], scopes: [orders.write], dpop_bound_access_tokens: true}
  - {client_id: retired, active: false, scopes: [orders.read]}
`

// theHash is that of no secret that anybody has.
var theHash = `"$sha256$` + strings.Repeat("0", 64) + `"`

const options = `{
	auto_https off
	log {
		output discard
	}
	storage file_system STORAGE
	tokenidp {
		issuer https://idp.example.com {
			applications applications.yaml
		}
		trust https://login.example.org {
			jwks_file jwks.json
			audience orders-api
		}
	}
}
https://idp.example.com {
	tokenidp
}
`

const sites = `
http://api.example.com {
	handle /orders* {
		@write not method GET HEAD
		verify orders.read {
			issuer https://idp.example.com https://login.example.org
		}
		verify @write orders.write {
			issuer https://idp.example.com
		}
		reverse_proxy orders:1
	}
	handle /any {
		verify {
			audience orders-api
			issuer https://idp.example.com
		}
		respond fine
	}
	handle /preflight {
		@get method GET
		verify @get orders.read {
			issuer https://idp.example.com
		}
		file_server
	}
	handle /basic {
		basic_auth {
			bob $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG
		}
		verify orders.read {
			issuer https://idp.example.com
		}
		respond fine
	}
}
`

// provision provisions a Caddyfile that does not start.
func provision(t *testing.T, caddyfile string) *tokenidp.App {
	t.Helper()
	files := map[string]string{"applications.yaml": strings.ReplaceAll(applications, "HASH", theHash), "jwks.json": theirKeys}
	return probetest.App(t, probetest.Adapt(t, strings.ReplaceAll(caddyfile, "STORAGE", t.TempDir()), files))
}

const theirKeys = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "a", "use": "sig", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

func v1(*tokenidp.App) string { return "v1" }

// The version is that of the Applications with which the map is computed, also if they
// change at that moment.
func TestVersionIsOfTheSameMoment(t *testing.T) {
	app := withOdd(t, "")
	asked := 0
	m := accessmap.Compute(t.Context(), app, func(*tokenidp.App) string {
		asked++
		return fmt.Sprintf("v%d", min(asked, 3))
	})
	if m.Version != "v3" || asked != 4 {
		t.Errorf("the version is %s, and was asked for %d times", m.Version, asked)
	}
}

// mapOf computes the map.
func mapOf(t *testing.T, app *tokenidp.App) *accessmap.Map {
	t.Helper()
	m := accessmap.Compute(t.Context(), app, v1)
	if m.Problem != "" {
		t.Fatal(m.Problem)
	}
	return m
}

// told is what the map says, in words.
func told(all []statuspage.RouteAccess) (lines []string) {
	for _, r := range all {
		path := strings.TrimPrefix(strings.TrimPrefix(r.Route, "api.example.com:80"), "api.example.com")
		add := func(name string, c statuspage.ClientAccess) {
			text := path + ": " + name + " " + c.Scope
			if !c.Allowed {
				text = path + ": " + name + " NO " + c.Reason
			}
			if r.Request != "" {
				text += ", " + strings.Fields(r.Request)[0]
			}
			lines = append(lines, strings.Join(append([]string{text}, c.Conditions...), ", "))
		}
		for _, c := range r.Clients {
			add(c.ClientID, c)
		}
		if r.Holders != nil {
			add("holders", *r.Holders)
		}
	}
	return lines
}

func TestMap(t *testing.T) {
	app := provision(t, options+sites)
	m := mapOf(t, app)
	ids, orders := make(map[string]bool), ""
	for _, r := range app.VerifyRoutes() {
		if strings.HasSuffix(r.ID, "/orders*") {
			orders = r.ID
		}
		ids[r.ID] = true
	}
	for _, row := range []struct{ got, want []string }{
		{told(m.Client("reader")), []string{
			"/orders*: reader orders.read, GET", "/orders*: reader NO missing_scope, POST", "/orders* not (GET,HEAD): reader NO missing_scope",
			"/any: reader orders.read", "/preflight GET: reader orders.read", "/basic: reader NO credentials_required",
		}},
		{told(m.Client("worker"))[1:3], []string{"/orders*: worker orders.read orders.write, POST", "/orders* not (GET,HEAD): worker orders.read orders.write"}},
		{told(m.Route(orders))[4:6], []string{"/orders*: holders orders.read, GET", "/orders*: bound NO missing_scope, POST"}},
		{told(m.Client("retired"))[:1], []string{"/orders*: retired NO inactive_client, GET"}},
		{told(m.Client("nobody")), nil},
		{told(m.Route("nowhere")), nil},
	} {
		if fmt.Sprintf("%q", row.got) != fmt.Sprintf("%q", row.want) {
			t.Errorf("\n got %q\nwant %q", row.got, row.want)
		}
	}
	for id := range ids {
		if len(m.Route(id)) == 0 {
			t.Errorf("the map has no route %s, by which the use is counted", id)
		}
	}
	for _, r := range m.Client("worker") {
		if !ids[r.Route] {
			t.Errorf("nothing is counted at the route %s of the map", r.Route)
		}
	}
}

// processWide is what modules of a configuration could change for the whole process.
type processWide struct {
	logger   any
	storage  certmagic.Storage
	registry any
}

func look() processWide {
	ctx := caddy.ActiveContext()
	return processWide{caddy.Log(), certmagic.Default.Storage, ctx.GetMetricsRegistry()}
}

// A computation leaves nothing behind: no goroutine, no module, no other logger.
func TestComputationLeavesNothing(t *testing.T) {
	app := withOdd(t, "")
	mapOf(t, app)
	before, current, loaded := look(), goleak.IgnoreCurrent(), odds.Load()
	for range 5 {
		mapOf(t, app)
	}
	goleak.VerifyNone(t, current)
	if look() != before {
		t.Error("the process has another logger, storage or registry")
	}
	if odds.Load() != loaded {
		t.Errorf("%d modules are not cleaned up", odds.Load()-loaded)
	}
	if text, err := json.Marshal(app.Context().Err()); err != nil || string(text) != "null" {
		t.Errorf("the configuration has ended: %s", text)
	}
}

// odd is a matcher of another project.
type odd struct {
	Panics string `json:"panics,omitempty"`
}

var (
	odds     atomic.Int64 // that are provisioned
	oddFails atomic.Bool
)

func init() { caddy.RegisterModule(odd{}) }

func (odd) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.odd", New: func() caddy.Module { return new(odd) }}
}

func (o *odd) Provision(caddy.Context) error {
	odds.Add(1)
	if o.Panics == "provision" && oddFails.Load() {
		panic("odd")
	}
	return nil
}

func (o *odd) Cleanup() error {
	odds.Add(-1)
	return nil
}

func (o *odd) MatchWithError(*http.Request) (bool, error) {
	if o.Panics == "match" {
		panic("odd")
	}
	return false, nil
}

var _ caddyhttp.RequestMatcherWithError = (*odd)(nil)

// A panic of a module ends its computation, and nothing else.
func TestPanicsEndOneComputation(t *testing.T) {
	for _, when := range []string{"provision", "match"} {
		oddFails.Store(false)
		app := withOdd(t, when)
		current, loaded := goleak.IgnoreCurrent(), odds.Load()
		oddFails.Store(true)
		m := accessmap.Compute(t.Context(), app, v1)
		if want := `a module of the configuration panicked: odd`; m.Problem != want {
			t.Errorf("%s: %s", when, m.Problem)
		}
		if when == "match" && odds.Load() != loaded {
			t.Errorf("%d modules are not cleaned up", odds.Load()-loaded)
		}
		goleak.VerifyNone(t, current)
	}
}

// A problem is logged when it begins, and not at every attempt.
func TestProblemIsLoggedOnce(t *testing.T) {
	oddFails.Store(false)
	file := filepath.Join(t.TempDir(), "log")
	app := withOddAndLog(t, "match", fmt.Sprintf(`{"output": "file", "filename": %q}`, file))
	accessmap.ComputeTwice(t.Context(), app, v1)
	log, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, `"level":"error"`) {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "panicked: odd") || !strings.Contains(lines[0], `"stack":"goroutine `) {
		t.Errorf("there are %d lines: %s", len(lines), lines)
	}
}

// withOdd provisions a configuration whose JSON has the matcher.
func withOdd(t *testing.T, panics string) *tokenidp.App {
	t.Helper()
	return withOddAndLog(t, panics, `{"output": "discard"}`)
}

func withOddAndLog(t *testing.T, panics, writer string) *tokenidp.App {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "applications.yaml"), []byte(strings.ReplaceAll(applications, "HASH", theHash)), 0o600); err != nil {
		t.Fatal(err)
	}
	return probetest.App(t, fmt.Appendf(nil, `{
		"admin": {"disabled": true}, "storage": {"module": "file_system", "root": %q}, "logging": {"logs": {"default": {"writer": %s}}},
		"apps": {
			"tokenidp": {"issuers": [{"issuer": "https://idp.example.com", "applications": [%q]}]},
			"http": {"servers": {"s": {"listen": ["127.0.0.1:8080"], "automatic_https": {"disable": true}, "routes": [
				{"match": [{"odd": {"panics": %q}}], "handle": [{"handler": "static_response"}]},
				{"handle": [{"handler": "verify", "scopes": ["orders.read"]}, {"handler": "static_response"}]}
			]}}}
		}
	}`, dir, writer, filepath.Join(dir, "applications.yaml"), panics))
}

// A computation that takes too long, or that nobody needs any more, ends.
func TestComputationEnds(t *testing.T) {
	app := provision(t, options+sites)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if m := accessmap.Compute(ctx, app, v1); m.Problem != "it takes more than 1m0s of a processor" {
		t.Error(m.Problem)
	}
}

// Of a configuration that has ended, nothing is provisioned any more.
func TestEndedConfigurationIsNotProvisioned(t *testing.T) {
	oddFails.Store(false)
	app := withOdd(t, "provision")
	oddFails.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m := accessmap.Compute(ctx, app, v1); m.Problem != context.Canceled.Error() {
		t.Error(m.Problem)
	}
}
