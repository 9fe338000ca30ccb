package e2e

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/client"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// madeKey is a key of `caddy tokenidp keypair`.
type madeKey struct {
	file        string // of the private half
	declaration string // the YAML to paste
	id          string
	sample      string // an assertion, where there is one
}

var kidForm = regexp.MustCompile(`kid: "([A-Za-z0-9_-]+)"`)

func makeKey(t *testing.T, dir, algorithm string, more ...string) madeKey {
	t.Helper()
	file := filepath.Join(dir, algorithm+".pem")
	stdout, stderr, code := command(t, dir, "", append([]string{"tokenidp", "keypair", "--alg", algorithm, "--out", file}, more...)...)
	declaration := keypairYAML.FindString(stdout)
	if code != 0 || stderr != "" || declaration == "" {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	_, sample, _ := strings.Cut(stdout, "client_assertion=")
	return madeKey{file, declaration, kidForm.FindStringSubmatch(declaration)[1], strings.TrimSpace(sample)}
}

const keyCaddyfile = shopOptions + `
localhost:5001 {
	tokenidp
` + guardedOrders + `
}
`

// startWithKey runs Caddy with one Application, which is declared as is pasted.
func startWithKey(t *testing.T, p *ports, declaration string) *caddy {
	t.Helper()
	return start(t, keyCaddyfile, options{ports: p, files: map[string]string{
		"applications.yaml": orderScopes + "applications:\n  - client_id: worker\n    scopes: [orders.read]\n" + declaration,
	}})
}

// What keypair prints is pasted as it is, and token authenticates with what it wrote.
func TestTokenCommandWithAKey(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"ES256", "PS256", "RS256", "EdDSA", "Ed25519"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			p := newPorts(t)
			issuer := p.replace("https://localhost:5001")
			key := makeKey(t, t.TempDir(), algorithm, "--client-id", "worker", "--issuer", issuer)
			c := startWithKey(t, p, key.declaration)
			args := []string{"--client-id", "worker", "--scope", "orders.read", "--key", key.file}
			if algorithm == "PS256" { // which is not what it takes an RSA key for
				args = append(args, "--alg", "PS256")
			}
			token := c.getToken("", args...)
			if a := c.do("GET", "https://localhost:5001/orders", "", bearer(token)); a.StatusCode != 200 || a.body != "worker" {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			// RFC 7523 section 3: the sample is good for one request.
			for _, status := range []int{200, 401} {
				form := url.Values{
					"grant_type": {"client_credentials"}, "scope": {"orders.read"}, "client_assertion": {key.sample},
					"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
				}
				if a := c.do("POST", "https://localhost:5001/token", form.Encode(), formEncoded); a.StatusCode != status {
					t.Errorf("the sample: %d %s", a.StatusCode, a.body)
				}
			}
			another := makeKey(t, t.TempDir(), algorithm)
			_, stderr, code := c.types(typedCommand{args: append([]string{"token", "--issuer", issuer}, append(args, "--key", another.file)...)})
			if code != 1 || !strings.Contains(stderr, "whether this key is among its jwks") {
				t.Errorf("exit code %d\n%s", code, stderr)
			}
			for _, secret := range []string{key.sample, token} {
				if strings.Contains(c.logged(), secret) {
					t.Error("a token or an assertion is in the log")
				}
			}
		})
	}
}

// The libraries of others make assertions: github.com/zitadel/oidc as RFC 7523 had
// them, for a list, which has to be asked for.
func TestZitadelAssertions(t *testing.T) {
	t.Parallel()
	key := makeKey(t, t.TempDir(), "RS256")
	signer, err := client.NewSignerFromPrivateKeyByte([]byte(pkcs1(t, key.file)), key.id)
	if err != nil {
		t.Fatal(err)
	}
	for option, passes := range map[string]bool{"": false, "insecure_assertion_audience": true} {
		c := start(t, strings.Replace(keyCaddyfile, "applications applications.yaml", "applications applications.yaml\n"+option, 1), options{files: map[string]string{
			"applications.yaml": orderScopes + "applications:\n  - client_id: worker\n    scopes: [orders.read]\n" + key.declaration,
		}})
		a := askWithZitadel(t, c, signer)
		if passed := a.StatusCode == http.StatusOK; passed != passes {
			t.Errorf("with %q: %d %s", option, a.StatusCode, a.body)
		}
	}
}

func askWithZitadel(t *testing.T, c *caddy, signer jose.Signer) *answer {
	t.Helper()
	assertion, err := client.SignedJWTProfileAssertion("worker", []string{c.url("https://localhost:5001")}, time.Minute, signer)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"orders.read"}, "client_assertion": {assertion}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
	return c.do("POST", "https://localhost:5001/token", form.Encode(), formEncoded)
}

// pkcs1 is a private RSA key in the older form.
func pkcs1(t *testing.T, file string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(read(t, file)))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key.(*rsa.PrivateKey))}))
}

// golang.org/x/oauth2 sends an assertion that the caller made.
func TestOAuth2WithAnAssertion(t *testing.T) {
	t.Parallel()
	p := newPorts(t)
	key := makeKey(t, t.TempDir(), "ES256", "--client-id", "worker", "--issuer", p.replace("https://localhost:5001"))
	c := startWithKey(t, p, key.declaration)
	config := clientcredentials.Config{
		ClientID: "worker", TokenURL: c.url("https://localhost:5001/token"), Scopes: []string{"orders.read"}, AuthStyle: oauth2.AuthStyleInParams,
		EndpointParams: url.Values{
			"client_assertion": {key.sample}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		},
	}
	token, err := config.Token(oidc.ClientContext(t.Context(), c.client()))
	if err != nil {
		t.Fatal(err)
	}
	if a := c.do("GET", "https://localhost:5001/orders", "", bearer(token.AccessToken)); a.StatusCode != 200 || a.body != "worker" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
