package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// At /introspect and /revoke, a client that signs authenticates as it does at /token,
// and nothing that it signed is of use a second time, wherever.
func TestAssertionsAtEveryEndpoint(t *testing.T) {
	t.Parallel()
	c := startKeyed(t, inlineKey(t, attackerKey(), "worker-1")+"\n    introspection: true", "", options{})
	ask := func(path, token, assertion string) *answer {
		t.Helper()
		form := url.Values{"token": {token}, "client_id": {"orders-worker"}, "client_assertion_type": {jwtBearer}, "client_assertion": {assertion}}
		return c.do(http.MethodPost, "https://localhost:5001"+path, form.Encode(), formEncoded)
	}
	fresh := func() string { return c.assertion(attackerKey(), "worker-1", nil) }
	used := fresh()
	token := c.asserted(c.assert(used))
	for _, path := range []string{"/introspect", "/revoke"} {
		for name, assertion := range map[string]string{
			"used":            used,
			"of another key":  c.assertion(secondKey(), "worker-1", nil),
			"for the path":    c.assertion(attackerKey(), "worker-1", members{"aud": c.url("https://localhost:5001" + path)}),
			"an access token": token,
		} {
			if a := ask(path, token, assertion); a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.body, `"invalid_client"`) {
				t.Errorf("%s, %s: %d %s", path, name, a.StatusCode, a.body)
			}
		}
	}
	if a := ask("/introspect", token, fresh()); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"active":true`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	last := fresh()
	if a := ask("/revoke", token, last); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := c.assert(last); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("used at /revoke, then at /token: %d %s", a.StatusCode, a.body)
	}
	if a := c.get("https://localhost:5001/orders", token); a.StatusCode != http.StatusUnauthorized || a.body != "revoked" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := ask("/introspect", token, fresh()); a.body != inactive {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// So does a client with a certificate, and a token that is bound to one is told of with
// what it is bound to (RFC 8705 section 3.2).
func TestCertificatesAtEveryEndpoint(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	c := start(t, mtlsSite("verify_if_given"), options{files: map[string]string{
		"applications.yaml": strings.ReplaceAll(mtlsApplications, "{client_id: by-dns,", "{client_id: by-dns, introspection: true,"), "ca.pem": ca.pem(),
	}})
	own := c.presenting(t, ca.named("orders.example.com"), "")
	token := accessToken(c.requestToken(t, own, "bound-by-dns", false).body)
	ask := func(client *http.Client, path, clientID string) *answer {
		t.Helper()
		return send(t, client, c.request(http.MethodPost, "https://localhost:5001"+path, url.Values{"token": {token}, "client_id": {clientID}}.Encode(), formEncoded))
	}
	for name, client := range map[string]*http.Client{"none": c.presenting(t, nil, ""), "another's": c.presenting(t, ca.named("stock.example.com"), "")} {
		for _, path := range []string{"/introspect", "/revoke"} {
			if a := ask(client, path, "bound-by-dns"); a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.body, `"invalid_client"`) {
				t.Errorf("%s, %s: %d %s", path, name, a.StatusCode, a.body)
			}
		}
	}
	var said struct {
		Active       bool
		Confirmation json.RawMessage `json:"cnf"`
	}
	a := ask(own, "/introspect", "by-dns")
	want, _ := json.Marshal(segmentOf(t, token, 1)["cnf"])
	if err := json.Unmarshal([]byte(a.body), &said); err != nil || !said.Active || string(said.Confirmation) != string(want) {
		t.Errorf("%s, want the cnf %s", a.body, want)
	}
	if a := ask(own, "/revoke", "bound-by-dns"); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := send(t, own, c.request(http.MethodGet, "https://localhost:5001/orders", "", bearer(token))); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", a.StatusCode)
	}
	if a := ask(own, "/introspect", "by-dns"); a.body != inactive {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
