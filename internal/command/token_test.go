package command

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/client"
)

// newCall returns a command as if somebody typed it. Its output is lost.
func newCall(t *testing.T, cmd *cobra.Command, args ...string) *call {
	t.Helper()
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return &call{caddycmd.Flags{FlagSet: cmd.Flags()}, &printer{io.Discard, io.Discard}}
}

// The command reports missing flags and flags without effect before it sends anything. It
// repeats nothing that may be a secret.
func TestTokenFlagsThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text, long := file("text", "marigold"), file("long", strings.Repeat("marigold", 1000))
	as := func(more ...string) []string {
		return append([]string{"--issuer", "https://idp.example.com", "--client-id", "reader"}, more...)
	}
	at := func(endpoint string, more ...string) []string {
		return append([]string{"--token-endpoint", endpoint, "--client-id", "reader"}, more...)
	}
	for _, row := range []struct {
		name string
		args []string
		says string
	}{
		{"no issuer", []string{"--client-id", "reader"}, "give --issuer"},
		{"no client", []string{"--issuer", "https://idp.example.com"}, "give --client-id"},
		{"a secret as an argument", as("marigold"), "this command takes no arguments"},
		{"a key of DPoP as an argument", as("--secret-file", text, "--dpop", "marigold.pem"), "as in --dpop=<file>"},
		{"a secret as a name", as("--secret-env", "marigold"), "--secret-env does not name an environment variable"},
		{"a missing file", as("--secret-file", dir+"/missing"), "no such file"},
		{"a long file", as("--secret-file", long), "is longer than 4096 bytes"},
		{"two ways", as("--secret-file", text, "--key", text), "keep one of --secret-file and --key"},
		{"two secrets", as("--secret-file", text, "--secret-env", "HOME"), "keep one of --secret-file and --secret-env"},
		{"a key for no issuer", at("https://idp.example.com/token", "--key", text), "--key needs --issuer"},
		{"a key that is none", as("--key", text), "there are 0 private keys in it"},
		{"a symmetric algorithm", as("--key", text, "--alg", "HS256"), `the algorithm "HS256" is not one of`},
		{"an algorithm without a key", as("--alg", "ES256"), "--alg is of no use without --key"},
		{"a kid without a key", as("--kid", "1"), "--kid is of no use without --key"},
		{"a certificate that is none", as("--cert", text), "--cert and --cert-key: "},
		{"a key without a certificate", as("--cert-key", text), "--cert-key is of no use without --cert"},
		{"a key of DPoP that is none", as("--dpop="+text, "--secret-file", text), "--dpop: reading the private key"},
		{"a CA that is none", as("--ca", text, "--secret-file", text), "there is no certificate in"},
		{"a key in the body", as("--key", text, "--post"), "--post is of no use without a secret"},
		{"a certificate in the body", as("--cert", text, "--post"), "--post is of no use without a secret"},
		{"two forms", as("--raw", "--json"), "exclude each other"},
		{"no time", as("--timeout", "0s"), "--timeout must be more than 0"},
		{"plain http", []string{"--issuer", "http://idp.example.com", "--client-id", "reader", "--secret-file", text}, "must be https"},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := runToken(newCall(t, tokenCommand(), row.args...))
			if exitCode(err) != 2 || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "marigold") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestTokenFlags(t *testing.T) {
	for name, args := range map[string][]string{
		"a secret at the terminal": nil,
		"in the body":              {"--post"},
		"a bound token":            {"--dpop", "--cert", "c.pem", "--secret-file", "s"},
		"a secret, bound, in body": {"--cert", "c.pem", "--secret-file", "s", "--post"},
		"a key":                    {"--key", "k.pem", "--alg", "PS256", "--kid", "1"},
		"a certificate":            {"--cert", "c.pem", "--cert-key", "k.pem"},
		"an assertion":             {"--assertion-file", "/var/run/secrets/tokens/tokenidp"},
	} {
		if err := checkTokenFlags(newCall(t, tokenCommand(), append(args, "--issuer", "https://idp.example.com", "--client-id", "reader")...).Flags); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every refusal has advice.
func TestAdvice(t *testing.T) {
	secret, key, assertion, certificate := []string{"--secret-env", "A"}, []string{"--key", "a"}, []string{"--assertion-file", "a"}, []string{"--cert", "a"}
	for _, row := range []struct {
		refusal client.Refusal
		flags   []string
		says    string
	}{
		{client.Refusal{Status: 401, Code: "invalid_client"}, secret, "whether this secret is one of its own"},
		{client.Refusal{Status: 401, Code: "invalid_client"}, key, "whether this key is among its jwks"},
		{client.Refusal{Status: 401, Code: "invalid_client"}, assertion, "`federated` entry"},
		{client.Refusal{Status: 401, Code: "invalid_client"}, certificate, "registered with this certificate"},
		{client.Refusal{Status: 401, Code: "invalid_client"}, append(certificate, secret...), "whether this secret is one of its own"},
		{client.Refusal{Status: 400, Code: "unauthorized_client"}, nil, "grant_types"},
		{client.Refusal{Status: 400, Code: "invalid_scope"}, nil, "with --scope"},
		{client.Refusal{Status: 400, Code: "invalid_scope"}, []string{"--scope", "a"}, "written as there"},
		{client.Refusal{Status: 400, Code: "invalid_target"}, nil, "--resource"},
		{client.Refusal{Status: 400, Code: "invalid_dpop_proof"}, nil, "clocks"},
		{client.Refusal{Status: 400, Code: "invalid_request"}, nil, "the one way that it is registered with"},
		{client.Refusal{Status: 429, Code: "invalid_client", RetryAfter: 29500 * time.Millisecond}, nil, "try again in 30s"},
		{client.Refusal{Status: 503, Code: "temporarily_unavailable"}, nil, "try again later"},
		{client.Refusal{Status: 302, Location: "https://\x1b[31m"}, nil, `if https://\u001b[31m is right`},
		{client.Refusal{Status: 404}, nil, "no token endpoint"},
		{client.Refusal{Status: 418}, nil, "the server's log"},
	} {
		fl := newCall(t, tokenCommand(), row.flags...).Flags
		if got := exit(&cobra.Command{}, adviseRefused(&row.refusal, fl)).Error(); !strings.Contains(got, row.says) {
			t.Errorf("%+v %v: %s", row.refusal, row.flags, got)
		}
	}
	fl := newCall(t, tokenCommand()).Flags
	said := exit(&cobra.Command{}, adviseRefused(&client.Refusal{Status: 400, Code: "x", Description: "red \x1b[31m"}, fl)).Error()
	if strings.Contains(said, "\x1b") || !strings.HasPrefix(said, `the server refuses: 400 x: red \u001b[31m; `) {
		t.Errorf("%q", said)
	}
	unreachable := fmt.Errorf("asking: %w", &tls.CertificateVerificationError{Err: errors.New("expired")})
	if got := adviseUnreachable(unreachable).Error(); !strings.Contains(got, "look at its dates") {
		t.Error(got)
	}
}

// The time in which the user types a secret does not count for the server's timeout.
func TestTimeoutBeginsWhenTheCredentialsAreRead(t *testing.T) {
	t.Setenv("ORDERS", "marigold")
	call := newCall(t, tokenCommand(), "--issuer", "https://idp.example.com", "--client-id", "reader", "--secret-env", "ORDERS", "--timeout", "1h")
	c, err := newTokenClient(call)
	if err != nil {
		t.Fatal(err)
	}
	read, asked := time.Now(), 0
	c.Web.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		asked++
		if deadline, found := r.Context().Deadline(); !found || deadline.Before(read.Add(time.Hour)) {
			t.Errorf("%s has to answer by %s", r.URL, deadline)
		}
		return nil, errors.New("no network")
	})
	if _, err := askForToken(call.Flags, c); err == nil || asked == 0 {
		t.Errorf("%v: the server was asked %d times", err, asked)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The examples of the help also work with a shell variable that is not exported.
func TestHelpPipesAVariableThatIsNotExported(t *testing.T) {
	for _, cmd := range []*cobra.Command{proofCommand(), explainCommand(), revokeCommand()} {
		if !strings.Contains(cmd.Example, `printf %s "$TOKEN" | caddy tokenidp `+cmd.Name()) || strings.Contains(cmd.Example, "printenv") {
			t.Errorf("%s: %s", cmd.Name(), cmd.Example)
		}
	}
}

// A script can distinguish a server that asks it to wait from a server that refuses.
func TestTokenCommandIsAskedToWait(t *testing.T) {
	t.Setenv("ORDERS", "marigold")
	for status, want := range map[int]int{http.StatusTooManyRequests: 3, http.StatusServiceUnavailable: 3, http.StatusUnauthorized: 1} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
		}))
		err := runToken(newCall(t, tokenCommand(), "--token-endpoint", server.URL, "--client-id", "reader", "--secret-env", "ORDERS"))
		if code := exitCode(err); code != want || strings.Contains(err.Error(), "try again in 7s") != (want == 3) {
			t.Errorf("%d: exit code %d, %v", status, code, err)
		}
		server.Close()
	}
}
