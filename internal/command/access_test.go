package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

const accessApplications = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}, {name: orders.write}]
applications:
  - {client_id: reader, secrets: [{id: "1", file: not-here}], scopes: [orders.read]}
  - {client_id: second, secrets: [{id: "1", file: not-here}], scopes: [orders.read]}
  - {client_id: worker, secrets: [{id: "1", file: not-here}], scopes: [orders.read, orders.write]}
  - {client_id: "a|b` + "`" + `c", secrets: [{id: "1", file: not-here}], scopes: [orders.write]}
  - {client_id: retired, active: false, scopes: [orders.read]}
`

const accessCaddyfile = `{
	tokenidp {
		issuer https://idp.example.com {
			applications applications.yaml
		}
		trust https://login.example.org {
			jwks_file not-here.json
			audience orders-api
		}
	}
}
idp.example.com {
	tokenidp
	respond 404
}
api.example.com {
	handle /orders* {
		@write not method GET HEAD
		verify orders.read {
			issuer https://idp.example.com https://login.example.org
			sender_constrained dpop
			dpop_origin https://api.example.com
		}
		verify @write orders.write {
			issuer https://idp.example.com
		}
		reverse_proxy orders:1
	}
	handle /sometimes {
		verify orders.write {
			issuer https://idp.example.com
			expression "request.method == 'PATCH'"
		}
		reverse_proxy orders:2
	}
	handle /open {
		reverse_proxy open:1
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
		reverse_proxy basic:1
	}
	handle /never {
		@a expression {http.request.uri.path.file}.startsWith({http.request.cookie.x})
		verify @a orders.read {
			issuer https://idp.example.com
		}
		reverse_proxy never:1
	}
	handle_errors 404 {
		reverse_proxy errors:1
	}
}
`

func accessed(t *testing.T, args ...string) ran {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"Caddyfile": accessCaddyfile, "applications.yaml": accessApplications} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t, append([]string{"access", "--config", filepath.Join(dir, "Caddyfile")}, args...)...)
	r.stdout = strings.ReplaceAll(r.stdout, dir+"/", "")
	return r
}

// Each form of the output has the same facts.
func TestAccess(t *testing.T) {
	for _, row := range []struct {
		name, args string
		code       int
	}{
		{"table", "", 0},
		{"denied", "--denied", 0},
		{"client", "--client reader", 1},
		{"markdown", "--markdown", 0},
		{"mermaid", "--mermaid", 0},
		{"json", "--json --route /sometimes", 0},
		{"fail-on-open", "--fail-on-open --markdown", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := accessed(t, strings.Fields(row.args)...)
			golden(t, filepath.Join("testdata", "access", row.name+".txt"), r.stdout)
			if r.code != row.code {
				t.Errorf("exit code %d, want %d: %s", r.code, row.code, r.stderr)
			}
		})
	}
}

// The answer about one request.
func TestAccessOfOneRequest(t *testing.T) {
	for _, row := range []struct {
		request string
		more    []string
		code    int
		want    string
	}{
		{"GET https://api.example.com/orders/1", nil, 0, "  reader  scope=orders.read, with a DPoP proof\n"},
		{"POST https://api.example.com/orders/1", nil, 0, "  worker  scope=orders.read orders.write, with a DPoP proof\n"},
		{"POST https://api.example.com/orders/1", []string{"--client", "reader"}, 1, "  reader  NO: missing_scope: it lacks orders.write, at Caddyfile:24\n"},
		{"PATCH https://api.example.com/sometimes", []string{"--client", "worker"}, 0, "  worker  scope=orders.write\n"},
		{"GET https://api.example.com/sometimes", []string{"--client", "worker"}, 1, "  worker  NO: expression_refused"},
		{"GET https://api.example.com/open", []string{"--client", "worker"}, 0, "without a token: reverse_proxy open:1, as in: GET https://api.example.com/open\n"},
		{"GET https://api.example.com/open", []string{"--fail-on-open"}, 1, "without a token: reverse_proxy open:1"},
		{"GET https://api.example.com/basic", nil, 0, "nobody: GET https://api.example.com/basic gets 401: credentials_required: basic_auth asks for other credentials\n"},
		{"GET https://api.example.com/basic", []string{"--client", "worker"}, 1, "nobody: "},
		{"GET https://api.exmaple.com/basic", nil, 2, ""},
		{"https://api.example.com/basic", nil, 2, ""},
	} {
		r := accessed(t, append([]string{"--request", row.request}, row.more...)...)
		if r.code != row.code || !strings.Contains(r.stdout, row.want) {
			t.Errorf("%s %q: exit code %d, want %d, and %q in\n%s%s", row.request, row.more, r.code, row.code, row.want, r.stdout, r.stderr)
		}
	}
}

// A running Caddy replaces the placeholders of its issuers, which have no value here.
func TestAccessOfARunningCaddy(t *testing.T) {
	address := adminServer(t, map[string]any{
		"/config/": json.RawMessage(strings.ReplaceAll(ordinaryConfig, "https://a.example", "{env.ACCESS_TEST_NOT_HERE}")),
		"/tokenidp/applications": adminapi.Applications{Issuers: []string{"https://a.example"}, Parts: []adminapi.ApplicationsPart{{
			Issuer: "https://a.example", File: "apps.yaml", Content: `{"resources": [{"name": "orders-api", "scopes": [{"name": "orders.read"}]}],
				"applications": [{"client_id": "reader", "scopes": ["orders.read"], "secrets": [{"id": "a", "hash": "{not rendered}"}]}]}`,
		}}},
	})
	want := "api.example.com/orders* (Caddyfile:1): orders.read of orders-api, with a token of https://a.example\n  reader  scope=orders.read\n"
	if r := run(t, "access", "--address", address); r.code != 0 || r.stdout != want {
		t.Errorf("%d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// golden compares with a file; with UPDATE_GOLDEN set, it writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant\n%s", file, got, want)
	}
}
