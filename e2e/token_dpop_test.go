package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// RFC 9449: a token that is bound to a key, and the proof that goes with it.
func TestTokenCommandWithDPoP(t *testing.T) {
	t.Parallel()
	c := startWithKey(t, newPorts(t), "    dpop_bound_access_tokens: true\n    secrets: [{id: \"1\", hash: "+shopHash+"}]\n")
	key := makeKey(t, c.dir, "ES256")
	write(t, filepath.Join(c.dir, "secret"), shopSecret)
	args := []string{"--client-id", "worker", "--scope", "orders.read", "--secret-file", "secret"}
	token := c.getToken("", append(args, "--dpop="+key.file)...)
	prove := func(method string) string {
		stdout, stderr, code := c.types(typedCommand{stdin: token, args: []string{"proof", "--key", key.file, "--method", method, "--url", c.url("https://localhost:5001/orders?page=2")}})
		if code != 0 || stderr != "" {
			t.Fatalf("exit code %d\n%s", code, stderr)
		}
		return strings.TrimSuffix(stdout, "\n")
	}
	for _, row := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"with its proof", []string{"Authorization: DPoP " + token, "Dpop: " + prove("get")}, 200},
		{"with the proof of another request", []string{"Authorization: DPoP " + token, "Dpop: " + prove("POST")}, 401},
		{"without", []string{"Authorization: DPoP " + token}, 401},
		{"as a bearer token", []string{bearer(token)}, 401},
	} {
		if a := c.do("GET", "https://localhost:5001/orders?page=2", "", row.headers...); a.StatusCode != row.status {
			t.Errorf("%s: %d %q", row.name, a.StatusCode, a.Header.Values("WWW-Authenticate"))
		}
	}
	args = append([]string{"token", "--issuer", c.url("https://localhost:5001")}, args...)
	stdout, _, code := c.types(typedCommand{args: append(args, "--dpop")})
	if code != 0 || !strings.HasPrefix(stdout, "a DPoP token from ") || !strings.Contains(stdout, `"cnf":{"jkt":"`) || !strings.Contains(stdout, "the key that it is bound to is forgotten") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	_, stderr, code := c.types(typedCommand{args: args})
	if code != 1 {
		t.Errorf("without a proof: exit code %d\n%s", code, stderr)
	}
}
