package e2e

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// A log of Caddy's with what operators do gets each operation, done or refused: the
// command, who asked from where, and what it was about; before and after a reload.
func TestOperatorsAreInTheAuditLog(t *testing.T) {
	t.Parallel()
	c := start(t, strings.Replace(shopOptions, "\ttokenidp {", "\tlog audit {\n\t\toutput file audit.log\n\t\tinclude admin.api.tokenidp\n\t}\n\ttokenidp {", 1)+
		"localhost:5001 {\n\ttokenidp\n}\n", options{files: map[string]string{"applications.yaml": shopApplications}})
	issuer := c.url("https://localhost:5001")
	token := c.token("reader", "orders.read")
	operate := func() {
		t.Helper()
		for _, row := range []struct {
			path, body string
			status     int
		}{
			{"/tokenidp/revoke", `{"client_id": "orders-worker"}`, 200},
			{"/tokenidp/revoke", `{"token": "` + token + `x"}`, 400},
			{"/tokenidp/revoke", `{"client_id": "` + token + `", "issuer": "https://nobody.example"}`, 400},
			{"/tokenidp/revoke", `{"client": "orders-worker"}`, 400},
			{"/tokenidp/keys/rotate", "", 200},
			{"/tokenidp/keys/rotate?issuer=https://nobody.example&now=true", "", 400},
		} {
			if a := c.administer(http.MethodPost, row.path, row.body); a.StatusCode != row.status {
				t.Errorf("%s %s: %d %s", row.path, row.body, a.StatusCode, a.body)
			}
		}
	}
	operate()
	if a := c.administer(http.MethodPost, "/load", strings.Replace(c.adapted(), `"Caddyfile:`, `"again/Caddyfile:`, 1), "Content-Type: application/json"); a.StatusCode != http.StatusOK {
		t.Fatalf("reload: %d %s", a.StatusCode, a.body)
	}
	operate()
	want := []map[string]any{
		{"msg": "tokens revoked by an operator", "command": "tokenidp revoke", "client_id": "orders-worker", "issuer": issuer},
		{"msg": "revocation by an operator failed", "command": "tokenidp revoke", "status": 400.0, "level": "warn"},
		{"msg": "revocation by an operator failed", "issuer": "https://nobody.example", "client_id": "REDACTED"},
		{"msg": "revocation by an operator failed", "command": "tokenidp revoke"},
		{"msg": "signing keys rotated by an operator", "command": "tokenidp keys rotate", "issuer": issuer, "now": false},
		{"msg": "key rotation by an operator failed", "command": "tokenidp keys rotate", "issuer": "https://nobody.example", "now": true, "status": 400.0},
	}
	want = append(want, want...)
	audit := read(t, filepath.Join(c.dir, "audit.log"))
	lines := strings.Split(strings.TrimSpace(audit), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), audit)
	}
	for i, line := range lines {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		for name, value := range want[i] {
			if entry[name] != value {
				t.Errorf("line %d: %s is %v, not %v", i, name, entry[name], value)
			}
		}
		if entry["logger"] != "admin.api.tokenidp" || entry["remote_ip"] != "127.0.0.1" && entry["remote_ip"] != "::1" || entry["remote_port"] == "" {
			t.Errorf("line %d: %s", i, line)
		}
	}
	if strings.Contains(audit, token) {
		t.Error("the audit log has the token")
	}
}

// Caddy's remote admin endpoint knows who asks by certificate: so does the log, of what is
// done and of what is refused.
func TestRemoteOperatorsAreInTheAuditLog(t *testing.T) {
	t.Parallel()
	c := startShop(t, "")
	alice := newAuthority(t).client(x509.Certificate{Subject: pkix.Name{CommonName: "alice"}})
	leaf, err := x509.ParseCertificate(alice.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal([]byte(c.adapted()), &config); err != nil {
		t.Fatal(err)
	}
	config["admin"] = members{
		"identity": members{"identifiers": []string{"localhost"}, "issuers": []members{{"module": "internal"}}},
		"remote": members{"listen": c.url("localhost:5006"), "access_control": []members{{
			"public_keys": []string{base64.StdEncoding.EncodeToString(alice.Certificate[0])},
			"permissions": []members{{"paths": []string{"/tokenidp/revoke"}, "methods": []string{"POST"}}},
		}}},
	}
	if a := c.administer(http.MethodPost, "/load", textOf(t, config), "Content-Type: application/json"); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	client := c.presenting(t, alice, "HTTP/1.1")
	for body, status := range map[string]int{`{"client_id": "reader"}`: 200, `{"client": "reader"}`: 400} {
		var a *answer
		c.eventually("the remote endpoint", func() bool {
			a, err = exchange(client, c.request(http.MethodPost, "https://localhost:5006/tokenidp/revoke", body))
			return err == nil
		})
		if a.StatusCode != status {
			t.Errorf("%s: %d %s", body, a.StatusCode, a.body)
		}
	}
	key := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	for _, message := range []string{"tokens revoked by an operator", "revocation by an operator failed"} {
		line := c.entries(message)[0]
		if line["client_certificate"] != "CN=alice" || line["client_key_sha256"] != hex.EncodeToString(key[:]) || line["logger"] != "admin.api.tokenidp" {
			t.Errorf("%v", line)
		}
	}
}
