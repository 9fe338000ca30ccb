package e2e

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// typedCommand is a command of Caddy's, and what is on its standard input.
type typedCommand struct {
	stdin string
	env   []string
	args  []string
}

// types types a command on the machine of a running Caddy, in its folder.
func (c *caddy) types(typed typedCommand) (stdout, stderr string, code int) {
	c.t.Helper()
	cmd := caddyCommand(c.dir, c.home, c.admin, append([]string{"tokenidp"}, typed.args...)...)
	cmd.Env = append(cmd.Env, typed.env...)
	cmd.Stdin = strings.NewReader(typed.stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// getToken runs `caddy tokenidp token --raw` against this Caddy's own issuer, for a
// token that works.
func (c *caddy) getToken(stdin string, args ...string) string {
	c.t.Helper()
	args = append([]string{"token", "--raw", "--issuer", c.url("https://localhost:5001")}, args...)
	stdout, stderr, code := c.types(typedCommand{stdin: stdin, args: args})
	token, ok := strings.CutSuffix(stdout, "\n")
	if code != 0 || stderr != "" || !ok || strings.ContainsAny(token, " \n") || strings.Count(token, ".") != 2 {
		c.t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	return token
}

const guardedOrders = `
	handle /orders* {
		verify orders.read
		respond "{http.auth.user.id}"
	}`

// A token by each way in which a secret is given, and sent.
func TestTokenCommandWithASecret(t *testing.T) {
	t.Parallel()
	c := startShop(t, guardedOrders)
	write(t, filepath.Join(c.dir, "secret"), shopSecret)
	write(t, filepath.Join(c.dir, "secret-line"), shopSecret+"\r\n")
	endpoint := []string{"--token-endpoint", c.url("https://localhost:5001/token"), "--client-id", "orders-worker", "--scope", "orders.read"}
	issuer := []string{"--issuer", c.url("https://localhost:5001"), "--client-id", "orders-worker", "--scope", "orders.read"}
	for _, row := range []struct {
		name  string
		typed typedCommand
	}{
		{"on standard input, a line", typedCommand{stdin: shopSecret + "\n", args: issuer}},
		{"in a file, a line", typedCommand{args: append(issuer, "--secret-file", "secret-line")}},
		{"in the environment", typedCommand{env: []string{"ORDERS=" + shopSecret}, args: append(issuer, "--secret-env", "ORDERS")}},
		{"in the body", typedCommand{stdin: shopSecret, args: append(issuer, "--post")}},
		{"at an endpoint", typedCommand{stdin: shopSecret, args: endpoint}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.typed.args = append([]string{"token", "--raw"}, row.typed.args...)
			stdout, stderr, code := c.types(row.typed)
			if code != 0 || stderr != "" {
				t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
			}
			a := c.do(http.MethodGet, "https://localhost:5001/orders", "", "Authorization: Bearer "+strings.TrimSuffix(stdout, "\n"))
			if a.StatusCode != http.StatusOK || a.body != "orders-worker" {
				t.Errorf("%d %q with the token %q", a.StatusCode, a.body, stdout)
			}
		})
	}
}

// What a token says is shown, and what makes it one is not.
func TestTokenCommandShowsWhatIsInIt(t *testing.T) {
	t.Parallel()
	c := startShop(t, "")
	args := []string{"token", "--issuer", c.url("https://localhost:5001"), "--client-id", "reader"}
	stdout, stderr, code := c.types(typedCommand{stdin: shopSecret, args: args})
	want := regexp.MustCompile(`^a Bearer token from ` + c.url("https://localhost:5001") + `, valid for 5m0s
the token says
  issuer     ` + c.url("https://localhost:5001") + `
  client_id  reader
  audience   orders-api
  scope      orders.read
  issued     .*
  expires    .*, in (5m0s|4m\d\ds)
  kid        \d{4}-\d\d-\d\d\.\d{6}
  alg, typ   RS256 at\+jwt
  header     \{.*\}
  claims     \{.*"sub":"reader".*\}
the token itself is printed with --raw, or with --json
$`)
	if code != 0 || stderr != "" || !want.MatchString(stdout) || strings.Contains(stdout, "eyJ") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	stdout, _, _ = c.types(typedCommand{stdin: shopSecret, args: append(args, "--json")})
	var shown struct {
		AccessToken string         `json:"access_token"`
		TokenType   string         `json:"token_type"`
		ExpiresIn   int            `json:"expires_in"`
		Scope       string         `json:"scope"`
		Header      map[string]any `json:"header"`
		Claims      map[string]any `json:"claims"`
	}
	decoder := json.NewDecoder(strings.NewReader(stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&shown); err != nil || shown.TokenType != "Bearer" || shown.ExpiresIn != 300 || shown.Scope != "orders.read" ||
		shown.Header["typ"] != "at+jwt" || shown.Claims["client_id"] != "reader" || strings.Count(shown.AccessToken, ".") != 2 {
		t.Errorf("%v: %s", err, stdout)
	}
}

// otherAuthority is a certificate that has signed for no Caddy.
func otherAuthority(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

// Wrong usage is told apart from a refusal, and no secret is repeated.
func TestTokenCommandRefuses(t *testing.T) {
	t.Parallel()
	c := startShop(t, guardedOrders)
	write(t, filepath.Join(c.dir, "other.pem"), otherAuthority(t))
	issuer := c.url("https://localhost:5001")
	as := func(id string, more ...string) []string {
		return append([]string{"--issuer", issuer, "--client-id", id}, more...)
	}
	for _, row := range []struct {
		name, stdin string
		args        []string
		code        int
		says        string
	}{
		{"a wrong secret", "marigold", as("reader"), 1, "401 invalid_client"},
		{"another method", shopSecret, as("basic-only", "--scope", "orders.read", "--post"), 1, "401 invalid_client"},
		{"no scope", shopSecret, as("orders-worker"), 1, "invalid_scope: no scope was requested, and the client has no default; ask for scopes with --scope"},
		{"a scope of others", shopSecret, as("reader", "--scope", "orders.write"), 1, "ask for scopes that the Application has"},
		{"two APIs", shopSecret, as("orders-worker", "--scope", "orders.read stock.read"), 1, "ask for scopes of one API at a time"},
		{"no token endpoint", shopSecret, []string{"--token-endpoint", issuer + "/orders", "--client-id", "reader"}, 1, "401 Unauthorized"},
		{"no metadata", shopSecret, []string{"--issuer", issuer + "/nowhere", "--client-id", "reader"}, 2, "reading the metadata"},
		{"a CA of others", shopSecret, as("reader", "--ca", "other.pem"), 2, "give the certificate of its CA with --ca"},
		{"a secret as an argument", "", as("reader", "marigold"), 2, "this command takes no arguments"},
		{"an unknown flag", "", as("reader", "--secret"), 2, "unknown flag: --secret"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := c.types(typedCommand{stdin: row.stdin, args: append([]string{"token"}, row.args...)})
			if code != row.code || stdout != "" || !strings.Contains(strings.ReplaceAll(stderr, `\"`, `"`), row.says) {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
			if strings.Contains(stderr, "marigold") || strings.Contains(stderr, shopSecret) {
				t.Errorf("a secret is repeated: %s", stderr)
			}
		})
	}
}

// A secret that expires soon is told of where a person looks, and not in the way of
// a script.
func TestTokenCommandTellsOfAnExpiry(t *testing.T) {
	t.Parallel()
	c := start(t, shopCaddyfile, options{files: map[string]string{"applications.yaml": orderScopes + fmt.Sprintf(`
applications:
  - client_id: worker
    secrets: [{id: "1", hash: %q, expires: %s}]
    scopes: [orders.read]
    default_scopes: [orders.read]
`, sha256Of(generatedSecret), time.Now().AddDate(0, 0, 7).Format(time.DateOnly))}})
	stdout, stderr, code := c.types(typedCommand{stdin: generatedSecret, args: []string{"token", "--raw", "--issuer", c.url("https://localhost:5001"), "--client-id", "worker"}})
	if code != 0 || !strings.HasPrefix(stdout, "eyJ") || !strings.Contains(stderr, "warning: the secret expires on ") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}
