package command

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// hostile has the characters that a terminal interprets: C0, DEL, C1 and bidi control
// characters, line breaks, and invalid UTF-8.
const hostile = "red\x1b[31m\x00\t\r\n\x7f\u009b31m\u202e\u2066\U000e0001\xff"

// harmless reports whether a terminal shows the text unchanged.
func harmless(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) })
}

// hostilely returns a value of the type with the hostile text in every string.
func hostilely[T any]() (value T) {
	fill(reflect.ValueOf(&value).Elem())
	return value
}

func fill(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)))
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		encoded, _ := json.Marshal(map[string]string{"a": hostile})
		v.SetBytes(encoded)
	case v.Kind() == reflect.String:
		v.SetString(hostile)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(hostile), reflect.ValueOf(1))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	}
}

// hostileServer starts an admin endpoint with hostile text in every string.
func hostileServer(t *testing.T) (address string) {
	t.Helper()
	config := `{"apps":{"http":{"servers":{"a":{"routes":[{"match":[{"path":["/` + "\u009b" + `"]}],"handle":[{"handler":"reverse_proxy","upstreams":[{"dial":"` + "\u202e" + `"}]}]}]}}}}}`
	return adminServer(t, map[string]any{
		"/tokenidp/keys":         hostilely[[]adminapi.IssuerKeys](),
		"/tokenidp/keys/rotate":  hostilely[adminapi.Rotation](),
		"/tokenidp/status":       hostilely[adminapi.Status](),
		"/tokenidp/report":       hostilely[[]adminapi.RouteReport](),
		"/tokenidp/secrets":      hostilely[[]adminapi.IssuerSecrets](),
		"/tokenidp/trusted":      hostilely[[]adminapi.TrustedIssuer](),
		"/tokenidp/applications": hostilely[adminapi.Applications](),
		"/tokenidp/explain":      hostilely[adminapi.Explanation](),
		"/tokenidp/revoke":       hostilely[adminapi.RevokeResult](),
		"/config/":               json.RawMessage(config),
	})
}

// A terminal does not interpret names in a configuration either.
func TestNothingHostileOfAConfigurationIsPrinted(t *testing.T) {
	text, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "caddy.json")
	config := fmt.Sprintf(`{"apps": {"tokenidp": {"trusted": [{"issuer": "https://a.example", "jwks_file": "not-here.json", "audience": ["orders-api"]}]},
		"http": {"servers": {"s": {"listen": [":443"], "routes": [
			{"match": [{"path": ["/a*", %s]}], "handle": [{"handler": "verify", "audience": ["orders-api"], "scopes": ["a"], "source": %[1]s}, {"handler": "reverse_proxy", "upstreams": [{"dial": %[1]s}]}]},
			{"match": [{"path": [%[1]s, "/b"]}], "handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": %[1]s}]}]}]}}}}}`, text)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"--denied", "--json", "--markdown", "--mermaid"} {
		checkHarmless(t, "access", "--config", file, how)
		if r := run(t, "access", "--config", file, how); r.code != 0 || !strings.Contains(r.stdout, "reverse") {
			t.Errorf("%s: %+v", how, r)
		}
	}
}

// adminServer is an admin endpoint with these answers.
func adminServer(t *testing.T, answers map[string]any) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			answer = map[string]string{"error": "there is no " + hostile}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// ran is the output of a command, and how it ended.
type ran struct {
	stdout, stderr string
	code           int
}

// run runs `caddy tokenidp` with arguments. Its error, which goes into Caddy's log,
// counts as printed.
func run(t *testing.T, args ...string) (r ran) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	root := &cobra.Command{Use: "caddy", SilenceUsage: true}
	group := &cobra.Command{Use: "tokenidp"}
	addCommands(group)
	root.AddCommand(group)
	root.SetArgs(append([]string{"tokenidp"}, args...))
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	if err := root.Execute(); err != nil {
		fmt.Fprintln(&stderr, err)
		r.code = 1
		if code := reflect.Indirect(reflect.ValueOf(err)).FieldByName("ExitCode"); code.IsValid() {
			r.code = int(code.Int()) // of an error of Caddy's
		}
	}
	r.stdout, r.stderr = stdout.String(), stderr.String()
	return r
}

// A terminal shows the answer of a server and the input of a user, and does not interpret
// them.
func TestNothingHostileIsPrinted(t *testing.T) {
	address := hostileServer(t)
	for _, args := range [][]string{
		{"status"}, {"report"}, {"trusted"}, {"keys"}, {"keys", "rotate"}, {"secrets"}, {"access"},
		{"secrets", "--client", hostile, "--id", hostile, "--retire"},
		{"access", "--client", hostile},
		{"access", "--denied", "--route", "/" + hostile},
		{"explain", hostile},
		{"explain", "--route", hostile, "a.b.c"},
		{"revoke", "--client", hostile},
		{"revoke", "--client", hostile, "--before", hostile},
		{"status", hostile},
		{"status", "--" + hostile},
		{"keys", hostile},
	} {
		for _, how := range []string{"--json=false", "--json"} {
			checkHarmless(t, append(args, "--address", address, how)...)
		}
	}
	for _, args := range [][]string{
		{hostile},
		{"status", "--address", hostile},
		{"status", "--config", hostile},
		{"access", "--offline", "--config", hostile},
		{"keypair", "--alg", hostile},
		{"keypair", "--out", filepath.Join(t.TempDir(), "missing", "red\x1b[31m")},
		{"proof", "--key", "red\x1b[31m", "--url", "https://api.example.com"},
		{"secret", "--id", hostile},
		{"secret", "--expires", hostile},
		{"token", "--issuer", "https://" + hostile, "--client-id", hostile, "--secret-env", "HOME"},
	} {
		checkHarmless(t, args...)
	}
}

func checkHarmless(t *testing.T, args ...string) {
	t.Helper()
	r := run(t, args...)
	if !harmless(r.stdout) || !harmless(r.stderr) {
		t.Errorf("%q prints %q and %q", args, r.stdout, r.stderr)
	}
	if r.stdout != "" && args[len(args)-1] == "--json" && !json.Valid([]byte(r.stdout)) {
		t.Errorf("%q: no JSON: %q", args, r.stdout)
	}
	if r.stdout+r.stderr == "" {
		t.Errorf("%q prints nothing", args)
	}
}

// A terminal does not interpret the answer of a token endpoint, or the name in a
// certificate.
func TestNothingHostileOfTheNetworkIsPrinted(t *testing.T) {
	t.Setenv("ORDERS", "marigold")
	text, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]http.HandlerFunc{
		"a token": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Client-Secret-Expires-At", "\u009b31m")
			fmt.Fprintf(w, `{"access_token":"a.b.c","token_type":%s,"scope":%[1]s,"expires_in":60}`, text)
		},
		"an error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":%s,"error_description":%[1]s}`, text)
		},
		"a redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://\u009b31m\u202e")
			w.WriteHeader(http.StatusFound)
		},
	} {
		server := httptest.NewServer(answer)
		for _, how := range []string{"--json", "--raw", "--post"} {
			t.Run(name+" "+how, func(t *testing.T) {
				checkHarmless(t, "token", "--token-endpoint", server.URL, "--client-id", "reader", "--secret-env", "ORDERS", how)
			})
		}
		server.Close()
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certified(t, "red\x1b[31m")}, MinVersion: tls.VersionTLS13}
	server.StartTLS()
	defer server.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.TLS.Certificates[0].Certificate[0]})
	if err := os.WriteFile(authority, encoded, 0o600); err != nil {
		t.Fatal(err)
	}
	endpoint := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	args := []string{"token", "--token-endpoint", endpoint, "--client-id", "reader", "--secret-env", "ORDERS", "--ca", authority}
	checkHarmless(t, args...)
	if r := run(t, args...); r.code != 2 || !strings.Contains(r.stderr, `red\u001b[31m`) || !strings.Contains(r.stderr, "ask for the name that the certificate has") {
		t.Errorf("%+v", r)
	}
}

// certified makes a self-signed certificate for a name.
func certified(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
