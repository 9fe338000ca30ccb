package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const auditedShop = `
{
	auto_https disable_redirects
	skip_install_trust
	tokenidp {
		issuer https://localhost:5001 {
			applications applications.yaml
		}
		audit {
			output file lines.jsonl
		}
	}
}
localhost:5001 {
	tokenidp
	handle /orders* {
		verify orders.write
		respond "fine"
	}
	handle /stock* {
		request_header X-Request-Id {http.request.uuid}
		verify stock.read {
			report_only
		}
		respond "fine"
	}
	handle_path /old/* {
		verify orders.write
		respond "fine"
	}
}
`

// Every decision is a line, which the schema describes and which has neither a token nor a
// secret, before and after a reload.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	c := start(t, auditedShop, options{files: map[string]string{"applications.yaml": shopApplications}})
	token, readers := c.token("orders-worker", "orders.write"), c.token("reader", "orders.read")
	form := "Content-Type: application/x-www-form-urlencoded"
	post := func(path, body string, want int) {
		t.Helper()
		r := c.request(http.MethodPost, "https://localhost:5001"+path, body, form)
		r.SetBasicAuth("orders-worker", shopSecret)
		if a := c.once(r); a.StatusCode != want {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	get := func(path, token string, want int) {
		t.Helper()
		if a := c.do(http.MethodGet, "https://localhost:5001"+path, "", "Authorization: Bearer "+token); a.StatusCode != want {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	operate := func(path, body string, want int) {
		t.Helper()
		if a := c.administer(http.MethodPost, path, body, "Content-Type: application/json"); a.StatusCode != want {
			t.Errorf("%s %s: %d %s", path, body, a.StatusCode, a.body)
		}
	}
	get("/orders/1?access_token=secret-of-the-query", token, 200)
	get("/orders/"+token, token, 200)
	get("/orders/"+token, readers, 403)
	get("/old/orders/1", token, 200)
	get("/stock", "x"+token, 200)
	get("/stock/1", readers, 200)
	post("/token", "grant_type=client_credentials&scope=orders.nothing", 400)
	post("/introspect", "token=", 400)
	post("/revoke", "token="+token, 200)
	post("/revoke", "", 400)
	operate("/load", strings.Replace(c.adapted(), `"Caddyfile:`, `"again/Caddyfile:`, 1), 200)
	get("/orders/2", token, 401)
	operate("/tokenidp/revoke", `{"client_id": "reader"}`, 200)
	operate("/tokenidp/revoke", `{"client_id": "nobody"}`, 400)
	operate("/tokenidp/keys/rotate?now=true", "", 200)
	write(t, filepath.Join(c.dir, "applications.yaml"), strings.Replace(shopApplications, "client_id: reader", "client_id: reader\n    active: false", 1))
	c.eventually("the reader is deactivated", func() bool { return len(c.entries("applications changed")) > 0 })
	c.stop()

	text := read(t, filepath.Join(c.dir, "lines.jsonl"))
	for _, secret := range []string{token, readers, shopSecret, "secret-of-the-query", strings.Split(token, ".")[2]} {
		if strings.Contains(text, secret) {
			t.Errorf("the audit log has %s:\n%s", secret, text)
		}
	}
	schema, err := jsonschema.NewCompiler().Compile("../tokenidp/audit/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var lines []map[string]any
	for line := range strings.Lines(text) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if err := schema.Validate(entry); err != nil {
			t.Errorf("%v:\n%s", err, line)
		}
		lines = append(lines, entry)
	}
	issuer := c.url("https://localhost:5001")
	for _, want := range []map[string]any{
		{"event": "changed", "at": "configuration"},
		{"event": "issued", "at": "token", "client_id": "orders-worker", "auth_method": "client_secret_basic", "secret_id": "1", "audience": "orders-api", "scope": []any{"orders.write"}, "issuer": issuer, "path": "/token", "request_id": present, "jti": present, "kid": present},
		{"event": "allowed", "at": "verify", "client_id": "orders-worker", "route": c.url("localhost:5001/orders*"), "source": "Caddyfile:17", "method": "GET", "path": "/orders/1", "client_ip": present, "jti": present, "kid": present, "scope": []any{"orders.write"}, "audience": "orders-api"},
		{"event": "allowed", "at": "verify", "route": c.url("localhost:5001/orders*"), "path": "/orders/REDACTED"},
		{"event": "refused", "at": "verify", "client_id": "reader", "reason": "missing_scope", "status": 403.0, "path": "/orders/REDACTED", "request_id": present},
		{"event": "allowed", "at": "verify", "route": c.url("localhost:5001/old/*"), "path": "/old/orders/1"},
		{"event": "refused", "at": "verify", "route": c.url("localhost:5001/stock*"), "report_only": true, "reason": "malformed_token", "request_id": present},
		{"event": "refused", "at": "verify", "route": c.url("localhost:5001/stock*"), "report_only": true, "client_id": "reader", "path": "/stock/1"},
		{"event": "refused", "at": "token", "client_id": "orders-worker", "reason": present, "status": 400.0, "client_ip": present},
		{"event": "refused", "at": "introspect", "status": 400.0},
		{"event": "revoked", "at": "revoke", "client_id": "orders-worker", "jti": present, "scope": []any{"orders.write"}},
		{"event": "refused", "at": "revoke", "status": 400.0},
		{"event": "changed", "at": "configuration", "detail": present},
		{"event": "refused", "at": "verify", "reason": "revoked", "status": 401.0, "client_id": "orders-worker", "path": "/orders/2"},
		{"event": "revoked", "at": "admin", "client_id": "reader", "who": present, "issuer": issuer, "detail": "tokenidp revoke"},
		{"event": "operated", "at": "admin", "client_id": "nobody", "status": 400.0, "cause": present},
		{"event": "rotated", "at": "keys", "kid": present, "issuer": issuer},
		{"event": "operated", "at": "admin", "detail": "tokenidp keys rotate --now", "kid": present},
		{"event": "deactivated", "at": "applications", "client_id": "reader", "source": present},
		{"event": "changed", "at": "applications", "detail": present, "issuer": issuer},
	} {
		i := indexOf(lines, want)
		if i < 0 {
			t.Fatalf("after what came before, there is no line with %v:\n%s", want, text)
		}
		lines = lines[i+1:]
	}
}

// present stands for any value but an empty one.
var present = any(new(int))

// indexOf returns the index of the first line that has these members, or -1.
func indexOf(lines []map[string]any, want map[string]any) int {
	for i, line := range lines {
		all := true
		for name, value := range want {
			got, ok := line[name]
			all = all && ok && (value == present && got != "" || fmt.Sprint(got) == fmt.Sprint(value))
		}
		if all {
			return i
		}
	}
	return -1
}

// What is omitted has no line, and a file that cannot be opened is an error that names it.
func TestAuditLogOmits(t *testing.T) {
	t.Parallel()
	c := start(t, strings.Replace(auditedShop, "output file lines.jsonl", "output file lines.jsonl\n\t\t\tomit allowed changed", 1),
		options{files: map[string]string{"applications.yaml": shopApplications}})
	token := c.token("orders-worker", "orders.write")
	c.do(http.MethodGet, "https://localhost:5001/orders/1", "", "Authorization: Bearer "+token)
	broken := bytes.ReplaceAll([]byte(c.adapted()), []byte("lines.jsonl"), []byte("/dev/null/lines.jsonl"))
	if a := c.administer(http.MethodPost, "/load", string(broken), "Content-Type: application/json"); a.StatusCode != 400 || !strings.Contains(a.body, "audit: opening /dev/null/lines.jsonl") {
		t.Errorf("an output that cannot be opened: %d %s", a.StatusCode, a.body)
	}
	c.stop()
	if text := read(t, filepath.Join(c.dir, "lines.jsonl")); strings.Count(text, "\n") != 1 || !strings.Contains(text, `"issued"`) {
		t.Errorf("more or less than one line:\n%s", text)
	}
}

// Who is deactivated by a reload has a line, too.
func TestAuditLogOfAReload(t *testing.T) {
	t.Parallel()
	fewer := strings.Replace(shopApplications, "client_id: reader", "client_id: reader\n    active: false", 1)
	fewer = strings.Replace(fewer, "client_id: basic-only", "client_id: another", 1)
	c := start(t, auditedShop, options{files: map[string]string{"applications.yaml": shopApplications, "fewer.yaml": fewer}})
	other := strings.Replace(c.adapted(), "/applications.yaml", "/fewer.yaml", 1)
	if a := c.administer(http.MethodPost, "/load", other, "Content-Type: application/json"); a.StatusCode != http.StatusOK {
		t.Fatalf("reload: %d %s", a.StatusCode, a.body)
	}
	c.stop()
	text := read(t, filepath.Join(c.dir, "lines.jsonl"))
	for client, detail := range map[string]string{"reader": "it is not active", "basic-only": "it is removed"} {
		if want := `"client_id":"` + client + `","detail":"` + detail + `"`; strings.Count(text, want) != 1 {
			t.Errorf("there is no line, or more than one, with %s:\n%s", want, text)
		}
	}
	if strings.Count(text, `"deactivated"`) != 2 {
		t.Errorf("not two are deactivated:\n%s", text)
	}
}
