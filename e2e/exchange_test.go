package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// startExample runs Caddyfile.example as it is, ports aside.
func startExample(t *testing.T) *caddy {
	t.Helper()
	return start(t, read(t, "../Caddyfile.example"), options{
		files: map[string]string{"applications.example.yaml": read(t, "../applications.example.yaml")},
	})
}

// The exchange of the how-to page, as written there.
func TestExchangeOfThePage(t *testing.T) {
	t.Parallel()
	c := startExample(t)
	a := c.do(http.MethodPost, "https://localhost:5001/token",
		`{"grantType":"client_credentials","clientId":"orders-worker","clientSecret":"replace-with-real-secret","scope":"orders.read orders.write"}`,
		"Content-Type: application/json")
	if a.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %q", got)
	}
	exact := regexp.MustCompile(`^\{"isSuccess":true,"data":\{"accessToken":"([A-Za-z0-9_.-]+)","tokenType":"Bearer","expiresIn":3600\}\}$`)
	match := exact.FindStringSubmatch(a.body)
	if match == nil {
		t.Fatalf("body: %s", a.body)
	}
	checkHeader(t, match[1])
	checkAgainstJWKS(t, c, match[1])
	checkOrders(t, c, match[1])
	checkStartLine(t, c)
}

func checkHeader(t *testing.T, token string) {
	t.Helper()
	encoded, _, _ := strings.Cut(token, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	var header map[string]string
	if err := json.Unmarshal(decoded, &header); err != nil {
		t.Fatal(err)
	}
	if header["alg"] != "RS256" || header["typ"] != "at+jwt" || len(header) != 3 {
		t.Errorf("header %s", decoded)
	}
	if !regexp.MustCompile(`^\d{4}-\d{2}-\d{2}\.\d{6}$`).MatchString(header["kid"]) {
		t.Errorf("kid %q is not a date with drawn digits", header["kid"])
	}
}

// checkAgainstJWKS verifies the signature with somebody else's code.
func checkAgainstJWKS(t *testing.T, c *caddy, token string) {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), c.client())
	keys := oidc.NewRemoteKeySet(ctx, c.url("https://localhost:5001/.well-known/jwks.json"))
	payload, err := keys.VerifySignature(ctx, token)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		ClientID string `json:"client_id"`
		Scope    string `json:"scope"`
		ID       string `json:"jti"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(payload)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&claims); err != nil {
		t.Fatalf("%v in %s", err, payload)
	}
	if claims.Issuer != c.url("https://localhost:5001") || claims.Subject != "orders-worker" || claims.ClientID != "orders-worker" ||
		claims.Audience != "orders-api" || claims.Scope != "orders.read orders.write" || claims.ID == "" ||
		claims.Expires-claims.IssuedAt != 3600 {
		t.Errorf("claims %s", payload)
	}
}

// checkOrders calls the protected API with the token, without one, and with one
// that lacks the scope.
func checkOrders(t *testing.T, c *caddy, token string) {
	t.Helper()
	const orders = "https://localhost:5001/orders/17"
	realm := `Bearer realm="` + c.url("https://localhost:5001") + `"`
	for _, row := range []struct {
		name, method, token string
		status              int
		body, challenge     string
	}{
		{"with the token", http.MethodPost, token, 200, "Hello orders-worker, you may orders.read orders.write\n", ""},
		{"without a token", http.MethodGet, "", 401, "", realm + `, scope="orders.read"`},
		{"with a token that lacks the scope", http.MethodPost, c.token("orders-worker", "orders.read"), 403, "",
			realm + `, error="insufficient_scope", error_description="The access token lacks a scope that this resource requires", scope="orders.write"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			var headers []string
			if row.token != "" {
				headers = append(headers, "Authorization: Bearer "+row.token)
			}
			a := c.do(row.method, orders, "", headers...)
			if a.StatusCode != row.status || a.body != row.body || a.Header.Get("WWW-Authenticate") != row.challenge {
				t.Errorf("%d %q %q", a.StatusCode, a.body, a.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

// checkStartLine looks for the one line that says what was loaded.
func checkStartLine(t *testing.T, c *caddy) {
	t.Helper()
	lines := c.entries("issuer ready")
	if len(lines) != 1 {
		t.Fatalf("%d lines say what was loaded", len(lines))
	}
	for name, want := range map[string]any{
		"issuer": c.url("https://localhost:5001"), "applications": 1.0, "active": 1.0, "resources": 1.0, "scopes": 2.0, "algorithm": "RS256",
	} {
		if lines[0][name] != want {
			t.Errorf("%s: %v, want %v", name, lines[0][name], want)
		}
	}
}

// Standard OAuth clients work as they are, with discovery (RFC 8414, OpenID).
func TestStandardClients(t *testing.T) {
	t.Parallel()
	c := startExample(t)
	ctx := oidc.ClientContext(t.Context(), c.client())
	provider, err := oidc.NewProvider(ctx, c.url("https://localhost:5001"))
	if err != nil {
		t.Fatal(err)
	}
	openID := c.do(http.MethodGet, "https://localhost:5001/.well-known/openid-configuration", "")
	oauthServer := c.do(http.MethodGet, "https://localhost:5001/.well-known/oauth-authorization-server", "")
	if openID.body != oauthServer.body {
		t.Errorf("the two metadata documents differ:\n%s\n%s", openID.body, oauthServer.body)
	}
	for name, style := range map[string]oauth2.AuthStyle{"Basic": oauth2.AuthStyleInHeader, "body": oauth2.AuthStyleInParams, "detected": oauth2.AuthStyleAutoDetect} {
		t.Run(name, func(t *testing.T) {
			config := clientcredentials.Config{
				ClientID: "orders-worker", ClientSecret: "replace-with-real-secret",
				TokenURL: provider.Endpoint().TokenURL, Scopes: []string{"orders.read"}, AuthStyle: style,
			}
			checkClient(t, ctx, c, provider, &config)
		})
	}
}

// People and clients that look for a sign-in are told that there is none, and are sent
// nowhere.
func TestAuthorizationEndpoint(t *testing.T) {
	t.Parallel()
	c := startExample(t)
	var metadata struct {
		AuthorizationEndpoint string `json:"authorization_endpoint"`
	}
	discover(t, c.client(), c.url("https://localhost:5001/.well-known/openid-configuration"), &metadata)
	query := "?response_type=code&client_id=orders-worker&redirect_uri=https%3A%2F%2Fevil.example.com%2F&state=zzzz"
	for accept, says := range map[string]string{"text/html,*/*": "Nobody signs in here", "application/json": `"error":"unauthorized_client"`} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			a := c.do(method, metadata.AuthorizationEndpoint+query, "", "Accept: "+accept)
			if a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, says) || a.Header.Get("Location") != "" || strings.Contains(a.body, "evil") {
				t.Errorf("%s, %s: %d %v %s", method, accept, a.StatusCode, a.Header, a.body)
			}
		}
	}
}

func checkClient(t *testing.T, ctx context.Context, c *caddy, provider *oidc.Provider, config *clientcredentials.Config) {
	t.Helper()
	token, err := config.Token(ctx)
	if err != nil {
		t.Fatal(err)
	}
	verified, err := provider.Verifier(&oidc.Config{ClientID: "orders-api"}).Verify(ctx, token.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if verified.Subject != "orders-worker" {
		t.Errorf("subject %q", verified.Subject)
	}
	response, err := config.Client(ctx).Get(c.url("https://localhost:5001/orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
}

// A restart, and a second Caddy on the same storage, use the same key.
func TestKeySurvivesARestartAndIsShared(t *testing.T) {
	t.Parallel()
	first := startExample(t)
	keys := first.do(http.MethodGet, "https://localhost:5001/.well-known/jwks.json", "").body
	token := first.token("orders-worker", "orders.read")

	files := map[string]string{"applications.example.yaml": read(t, "../applications.example.yaml")}
	// The second has other ports, but the same issuer and the same storage.
	p := newPorts(t)
	issuer := first.url("https://localhost:5001")
	second := start(t, strings.ReplaceAll(read(t, "../Caddyfile.example"), "issuer https://localhost:5001", "issuer "+issuer),
		options{home: first.home, ports: p, files: files})
	if got := second.do(http.MethodGet, "https://localhost:5001/.well-known/jwks.json", "").body; got != keys {
		t.Errorf("the second Caddy has other keys:\n%s\n%s", keys, got)
	}
	if a := second.do(http.MethodGet, "https://localhost:5001/orders", "", "Authorization: Bearer "+token); a.StatusCode != http.StatusOK {
		t.Errorf("the second Caddy refuses the first one's token: %d", a.StatusCode)
	}

	first.stop()
	again := start(t, read(t, "../Caddyfile.example"), options{home: first.home, ports: first.ports, files: files})
	if got := again.do(http.MethodGet, "https://localhost:5001/.well-known/jwks.json", "").body; got != keys {
		t.Errorf("after a restart there are other keys:\n%s\n%s", keys, got)
	}
	if a := again.do(http.MethodGet, "https://localhost:5001/orders", "", "Authorization: Bearer "+token); a.StatusCode != http.StatusOK {
		t.Errorf("after a restart the token is refused: %d", a.StatusCode)
	}
}

// The quick start needs nothing of the machine but Go: no root, no account.
func TestExampleTouchesNothingOutsideHome(t *testing.T) {
	t.Parallel()
	c := startExample(t)
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("the folder of the Caddyfile holds %v", entries)
	}
	if log := c.logged(); strings.Contains(log, "certificate installed properly") {
		t.Errorf("a root certificate was installed into the system:\n%s", log)
	}
}
