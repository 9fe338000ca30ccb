package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	coreoidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/zitadel/oidc/v3/pkg/client/rs"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

const inactive = `{"active":false}`

func (c *caddy) introspect(clientID, token string, headers ...string) *answer {
	c.t.Helper()
	return c.asks("/introspect", clientID, url.Values{"token": {token}}, headers...)
}

// RFC 7662 section 2.2: what a caller who may know is told of an active token.
func TestIntrospectionOfAnActiveToken(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	token := c.token("orders-worker", "orders.read orders.write")
	for _, caller := range []string{"gateway", "orders-api"} {
		a := c.introspect(caller, token)
		var said map[string]any
		if err := json.Unmarshal([]byte(a.body), &said); err != nil || a.StatusCode != http.StatusOK || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %d %s %v", caller, a.StatusCode, a.body, a.Header)
		}
		want := segmentOf(t, token, 1)
		want["active"], want["token_type"] = true, "Bearer"
		got, _ := json.Marshal(said)
		expected, _ := json.Marshal(want)
		if string(got) != string(expected) {
			t.Errorf("%s: %s, want %s", caller, got, expected)
		}
	}
	body, _ := json.Marshal(map[string]string{"token": token, "clientId": "gateway", "clientSecret": shopSecret})
	a := c.do(http.MethodPost, "https://localhost:5001/introspect", string(body), "Content-Type: application/json")
	for _, part := range []string{`{"isSuccess":true,"data":{"active":true,`, `"clientId":"orders-worker"`, `"tokenType":"Bearer"`} {
		if !strings.Contains(a.body, part) {
			t.Errorf("in JSON: %s lacks %s", a.body, part)
		}
	}
	line := c.entries("token introspected")[0]
	if line["client_id"] != "gateway" || line["issued_to"] != "orders-worker" || line["active"] != true || line["jti"] != jtiOf(t, token) {
		t.Errorf("the log says %v", line)
	}
	if strings.Contains(c.logged(), token) {
		t.Error("the token is in the log")
	}
}

// RFC 7662 sections 2.2 and 4: of every other token, and to every other caller, that it
// is not active, and nothing beside that.
func TestIntrospectionOfAnInactiveToken(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	token, stock := c.token("orders-worker", "orders.read"), c.token("orders-worker", "stock.read")
	revoked, of := c.token("reader", "orders.read"), c.token("basic-only", "orders.read")
	if a := c.revoke("reader", revoked); a.StatusCode != http.StatusOK {
		t.Fatal(a.body)
	}
	c.rewrite("applications.yaml", strings.Replace(askingShop, "client_id: basic-only", "client_id: basic-only\n    active: false", 1))
	c.entries("applications changed")
	for _, row := range []struct{ name, caller, token, reason string }{
		{"a token of another API", "orders-api", stock, "introspection_not_permitted"},
		{"a client that may not ask", "reader", token, "introspection_not_permitted"},
		{"the client that it was issued to", "orders-worker", token, "introspection_not_permitted"},
		{"a revoked one", "gateway", revoked, "revoked"},
		{"one of an Application that is deactivated", "gateway", of, "inactive_client"},
		{"no JWT", "gateway", "opaque", "malformed_token"},
		{"a bad signature", "gateway", token[:strings.LastIndexByte(token, '.')+1] + strings.Repeat("A", 342), "bad_signature"},
		{"another issuer's", "gateway", foreignToken, "unknown_issuer"},
	} {
		before := len(c.logged())
		if a := c.introspect(row.caller, row.token); a.StatusCode != http.StatusOK || a.body != inactive {
			t.Errorf("%s: %d %s", row.name, a.StatusCode, a.body)
		}
		c.eventually(row.reason, func() bool { return strings.Contains(c.logged()[before:], `"reason":"`+row.reason+`"`) })
	}
	if a := c.introspect("gateway", stock); !strings.Contains(a.body, `"active":true`) {
		t.Errorf("a token of any API: %s", a.body)
	}
}

// RFC 7662 sections 2.1 and 2.3.
func TestIntrospectionAsksWhoAsks(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	token := c.token("orders-worker", "orders.read")
	const form = "Content-Type: application/x-www-form-urlencoded"
	for _, row := range []struct {
		name, body string
		headers    []string
		status     int
		want       string
	}{
		{"no credentials", "token=" + token, []string{form}, 401, "invalid_client"},
		{"a wrong secret", "client_id=gateway&client_secret=x&token=" + token, []string{form}, 401, "invalid_client"},
		{"the token for credentials", "token=" + token, []string{form, "Authorization: Bearer " + token}, 401, "invalid_client"},
		{"an inactive Application", "client_id=retired&client_secret=" + shopSecret + "&token=" + token, []string{form}, 401, "invalid_client"},
		{"no token", "client_id=gateway&client_secret=" + shopSecret, []string{form}, 400, "invalid_request"},
		{"a token twice", "client_id=gateway&client_secret=" + shopSecret + "&token=a&token=a", []string{form}, 400, "invalid_request"},
		{"a web page", "client_id=gateway&client_secret=" + shopSecret + "&token=a", []string{form, "Origin: https://shop.example.com"}, 400, "invalid_request"},
		{"another type", "token=a", []string{"Content-Type: text/plain"}, 415, "invalid_request"},
	} {
		a := c.do(http.MethodPost, "https://localhost:5001/introspect", row.body, row.headers...)
		if a.StatusCode != row.status || !strings.Contains(a.body, row.want) || strings.Contains(a.body, "active") || (a.StatusCode == 401) != (a.Header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s: %d %s %v", row.name, a.StatusCode, a.body, a.Header)
		}
	}
	if a := c.do(http.MethodGet, "https://localhost:5001/introspect?token="+token, ""); a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %d", a.StatusCode)
	}
	if status := c.tokenStatus("gateway", "orders.read"); status != http.StatusBadRequest {
		t.Errorf("an Application without scopes gets a token: %d", status)
	}
}

// RFC 9701: a JWT for the caller, signed by the issuer, that is no access token.
func TestIntrospectionAsAJWT(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	token := c.token("orders-worker", "orders.read")
	for name, asked := range map[string]string{"active": token, "inactive": "opaque"} {
		t.Run(name, func(t *testing.T) {
			a := c.introspect("gateway", asked, "Accept: application/token-introspection+jwt")
			if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/token-introspection+jwt" || a.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %s %v", a.StatusCode, a.body, a.Header)
			}
			keys := coreoidc.NewRemoteKeySet(coreoidc.ClientContext(t.Context(), c.client()), c.url("https://localhost:5001/.well-known/jwks.json"))
			payload, err := keys.VerifySignature(t.Context(), a.body)
			if err != nil {
				t.Fatal(err)
			}
			var claims map[string]any
			if err := json.Unmarshal(payload, &claims); err != nil {
				t.Fatal(err)
			}
			answer, _ := claims["token_introspection"].(map[string]any)
			if len(claims) != 4 || claims["iss"] != c.url("https://localhost:5001") || claims["aud"] != "gateway" || claims["iat"] == nil || answer["active"] != (name == "active") {
				t.Errorf("claims %s", payload)
			}
			if name == "active" && (answer["client_id"] != "orders-worker" || answer["scope"] != "orders.read") || name == "inactive" && len(answer) != 1 {
				t.Errorf("claims %s", payload)
			}
			if header := segmentOf(t, a.body, 0); header["typ"] != "token-introspection+jwt" || header["kid"] == "" {
				t.Errorf("header %v", header)
			}
			c.wantRefusedAs(a.body, "/orders", 401, "wrong_type")
		})
	}
}

// RFC 9449 section 6.2, RFC 8705 section 3.2: whoever asks about a bound token learns
// to which key or certificate, in whatever form the answer is.
func TestIntrospectionOfABoundToken(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	c := start(t, mtlsSite("verify_if_given"), options{files: map[string]string{"ca.pem": ca.pem(), "applications.yaml": askingShop +
		"  - {client_id: bound, tls_client_certificate_bound_access_tokens: true, scopes: [orders.read], secrets: [{id: \"1\", hash: " + shopHash + "}]}\n"}})
	p, certificate := newProver(t), ca.named("orders.example.com")
	proven := c.provenToken(t, p, c.client())
	bound := accessToken(c.requestToken(t, c.presenting(t, certificate, ""), "bound", true).body)
	sum := sha256.Sum256(certificate.Certificate[0])
	for name, row := range map[string]struct{ token, tokenType, confirmation string }{
		"to a key":         {proven, "DPoP", `{"jkt":"` + p.thumbprint() + `"}`},
		"to a certificate": {bound, "Bearer", `{"x5t#S256":"` + segment(sum[:]) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			signed := c.introspect("gateway", row.token, "Accept: application/token-introspection+jwt").body
			inJSON := `{"clientId":"gateway","clientSecret":"` + shopSecret + `","token":"` + row.token + `"}`
			for form, said := range map[string]string{
				`"token_type":`:           c.introspect("gateway", row.token).body,
				`"tokenType":`:            c.do(http.MethodPost, "https://localhost:5001/introspect", inJSON, "Content-Type: application/json").body,
				`"token_introspection":{`: textOf(t, segmentOf(t, signed, 1)),
			} {
				for _, part := range []string{form, `"active":true`, `"` + row.tokenType + `"`, `"cnf":` + row.confirmation} {
					if !strings.Contains(said, part) {
						t.Errorf("%s lacks %s", said, part)
					}
				}
			}
		})
	}
}

// A resource server that others wrote.
func TestIntrospectionByZitadel(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	token := c.token("orders-worker", "orders.read")
	server, err := rs.NewResourceServerClientCredentials(t.Context(), c.url("https://localhost:5001"), "orders-api", shopSecret, rs.WithClient(c.client()))
	if err != nil {
		t.Fatal(err)
	}
	ask := func() *oidc.IntrospectionResponse {
		said, err := rs.Introspect[*oidc.IntrospectionResponse](t.Context(), server, token)
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	if said := ask(); !said.Active || said.ClientID != "orders-worker" || said.Issuer != c.url("https://localhost:5001") || strings.Join(said.Scope, " ") != "orders.read" ||
		said.JWTID == "" || said.Subject != "orders-worker" || strings.Join(said.Audience, " ") != "orders-api" || said.TokenType != "Bearer" || said.Expiration.AsTime().IsZero() {
		t.Errorf("%+v", said)
	}
	if a := c.revoke("orders-worker", token); a.StatusCode != http.StatusOK {
		t.Fatal(a.body)
	}
	if said := ask(); said.Active || said.ClientID != "" {
		t.Errorf("%+v", said)
	}
}
