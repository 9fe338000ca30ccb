package command

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/tokenidp/caddy-tokenidp/internal/accessmap"
	"github.com/tokenidp/caddy-tokenidp/internal/probe/probetest"
	"github.com/tokenidp/caddy-tokenidp/internal/statuspage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

const mappedOptions = `{
	auto_https off
	storage file_system {
		root storage
	}
	tokenidp {
		issuer https://idp.example.com {
			applications first.yaml
		}
		issuer https://second.example.com {
			applications second.yaml
		}
		trust https://login.example.org {
			jwks_file jwks.json
			audience orders-api
		}
		dpop_origin https://a.example
	}
}
(guard) {
	verify orders.read {
		issuer https://idp.example.com
		claim_header X-Client client_id
	}
}
&(named) {
	verify orders.write {
		issuer https://idp.example.com
	}
	reverse_proxy named:1
}
https://idp.example.com {
	tokenidp https://idp.example.com
}
https://second.example.com {
	tokenidp https://second.example.com
}
`

// mappedSites are configurations of all kinds.
var mappedSites = map[string]string{
	"a snippet on many sites": `https://a.example, https://b.example {
		import guard
		reverse_proxy a:1
	}
	https://c.example {
		handle /x* {
			import guard
			reverse_proxy c:1
		}
		handle /y* {
			import guard
			respond fine
		}
	}`,
	"rewrites": `https://a.example {
		handle_path /v1/* {
			rewrite /old/* /new{uri}
			handle /orders* {
				import guard
				reverse_proxy a:1
			}
			handle /new/old/* {
				verify orders.write {
					issuer https://idp.example.com
				}
				reverse_proxy a:2
			}
		}
		uri /alias strip_prefix /alias
		@get path_regexp ^/orders/([0-9]+)$
		route @get {
			import guard
			reverse_proxy a:3
		}
	}`,
	"named routes": `https://a.example {
		handle /orders* {
			invoke named
		}
		import guard
		@admin token_scope orders.write
		respond @admin 403
		reverse_proxy a:1
		handle_errors 403 {
			invoke named
		}
	}
	https://b.example {
		invoke named
	}`,
	"report_only and matchers": `https://a.example {
		@write not method GET HEAD
		verify @write orders.write {
			issuer https://idp.example.com
			report_only
		}
		handle /expression {
			verify orders.read {
				issuer https://idp.example.com
				expression "request.method == 'GET' && client_id != 'reader'"
			}
			reverse_proxy a:1
		}
		handle /preflight {
			verify orders.read {
				issuer https://idp.example.com
				allow_preflight
			}
			reverse_proxy a:2
		}
		reverse_proxy a:3
	}`,
	"several issuers": `https://a.example {
		handle /orders* {
			verify orders.read {
				issuer https://idp.example.com https://login.example.org
				sender_constrained dpop
			}
			reverse_proxy a:1
		}
		handle /second* {
			verify second.read {
				issuer https://second.example.com
			}
			verify orders.read {
				issuer https://idp.example.com
			}
			reverse_proxy a:2
		}
		verify {
			audience orders-api
			issuer https://idp.example.com
		}
		reverse_proxy a:3
	}`,
}

const mappedFirst = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}, {name: orders.write}]
applications:
  - {client_id: reader, secrets: [{id: "1", hash: HASH}], scopes: [orders.read]}
  - {client_id: worker, secrets: [{id: "1", hash: HASH}], scopes: [orders.read, orders.write]}
  - {client_id: writer, secrets: [{id: "1", hash: HASH}], scopes: [orders.write], dpop_bound_access_tokens: true}
  - {client_id: expired, secrets: [{id: "1", hash: HASH, expires: 2020-01-01}], scopes: [orders.read]}
  - {client_id: retired, active: false, scopes: [orders.read]}
`

const mappedSecond = `
resources:
  - name: second-api
    scopes: [{name: second.read}]
applications:
  - {client_id: worker, secrets: [{id: "1", hash: HASH}], scopes: [second.read]}
`

const mappedKeys = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "a", "use": "sig", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// The map of the status page is what access says of the same configuration.
func TestMapIsAccess(t *testing.T) {
	for name, site := range mappedSites {
		for with, applications := range map[string]string{"with": mappedFirst, "without": strings.Split(mappedFirst, "applications:")[0] + "applications: []\n"} {
			t.Run(fmt.Sprint(name, ", ", with, " Applications"), func(t *testing.T) {
				dir := t.TempDir()
				files := map[string]string{
					"Caddyfile": strings.ReplaceAll(mappedOptions+site, "root storage", "root "+dir+"/storage"), "first.yaml": applications, "second.yaml": mappedSecond, "jwks.json": mappedKeys,
				}
				for name, text := range files {
					text = strings.ReplaceAll(text, "HASH", `"$sha256$`+strings.Repeat("0", 64)+`"`)
					if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				compareMap(t, loadedApp(t, filepath.Join(dir, "Caddyfile")), filepath.Join(dir, "Caddyfile"))
			})
		}
	}
}

// loadedApp provisions the Caddyfile as a Caddy that serves does.
func loadedApp(t *testing.T, file string) *tokenidp.App {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": file})
	if err != nil {
		t.Fatal(err)
	}
	var cfg caddy.Config
	if err := json.Unmarshal(adapted, &cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{WriterRaw: []byte(`{"output": "discard"}`)}}}}
	app, err := probetest.Context(t, &cfg).App("tokenidp")
	if err != nil {
		t.Fatal(err)
	}
	return app.(*tokenidp.App)
}

func compareMap(t *testing.T, app *tokenidp.App, file string) {
	t.Helper()
	r := run(t, "access", "--config", file, "--denied", "--json")
	var want accessReport
	if err := json.Unmarshal([]byte(r.stdout), &want); err != nil {
		t.Fatalf("%v: %s%s", err, r.stdout, r.stderr)
	}
	m := computedMap(t, app)
	counted := make(map[string]bool)
	for _, r := range app.VerifyRoutes() {
		counted[r.ID] = true
	}
	answers := make(map[string]int) // of a route, for an issuer
	for _, one := range want.Routes {
		key := one.Route + " " + one.Issuer
		of := ofIssuer(m.Route(one.Route), one.Issuer)
		if answers[key] >= len(of) {
			t.Fatalf("the map has %d answers for %s", len(of), key)
		}
		sameAnswer(t, &one, of[answers[key]])
		answers[key]++
		if !counted[one.Route] {
			t.Errorf("use is not counted at %s", one.Route)
		}
		for _, c := range one.Clients {
			of := ofIssuer(m.Client(c.ClientID), one.Issuer)
			if !slices.ContainsFunc(of, func(a statuspage.RouteAccess) bool { return a.Route == one.Route && sameClient(c, a.Clients[0]) }) {
				t.Errorf("%s at %s: the map has %+v, want %+v", c.ClientID, one.Route, of, c)
			}
		}
	}
	if len(want.Routes) < 3 && !strings.Contains(file, "snippet") {
		t.Errorf("there are %d routes alone", len(want.Routes))
	}
}

// computedMap looks until the map is there.
func computedMap(t *testing.T, app *tokenidp.App) *accessmap.Map {
	t.Helper()
	keeper := accessmap.New(func(*tokenidp.App) string { return "v" })
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if v := keeper.Look(app); v.Map != nil {
			if v.Map.Problem != "" {
				t.Fatal(v.Map.Problem)
			}
			return v.Map
		}
		if time.Now().After(deadline) {
			t.Fatal("there is no map")
		}
	}
}

func ofIssuer(all []statuspage.RouteAccess, issuer string) []statuspage.RouteAccess {
	return slices.DeleteFunc(all, func(r statuspage.RouteAccess) bool { return r.Issuer != issuer })
}

func sameAnswer(t *testing.T, want *routeAccess, got statuspage.RouteAccess) {
	t.Helper()
	if got.Source != want.Source || got.ReportOnly != want.ReportOnly || (want.Holders == nil) != (got.Holders == nil) || want.Holders != nil && !sameClient(want.Holders, *got.Holders) {
		t.Errorf("%s: the map has %+v, want %+v", want.Route, got, want)
	}
	if want.Open != "" {
		for _, c := range got.Clients {
			if !c.Allowed || !strings.HasSuffix(c.Conditions[0], want.Open) {
				t.Errorf("%s is open, and the map has %+v", want.Route, c)
			}
		}
		return
	}
	if want.Unjudged {
		for _, c := range got.Clients {
			if c.Allowed || c.Reason != statuspage.Unjudged {
				t.Errorf("%s is not judged, and the map has %+v", want.Route, c)
			}
		}
		return
	}
	if !slices.EqualFunc(want.Clients, got.Clients, sameClient) {
		t.Errorf("%s: the map has %+v, want %+v", want.Route, got.Clients, want.Clients)
	}
}

func sameClient(want *clientAccess, got statuspage.ClientAccess) bool {
	return want.ClientID == got.ClientID && want.Allowed == got.Allowed && want.Scope == got.Scope && want.Audience == got.Audience &&
		slices.Equal(want.Conditions, got.Conditions) && want.Reason == got.Reason && want.Cause == got.Cause && want.By == got.By
}
