package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	zitadel "github.com/zitadel/oidc/v3/pkg/client"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// keyedApplications has orders-worker authenticate by what the fields say.
func keyedApplications(fields string) string {
	return "resources: [{name: orders-api, scopes: [{name: orders.read}]}]\n" +
		"applications:\n  - client_id: orders-worker\n    scopes: [orders.read]\n" + fields + "\n"
}

func inlineKey(t *testing.T, key *rsa.PrivateKey, kid string) string {
	t.Helper()
	return "    jwks: " + keySet(t, jwkOf(key, kid, nil))
}

// startKeyed runs an issuer whose client signs assertions, and an API.
func startKeyed(t *testing.T, fields string, issuerOptions string, o options) *caddy {
	t.Helper()
	if o.files == nil {
		o.files = make(map[string]string)
	}
	o.files["applications.yaml"] = keyedApplications(fields)
	return start(t, strings.Replace(shopOptions, "applications.yaml\n", "applications.yaml\n"+issuerOptions+"\n", 1)+`
localhost:5001 {
	tokenidp
	handle /orders {
		verify orders.read
		respond "{http.auth.user.id}"
	}
	handle_errors {
		respond "{http.tokenidp.reason}"
	}
}
`, o)
}

// assertion is one of orders-worker for this issuer.
func (c *caddy) assertion(key *rsa.PrivateKey, kid string, changes members) string {
	c.t.Helper()
	return c.assertionBy(jose.RS256, key, kid, changes)
}

func (c *caddy) assertionBy(algorithm jose.SignatureAlgorithm, key *rsa.PrivateKey, kid string, changes members) string {
	c.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	claims := members{
		"iss": "orders-worker", "sub": "orders-worker", "aud": c.url("https://localhost:5001"),
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "jti": rand.Text(),
	}
	for name, value := range changes {
		claims[name] = value
	}
	text, err := jwt.Signed(signer).Claims(map[string]any(claims)).Serialize()
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}

// assert asks for a token with an assertion.
func (c *caddy) assert(assertion string, more ...string) *answer {
	c.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"orders.read"}, "client_assertion_type": {jwtBearer}, "client_assertion": {assertion}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return c.do(http.MethodPost, "https://localhost:5001/token", form.Encode(), "Content-Type: application/x-www-form-urlencoded")
}

// asserted is the token of an answer.
func (c *caddy) asserted(a *answer) string {
	c.t.Helper()
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || body.AccessToken == "" {
		c.t.Fatalf("no token: %d %s", a.StatusCode, a.body)
	}
	return body.AccessToken
}

// refusal is the reason of the refused token request of that number, from 1.
func (c *caddy) refusal(number int) string {
	c.t.Helper()
	var refused []map[string]any
	c.eventually("refusals", func() bool { refused = c.entries("token refused"); return len(refused) >= number })
	return fmt.Sprint(refused[number-1]["reason"])
}

// RFC 7523: a client that signs gets a token that opens the API; what it signed is
// used once, also after a reload, and is no token; a token is no assertion.
func TestPrivateKeyJWT(t *testing.T) {
	t.Parallel()
	c := startKeyed(t, inlineKey(t, attackerKey(), "worker-1"), "", options{})
	assertion := c.assertion(attackerKey(), "worker-1", nil)
	token := c.asserted(c.assert(assertion))
	if a := c.get("https://localhost:5001/orders", token); a.StatusCode != http.StatusOK || a.body != "orders-worker" {
		t.Errorf("the token: %d %s", a.StatusCode, a.body)
	}
	issued := c.entries("token issued")[0]
	if issued["method"] != "private_key_jwt" || issued["client_kid"] != "worker-1" || issued["client_id"] != "orders-worker" {
		t.Errorf("the log says %v", issued)
	}

	const refused = `{"error":"invalid_client","error_description":"client authentication failed"}`
	number := 0
	refuse := func(what string, a *answer, reason string) {
		t.Helper()
		number++
		if a.StatusCode != http.StatusUnauthorized || a.body != refused {
			t.Errorf("%s: %d %s", what, a.StatusCode, a.body)
		}
		if got := c.refusal(number); got != reason {
			t.Errorf("%s: reason %s, want %s", what, got, reason)
		}
	}
	refuse("a second use", c.assert(assertion), "assertion_replayed")
	config := strings.Replace(read(t, filepath.Join(c.dir, "Caddyfile")), "tokenidp\n\thandle", "tokenidp\n\theader X-Reloaded yes\n\thandle", 1)
	config = strings.Replace(config, "applications applications.yaml", "applications "+filepath.Join(c.dir, "applications.yaml"), 1)
	if a := c.administer(http.MethodPost, "/load", config, "Content-Type: text/caddyfile"); a.StatusCode != http.StatusOK {
		t.Fatalf("reload: %d %s", a.StatusCode, a.body)
	}
	refuse("a use after a reload", c.assert(assertion), "assertion_replayed")
	refuse("an access token", c.assert(token, "client_id", "orders-worker"), "assertion_wrong_type")
	refuse("the token endpoint as audience", c.assert(c.assertion(attackerKey(), "worker-1", members{"aud": c.url("https://localhost:5001/token")})), "assertion_wrong_audience")
	refuse("another key", c.assert(c.assertion(secondKey(), "worker-1", nil)), "assertion_bad_signature")

	// RFC 9068 section 4, RFC 8725 section 3.12.
	fresh := c.assertion(attackerKey(), "worker-1", members{"client_id": "orders-worker", "scope": "orders.read"})
	if a := c.get("https://localhost:5001/orders", fresh); a.StatusCode != http.StatusUnauthorized || a.body != "unknown_issuer" {
		t.Errorf("an assertion as a token: %d %s", a.StatusCode, a.body)
	}

	c.rewrite("applications.yaml", keyedApplications("    active: false\n"+inlineKey(t, attackerKey(), "worker-1")))
	c.eventually("the deactivation", func() bool {
		return c.get("https://localhost:5001/orders", token).StatusCode == http.StatusUnauthorized
	})
	refuse("a deactivated client", c.assert(c.assertion(attackerKey(), "worker-1", nil)), "inactive_client")
	for _, text := range []string{assertion, token, fresh} {
		if strings.Contains(c.logged(), text) || strings.Contains(c.metrics(), text) {
			t.Error("an assertion or a token is in the log or the metrics")
		}
	}
}

// Standard OAuth clients authenticate by assertion, with discovery.
func TestStandardClientsAssert(t *testing.T) {
	t.Parallel()
	t.Run("golang.org/x/oauth2", func(t *testing.T) {
		c := startKeyed(t, inlineKey(t, attackerKey(), "1"), "", options{})
		ctx := oidc.ClientContext(t.Context(), c.client())
		provider, err := oidc.NewProvider(ctx, c.url("https://localhost:5001"))
		if err != nil {
			t.Fatal(err)
		}
		var offered struct {
			Methods    []string `json:"token_endpoint_auth_methods_supported"`
			Algorithms []string `json:"token_endpoint_auth_signing_alg_values_supported"`
		}
		if err := provider.Claims(&offered); err != nil || !strings.Contains(fmt.Sprint(offered), "private_key_jwt") || !strings.Contains(fmt.Sprint(offered), "RS256") {
			t.Errorf("the metadata offer %v, %v", offered, err)
		}
		config := clientcredentials.Config{
			ClientID: "orders-worker", TokenURL: provider.Endpoint().TokenURL, Scopes: []string{"orders.read"}, AuthStyle: oauth2.AuthStyleInParams,
			EndpointParams: url.Values{"client_assertion_type": {jwtBearer}, "client_assertion": {c.assertion(attackerKey(), "1", nil)}},
		}
		token, err := config.Token(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if a := c.get("https://localhost:5001/orders", token.AccessToken); a.StatusCode != http.StatusOK || a.body != "orders-worker" {
			t.Errorf("the token: %d %s", a.StatusCode, a.body)
		}
	})
	// It writes the audience as a list, as RFC 7523 lets it.
	t.Run("github.com/zitadel/oidc", func(t *testing.T) {
		c := startKeyed(t, inlineKey(t, attackerKey(), "1"), "insecure_assertion_audience", options{})
		found, err := zitadel.Discover(t.Context(), c.url("https://localhost:5001"), c.client())
		if err != nil {
			t.Fatal(err)
		}
		key := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(attackerKey())})
		signer, err := zitadel.NewSignerFromPrivateKeyByte(key, "1")
		if err != nil {
			t.Fatal(err)
		}
		for _, audience := range []string{found.Issuer, found.TokenEndpoint} {
			assertion, err := zitadel.SignedJWTProfileAssertion("orders-worker", []string{audience}, time.Minute, signer)
			if err != nil {
				t.Fatal(err)
			}
			c.asserted(c.assert(assertion))
		}
		if !strings.Contains(c.logged(), "insecure_assertion_audience: ") {
			t.Error("the log does not warn")
		}
	})
}

// A new key in the file is in force without a reload, and the old one is not.
func TestKeysFileChangesWhileRunning(t *testing.T) {
	t.Parallel()
	c := startKeyed(t, "    jwks_file: keys/worker.json", "", options{files: map[string]string{"keys/worker.json": keySet(t, jwkOf(attackerKey(), "1", nil))}})
	c.asserted(c.assert(c.assertion(attackerKey(), "1", nil)))
	public, err := x509.MarshalPKIXPublicKey(secondKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	c.rewrite("keys/worker.json", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
	changed := fmt.Sprint(c.entries("applications changed")[0]["changes"])
	if !strings.Contains(changed, `application "orders-worker" gained key without kid (RS256 `) || !strings.Contains(changed, `lost key 1 (RS256 `) {
		t.Errorf("the log says %s", changed)
	}
	c.asserted(c.assert(c.assertion(secondKey(), "2", nil)))
	if a := c.assert(c.assertion(attackerKey(), "1", nil)); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("the old key: %d", a.StatusCode)
	}
}

// A client publishes its keys: they are fetched over TLS, once for all who ask, kept
// over a reload, and left alone when nobody names them any more.
func TestJWKSURI(t *testing.T) {
	t.Parallel()
	worker := newForeign(t, "")
	worker.publishKeys(jwkOf(attackerKey(), "1", nil))
	c := startKeyed(t, "    jwks_uri: "+worker.server.URL+"/keys", "insecure_private_jwks_uri", options{env: []string{"SSL_CERT_FILE=" + worker.caFile()}})
	c.fetched(1)
	c.asserted(c.assert(c.assertion(attackerKey(), "1", nil)))
	c.asserted(c.assert(c.assertion(attackerKey(), "1", nil)))
	if n := len(worker.requests("/keys")); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	if !strings.Contains(c.logged(), "insecure_private_jwks_uri: ") {
		t.Error("the log does not warn")
	}
	stored := func(text string) {
		t.Helper()
		c.eventually("it is stored", func() bool {
			stored, err := filepath.Glob(filepath.Join(c.home, ".local/share/caddy/tokenidp/*/private_clients/tokenidp/*/jwks.json"))
			return err == nil && len(stored) == 1 && strings.Contains(read(t, stored[0]), text)
		})
	}
	stored(`"kid":"1"`)
	worker.setDown(true)
	c = c.restarted()
	c.asserted(c.assert(c.assertion(attackerKey(), "1", nil)))
	if a := c.assert(c.assertion(secondKey(), "2", nil)); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a key that cannot be fetched: %d", a.StatusCode)
	}

	worker.publishKeys() // it withdraws its only key
	worker.setDown(false)
	c = c.restarted()
	c.eventually("the withdrawal", func() bool {
		return c.assert(c.assertion(attackerKey(), "1", nil)).StatusCode == http.StatusUnauthorized
	})
	c.entries("there is no usable key, so that nothing verifies until one is published")
	stored(`"keys":[]`)
	worker.setDown(true)
	c = c.restarted()
	if a := c.assert(c.assertion(attackerKey(), "1", nil)); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a key that was withdrawn: %d", a.StatusCode)
	}

	c.rewrite("applications.yaml", keyedApplications(inlineKey(t, secondKey(), "2")))
	c.entries("applications changed")
	c.asserted(c.assert(c.assertion(secondKey(), "2", nil)))
	if a := c.assert(c.assertion(attackerKey(), "1", nil)); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("the key of a URL that nobody names: %d", a.StatusCode)
	}
}

// RFC 7591 section 2, RFC 7517 section 4.4: a key need not name its algorithm, where
// the client is declared with it.
func TestJWKSURIOfKeysWithoutAlgorithm(t *testing.T) {
	t.Parallel()
	worker := newForeign(t, "")
	worker.publishKeys(jwkOf(attackerKey(), "1", members{"alg": absent{}}))
	c := startKeyed(t, "    token_endpoint_auth_signing_alg: PS256\n    jwks_uri: "+worker.server.URL+"/keys", "insecure_private_jwks_uri", options{env: []string{"SSL_CERT_FILE=" + worker.caFile()}})
	c.fetched(1)
	c.asserted(c.assert(c.assertionBy(jose.PS256, attackerKey(), "1", nil)))
	if a := c.assert(c.assertion(attackerKey(), "1", nil)); a.StatusCode != http.StatusUnauthorized || c.refusal(1) != "assertion_wrong_algorithm" {
		t.Errorf("another algorithm: %d %s", a.StatusCode, a.body)
	}
}

// RFC 8725bis: whoever writes a file of Applications does not have this server ask
// its own networks.
func TestJWKSURILeadsToThePublicInternetOnly(t *testing.T) {
	t.Parallel()
	worker := newForeign(t, "")
	worker.publishKeys(jwkOf(attackerKey(), "1", nil))
	c := startKeyed(t, "    jwks_uri: "+worker.server.URL+"/keys", "", options{env: []string{"SSL_CERT_FILE=" + worker.caFile()}})
	if a := c.assert(c.assertion(attackerKey(), "1", nil)); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", a.StatusCode)
	}
	refused := c.entries("token refused")[0]
	if refused["reason"] != "assertion_keys_unavailable" || !strings.Contains(fmt.Sprint(refused["cause"]), "not an address of the public Internet") {
		t.Errorf("the log says %v", refused)
	}
	if n := len(worker.requests("/keys")); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
}
