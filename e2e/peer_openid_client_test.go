//go:build peers

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// openIDClient runs a client of the npm package openid-client, which gets a token and
// calls /orders with it, and returns what it prints.
func openIDClient(c *caddy, env ...string) (said struct {
	Status      int    `json:"status"`
	Body        string `json:"body"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	AccessToken string `json:"access_token"`
}) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "node", "openid-client.mjs")
	cmd.Dir = peersFolder(c.t)
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "CA=" + filepath.Join(c.home, ".local/share/caddy/pki/authorities/local/root.crt"),
		"ISSUER=" + c.url("https://localhost:5001"), "API=" + c.url("https://localhost:5001/orders"),
	}, env...)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("%v: %s", err, output)
	}
	if err := json.Unmarshal(output, &said); err != nil {
		c.t.Fatalf("%v: %s", err, output)
	}
	return said
}

// A client in another language, by each method that it and the server know.
func TestPeerOpenIDClient(t *testing.T) {
	p, ca, dir := newPorts(t), newAuthority(t), t.TempDir()
	pair := ca.named("orders.example.com")
	writePair(t, dir, pair)
	files := map[string]string{"ca.pem": ca.pem()}
	applications := mtlsApplications
	keys := make(map[string]madeKey)
	for _, algorithm := range []string{"ES256", "PS256", "RS256", "EdDSA"} {
		key := makeKey(t, dir, algorithm)
		keys[algorithm] = key
		applications += "  - client_id: key-" + algorithm + "\n    scopes: [orders.read]\n" + key.declaration
	}
	applications += "  - client_id: dpop\n    scopes: [orders.read]\n    dpop_bound_access_tokens: true\n    secrets: [{id: \"1\", hash: " + shopHash + "}]\n"
	files["applications.yaml"] = applications
	c := start(t, strings.Replace(mtlsSite("verify_if_given"), `respond "protected content"`, `respond "{http.auth.user.id}"`, 1), options{ports: p, files: files})
	withKey := func(algorithm string) []string {
		return []string{"METHOD=private_key_jwt", "CLIENT_ID=key-" + algorithm, "ALG=" + algorithm, "KEY=" + keys[algorithm].file, "KID=" + keys[algorithm].id}
	}
	certificate := []string{"CERT=" + filepath.Join(dir, "client.crt"), "KEY=" + filepath.Join(dir, "client.key")}
	for _, row := range []struct {
		name, client, tokenType string
		env                     []string
	}{
		{"client_secret_basic", "reader", "bearer", []string{"METHOD=client_secret_basic", "CLIENT_ID=reader", "SECRET=" + shopSecret}},
		{"client_secret_post", "reader", "bearer", []string{"METHOD=client_secret_post", "CLIENT_ID=reader", "SECRET=" + shopSecret}},
		{"private_key_jwt, ES256", "key-ES256", "bearer", withKey("ES256")},
		{"private_key_jwt, PS256", "key-PS256", "bearer", withKey("PS256")},
		{"private_key_jwt, RS256", "key-RS256", "bearer", withKey("RS256")},
		{"private_key_jwt, Ed25519", "key-EdDSA", "bearer", withKey("EdDSA")},
		{"tls_client_auth", "by-dns", "bearer", append(certificate, "METHOD=tls_client_auth", "CLIENT_ID=by-dns")},
		{"tls_client_auth, bound", "bound-by-dns", "bearer", append(certificate, "METHOD=tls_client_auth", "CLIENT_ID=bound-by-dns")},
		{"client_secret_basic, bound to the certificate", "bound", "bearer", append(certificate, "METHOD=client_secret_basic", "CLIENT_ID=bound", "SECRET="+shopSecret)},
		{"client_secret_basic, with DPoP", "dpop", "dpop", []string{"METHOD=client_secret_basic", "CLIENT_ID=dpop", "SECRET=" + shopSecret, "DPOP=yes"}},
		{"private_key_jwt, with DPoP", "key-ES256", "dpop", append(withKey("ES256"), "DPOP=yes")},
	} {
		t.Run(row.name, func(t *testing.T) {
			said := openIDClient(c, row.env...)
			if said.Status != 200 || said.Body != row.client || said.TokenType != row.tokenType || said.ExpiresIn != 3600 {
				t.Errorf("%+v", said)
			}
			// Of a bound token, nobody else has any use.
			if strings.Contains(row.name, "bound") || row.tokenType == "dpop" {
				if a := c.do("GET", "https://localhost:5001/orders", "", bearer(said.AccessToken)); a.StatusCode != 401 {
					t.Errorf("without the key: %d %s", a.StatusCode, a.body)
				}
			}
		})
	}
}
