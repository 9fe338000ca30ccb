package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/testport"
)

// ctl runs a command of Caddy's against the running one.
func (c *caddy) ctl(args ...string) (output string, code int) {
	c.t.Helper()
	cmd := exec.Command(binary, append([]string{"tokenidp"}, args...)...)
	cmd.Env = environment(c.home, c.admin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// kids are those that are published.
func (c *caddy) kids() []string {
	c.t.Helper()
	return kidsOf(c.t, c.do(http.MethodGet, "https://localhost:5001/.well-known/jwks.json", "").body)
}

// kidsOf are those in a JWK Set.
func kidsOf(t *testing.T, document string) []string {
	t.Helper()
	var set struct {
		Keys []struct {
			KeyID string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal([]byte(document), &set); err != nil {
		t.Fatalf("%v in %q", err, document)
	}
	var kids []string
	for _, k := range set.Keys {
		kids = append(kids, k.KeyID)
	}
	return kids
}

// kidOf is the kid in the header of a token.
func kidOf(t *testing.T, token string) string {
	t.Helper()
	var header struct {
		KeyID string `json:"kid"`
	}
	encoded, _, _ := strings.Cut(token, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(decoded, &header); err != nil {
		t.Fatal(err)
	}
	return header.KeyID
}

// A rotation breaks nothing: the successor is published before it signs. One at
// once signs at once, and what was issued before still verifies.
func TestOperatorsRotateKeys(t *testing.T) {
	t.Parallel()
	c := startShop(t, "\tverify /orders* orders.read\n\trespond /orders* fine")
	first := c.token("reader", "orders.read")
	old := c.kids()[0]

	output, code := c.ctl("keys")
	if code != 0 || !strings.Contains(output, old) || !strings.Contains(output, "active") || strings.Contains(output, "next") {
		t.Fatalf("keys: %d\n%s", code, output)
	}
	output, code = c.ctl("keys", "rotate")
	if code != 0 || !strings.Contains(output, "is published, and signs from") {
		t.Fatalf("rotate: %d\n%s", code, output)
	}
	if kids := c.kids(); len(kids) != 2 || kidOf(t, c.token("reader", "orders.read")) != old {
		t.Errorf("published %v, and the successor signs already", kids)
	}
	if output, code = c.ctl("keys", "rotate"); code != 0 || !strings.Contains(output, "was made before") || len(c.kids()) != 2 {
		t.Errorf("a second rotation: %d\n%s", code, output)
	}
	if output, code = c.ctl("keys", "rotate", "--now"); code != 0 || !strings.Contains(output, "warning: for up to 5m0s") {
		t.Errorf("rotate --now: %d\n%s", code, output)
	}
	second := c.token("reader", "orders.read")
	if kidOf(t, second) == old {
		t.Error("the old key still signs")
	}
	for name, token := range map[string]string{"before": first, "after": second} {
		if a := c.get("https://localhost:5001/orders", token); a.StatusCode != http.StatusOK {
			t.Errorf("the token from %s gets %d", name, a.StatusCode)
		}
	}
	var all []struct {
		Issuer string
		Keys   []struct{ KeyID, State string }
	}
	output, code = c.ctl("keys", "--json")
	if err := json.Unmarshal([]byte(output), &all); err != nil || code != 0 || len(all) != 1 || len(all[0].Keys) != 3 {
		t.Errorf("keys --json: %d %v\n%s", code, err, output)
	}
	if strings.Contains(output, `"d"`) || strings.Contains(output, `"ciphertext"`) {
		t.Errorf("the admin endpoint shows a private key:\n%s", output)
	}
}

// What cannot be done says so, and exits with an error.
func TestKeysCommandErrors(t *testing.T) {
	t.Parallel()
	c := startShop(t, "")
	for want, args := range map[string][]string{
		"unknown issuer https://other.example.com": {"keys", "rotate", "--issuer", "https://other.example.com"},
		"is Caddy running":                         {"keys", "--address", "localhost:" + testport.Free(t)},
	} {
		output, code := c.ctl(args...)
		if code != 2 || !strings.Contains(output, want) {
			t.Errorf("%v: %d %s", args, code, output)
		}
	}
	if a := c.administer(http.MethodGet, "/tokenidp/keys/rotate", ""); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a GET rotates: %d", a.StatusCode)
	}
}

// Another algorithm is a rotation like any other: the old key signs until the
// new one is known, over the reload.
func TestAnotherAlgorithmIsARotation(t *testing.T) {
	t.Parallel()
	c := startShop(t, "")
	old := c.kids()[0]
	config := strings.Replace(c.adapted(), `"issuer":"`+c.url("https://localhost:5001")+`"`,
		`"issuer":"`+c.url("https://localhost:5001")+`","signing_algorithm":"ES256"`, 1)
	if a := c.administer(http.MethodPost, "/load", config, "Content-Type: application/json"); a.StatusCode != http.StatusOK {
		t.Fatalf("reload: %d %s", a.StatusCode, a.body)
	}
	c.eventually("the key of the other algorithm", func() bool { return len(c.kids()) == 2 })
	if kid := kidOf(t, c.token("reader", "orders.read")); kid != old {
		t.Errorf("%s signs, which no cache has yet", kid)
	}
	metadata := c.do(http.MethodGet, "https://localhost:5001/.well-known/openid-configuration", "").body
	if !strings.Contains(metadata, `"id_token_signing_alg_values_supported":["ES256","RS256"]`) {
		t.Errorf("metadata %s", metadata)
	}
}
