package command

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/tokenidp/caddy-tokenidp/caddyfile"
	"github.com/tokenidp/caddy-tokenidp/internal/testrun"
)

const testedCaddyfile = `{
	tokenidp {
		issuer https://idp.example.com {
			applications applications.yaml
		}
		trust https://login.example.com {
			jwks_file not-here.json
			audience invoices-api
		}
	}
}
api.example.com {
	handle /orders* {
		@write not method GET HEAD
		verify orders.read
		verify @write orders.write
		reverse_proxy localhost:9000
	}
	handle /invoices* {
		verify invoices.read {
			issuer https://login.example.com
		}
		reverse_proxy localhost:9001
	}
	handle /open {
		reverse_proxy localhost:9002
	}
	handle /report {
		verify orders.read {
			report_only
		}
		reverse_proxy localhost:9003
	}
	handle /empty {
		verify orders.read
	}
	handle {
		respond 404
	}
}
`

const testedApplications = `resources:
  - name: orders-api
    scopes: [{name: orders.read}, {name: orders.write}]
applications:
  - client_id: reader
    secrets: [{id: "1", file: not-here.secret}]
    scopes: [orders.read]
  - client_id: retired
    active: false
    scopes: [orders.read]
tests:
`

// runTested runs the given tests.
func runTested(t *testing.T, tests string, args ...string) (ran, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"Caddyfile": testedCaddyfile, "applications.yaml": testedApplications + tests + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return run(t, append([]string{"test", "--config", filepath.Join(dir, "Caddyfile")}, args...)...), dir
}

func TestTestsThatPass(t *testing.T) {
	r, dir := runTested(t, `  - client_id: reader
    allow: [GET https://api.example.com/orders/1]
    deny: [POST https://api.example.com/orders, "* https://api.example.com/invoices", GET https://api.example.com/nothing]
  - token: {iss: https://login.example.com, azp: billing, scope: invoices.read}
    allow: ["* https://api.example.com/invoices/7"]
  - anonymous: true
    deny: ["* https://api.example.com/orders"]`)
	if r.code != 0 || !strings.Contains(r.stdout, "\n6 passed, 0 failed\n") {
		t.Errorf("%d: %s%s", r.code, r.stdout, r.stderr)
	}
	for _, want := range []string{"applications.yaml:6: the secret in " + filepath.Join(dir, "not-here.secret"), "not-here.json"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("%s is not named: %s", want, r.stdout)
		}
	}
}

// A failure says what happened, by which line, for which reason, and how to correct it.
func TestTestsThatFail(t *testing.T) {
	for test, want := range map[string][]string{
		"{client_id: reader, allow: [POST https://api.example.com/orders]}": {
			"applications.yaml:12  reader  POST https://api.example.com/orders", "with 403: missing_scope: ", "Caddyfile:16 (api.example.com/orders* not (GET,HEAD))",
			"give reader the scope orders.write, or ask for less at ",
		},
		"{client_id: reader, deny: [GET https://api.example.com/orders/1]}": {
			"should be refused, but reverse_proxy localhost:9000 answers, behind ", "Caddyfile:15 (api.example.com/orders*)", "take orders.read from reader",
		},
		`{client_id: reader, deny: ["* https://api.example.com/orders"]}`:                                                {"  GET https://api.example.com/orders"},
		"{anonymous: true, deny: [GET https://api.example.com/open]}":                                                    {"no verify asks for a token on the way; put one before reverse_proxy localhost:9002"},
		"{anonymous: true, deny: [GET https://api.example.com/report]}":                                                  {"remove report_only at ", "Caddyfile:29"},
		"{anonymous: true, allow: [GET https://api.example.com/orders]}":                                                 {"with 401: no_token", "asks for a token"},
		"{client_id: retired, allow: [GET https://api.example.com/orders]}":                                              {"inactive_client: it is deactivated", "write active: true for retired"},
		"{client_id: reader, allow: [GET https://api.example.com/nothing]}":                                              {"with 404: answered", "handle it before respond 404 does"},
		"{client_id: reader, allow: [GET https://api.example.com/empty]}":                                                {"not_handled", "add a handler"},
		"{client_id: reader, allow: [GET https://api.example.com/invoices]}":                                             {"unknown_issuer", "add the issuer https://idp.example.com at "},
		"{token: {iss: https://login.example.com, scope: other, azp: a}, allow: [GET https://api.example.com/invoices]}": {"missing_scope", "the scope invoices.read"},
		"{token: {iss: https://login.example.com, aud: other, azp: a}, allow: [GET https://api.example.com/invoices]}":   {"wrong_audience"},
	} {
		r, _ := runTested(t, "  - "+test)
		if r.code != 1 || !strings.Contains(r.stdout, "0 passed, 1 failed") || !strings.Contains(r.stderr, "1 of 1 requests are not as the tests say") {
			t.Errorf("%s: %d %s%s", test, r.code, r.stdout, r.stderr)
		}
		for _, text := range want {
			if !strings.Contains(r.stdout, text) {
				t.Errorf("%s: %q is not in\n%s", test, text, r.stdout)
			}
		}
	}
}

// A test that makes no sense is an error, not a pass.
func TestTestsThatMeanNothing(t *testing.T) {
	for test, want := range map[string]string{
		"{client_id: raeder, deny: [GET https://api.example.com/orders]}":            "applications.yaml:12: no application is \"raeder\"; did you mean reader?",
		"{client_id: reader, deny: [GET https://api.exmaple.com/orders]}":            "applications.yaml:12: no site has the host api.exmaple.com; did you mean api.example.com?",
		"{client_id: reader, deny: [https://api.example.com/orders]}":                "is not a method and a URL",
		"{client_id: reader, deny: [GET /orders]}":                                   "is not the URL of a request",
		"{client_id: reader, deny: [GET https://api.example.com:1/]}":                "no server listens where",
		"{token: {scope: a}, deny: [GET https://api.example.com/]}":                  "no iss",
		"{token: {iss: https://nobody.example}, deny: [GET https://a.example.com/]}": "unknown issuer https://nobody.example",
		"{client_id: reader, dany: [GET https://api.example.com/]}":                  `unknown field "dany"`,
	} {
		if r, _ := runTested(t, "  - "+test); r.code != 2 || !strings.Contains(r.stderr, want) || strings.Contains(r.stdout, "passed") {
			t.Errorf("%s: %d %s%s, want %q", test, r.code, r.stdout, r.stderr, want)
		}
	}
	if r, _ := runTested(t, "  []"); r.code != 2 || !strings.Contains(r.stderr, "no file of Applications has tests") {
		t.Errorf("%d %s", r.code, r.stderr)
	}
	if r := run(t, "test", "--address", "127.0.0.1:1"); r.code != 2 {
		t.Errorf("%d %s", r.code, r.stderr)
	}
}

func TestTestsAsJSONAndJUnit(t *testing.T) {
	const tests = `  - client_id: reader
    allow: [GET https://api.example.com/orders/1, POST https://api.example.com/orders]`
	file := filepath.Join(t.TempDir(), "results.xml")
	r, _ := runTested(t, tests, "--json", "--junit", file)
	var report testrun.Report
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != 1 || report.Passed != 1 || report.Failed != 1 || report.Results[1].Reason != "missing_scope" {
		t.Errorf("%d %v %s", r.code, err, r.stdout)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var results junit
	if err := xml.Unmarshal(text, &results); err != nil || results.Tests != 2 || results.Failures != 1 || len(results.Suites) != 1 || results.Suites[0].Cases[1].Failure == nil {
		t.Errorf("%v %s", err, text)
	}
	if r, _ := runTested(t, tests, "--junit", filepath.Join(file, "no-folder")); r.code != 2 {
		t.Errorf("%d %s", r.code, r.stderr)
	}
}
