package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const discoverable = `
	protected_resource https://localhost:5001/stock
	handle /stock* {
		verify stock.read
		respond "stock for {http.auth.user.id}"
	}
	handle /orders* {
		verify orders.read
		respond "orders"
	}
`

// startDiscoverable is the shop, whose stock API says where its tokens come from.
func startDiscoverable(t *testing.T) *caddy {
	t.Helper()
	return start(t, shopOptions+"localhost:5001 {\n\ttokenidp\n"+discoverable+"\n}\n", options{files: map[string]string{
		"applications.yaml": strings.Replace(shopApplications, "https://stock.example.com", "https://localhost:5001/stock", 1),
	}})
}

// discover reads a JSON document at a URL that a server named.
func discover(t *testing.T, client *http.Client, from string, into any) {
	t.Helper()
	response, err := client.Get(from)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || json.Unmarshal(body, into) != nil {
		t.Fatalf("%s: %d %s %v", from, response.StatusCode, body, err)
	}
}

// A client that knows nothing but the API's URL and its own credentials finds
// the metadata in the challenge (RFC 9728 section 5), the issuer there, the token
// endpoint in the issuer's (RFC 8414), gets a token for this resource (RFC 8707),
// and calls, as MCP clients do.
func TestAClientDiscoversFromTheChallenge(t *testing.T) {
	t.Parallel()
	c := startDiscoverable(t)
	client := c.client()
	refused := c.do(http.MethodGet, "https://localhost:5001/stock/items", "")
	match := regexp.MustCompile(`resource_metadata="([^"]+)"`).FindStringSubmatch(refused.Header.Get("Www-Authenticate"))
	if refused.StatusCode != http.StatusUnauthorized || match == nil {
		t.Fatalf("%d %v", refused.StatusCode, refused.Header)
	}
	var resource struct {
		Resource             string
		AuthorizationServers []string `json:"authorization_servers"`
		Scopes               []string `json:"scopes_supported"`
	}
	discover(t, client, match[1], &resource)
	if resource.Resource != c.url("https://localhost:5001/stock") || len(resource.AuthorizationServers) != 1 || len(resource.Scopes) != 1 {
		t.Fatalf("metadata %+v", resource)
	}
	var server struct {
		Issuer        string
		TokenEndpoint string `json:"token_endpoint"`
	}
	issuer, err := url.Parse(resource.AuthorizationServers[0])
	if err != nil {
		t.Fatal(err)
	}
	discover(t, client, issuer.Scheme+"://"+issuer.Host+"/.well-known/oauth-authorization-server"+issuer.Path, &server)
	if server.Issuer != resource.AuthorizationServers[0] {
		t.Fatalf("issuer %s", server.Issuer)
	}
	config := clientcredentials.Config{
		ClientID: "orders-worker", ClientSecret: shopSecret, TokenURL: server.TokenEndpoint,
		Scopes: resource.Scopes, EndpointParams: url.Values{"resource": {resource.Resource}},
	}
	authorized := config.Client(context.WithValue(t.Context(), oauth2.HTTPClient, client))
	response, err := authorized.Get(c.url("https://localhost:5001/stock/items"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK || string(body) != "stock for orders-worker" {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

// The document is about the configured API, whatever the request says, and about
// no other.
func TestProtectedResourceMetadata(t *testing.T) {
	t.Parallel()
	c := startDiscoverable(t)
	const at = "https://localhost:5001/.well-known/oauth-protected-resource/stock"
	r := c.request(http.MethodGet, at, "", "X-Forwarded-Host: evil.example.com", "X-Forwarded-Proto: http")
	a := send(t, c.client(), r)
	want := c.url(`{"resource":"https://localhost:5001/stock","authorization_servers":["https://localhost:5001"],"scopes_supported":["stock.read"],"bearer_methods_supported":["header"],"dpop_signing_alg_values_supported":["ES256","EdDSA","Ed25519","ES384","ES512","PS256","PS384","PS512","RS256","RS384","RS512"]}`)
	if a.StatusCode != http.StatusOK || a.body != want || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
	}
	if a := c.do(http.MethodPost, at, ""); a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", a.StatusCode)
	}
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/orders"} {
		if a := c.do(http.MethodGet, "https://localhost:5001"+path, ""); strings.Contains(a.body, "authorization_servers") {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	if a := c.do(http.MethodGet, "https://localhost:5001/orders", ""); strings.Contains(a.Header.Get("Www-Authenticate"), "resource_metadata") {
		t.Errorf("another API names it: %v", a.Header)
	}
	if a := c.get("https://localhost:5001/stock", c.token("reader", "orders.read")); !strings.Contains(a.Header.Get("Www-Authenticate"), `resource_metadata="`+c.url(at)+`"`) {
		t.Errorf("a wrong token: %v", a.Header)
	}
}

// Mistakes are found by validate, with their place.
func TestProtectedResourceMistakes(t *testing.T) {
	t.Parallel()
	for identifier, want := range map[string]string{
		"https://other.example.com":    "in applications.yaml, give the API resource: resource: https://other.example.com",
		"http://stock.example.com":     "must be https",
		"https://stock.example.com/x/": "must not end in a slash",
		"orders-api":                   "must be an https URL",
	} {
		dir := workspace(t, newPorts(t), shopOptions+"localhost:5001 {\n\ttokenidp\n\tprotected_resource "+identifier+"\n\tverify stock.read\n}\n",
			map[string]string{"applications.yaml": shopApplications})
		if output, code := validate(t, dir); code == 0 || !strings.Contains(output, want) || !strings.Contains(output, "Caddyfile:") {
			t.Errorf("%s: %d %s", identifier, code, output)
		}
	}
}

// Two APIs behind one route, and one whose identifier has no path.
const severalAPIs = `
resources:
  - name: orders-api
    resource: https://localhost:5001/orders
    scopes: [{name: orders.read}, {name: orders.write}]
  - name: stock-api
    resource: https://localhost:5001/orders/stock
    scopes: [{name: stock.read}]
  - name: mcp
    resource: https://localhost:5001%s
    scopes: [{name: mcp.use}]
applications:
  - client_id: everything
    secrets: [{id: "1", hash: ` + shopHash + `}]
    scopes: [orders.read, orders.write, stock.read, mcp.use]
`

// A challenge names the scopes that a token for the request needs (RFC 6750 section 3),
// and, where the route is for several APIs, the one that the request is for.
func TestChallengesSayWhichTokenToAskFor(t *testing.T) {
	t.Parallel()
	c := start(t, shopOptions+`localhost:5001 {
	tokenidp
	protected_resource https://localhost:5001/orders
	protected_resource https://localhost:5001/orders/stock
	protected_resource https://localhost:5001
	handle /orders* {
		verify {
			any_scope orders.read stock.read orders.write
		}
		respond fine
	}
	handle /both* {
		verify orders.write {
			any_scope orders.read
			realm both
		}
		respond fine
	}
	handle /mcp* {
		verify mcp.use {
			sender_constrained
		}
		respond fine
	}
}
`, options{files: map[string]string{"applications.yaml": strings.Replace(severalAPIs, "%s", "/", 1)}})
	const (
		wellKnown = "https://localhost:5001/.well-known/oauth-protected-resource"
		expired   = `error="invalid_token", error_description="The access token is malformed or not accepted here", `
	)
	challenge := func(more ...string) string { return strings.Join(more, ", ") }
	for _, row := range []struct{ method, path, token, want string }{
		{"GET", "/orders", "", challenge(`scope="orders.read orders.write"`, `resource_metadata="`+wellKnown+`/orders"`)},
		{"GET", "/Orders/7", "", challenge(`scope="orders.read orders.write"`, `resource_metadata="`+wellKnown+`/orders"`)},
		{"GET", "/orders/stock/7", "", challenge(`scope="stock.read"`, `resource_metadata="`+wellKnown+`/orders/stock"`)},
		{"POST", "/orders/stock", "x.y.z", challenge(expired+`scope="stock.read"`, `resource_metadata="`+wellKnown+`/orders/stock"`)},
		{"GET", "/orders-2", "", challenge(`scope="orders.read orders.write"`, `resource_metadata="`+wellKnown+`/orders"`)},
		{"GET", "/both", "", challenge(`scope="orders.write orders.read"`, `resource_metadata="`+wellKnown+`/orders"`)},
	} {
		t.Run(row.path, func(t *testing.T) {
			for range 8 { // always the same
				var headers []string
				if row.token != "" {
					headers = append(headers, bearer(row.token))
				}
				a := c.do(row.method, "https://localhost:5001"+row.path, "", headers...)
				got := a.Header.Get("WWW-Authenticate")
				if a.StatusCode != http.StatusUnauthorized || !strings.HasSuffix(got, `", `+c.url(row.want)) {
					t.Errorf("%d %s, want %s", a.StatusCode, got, row.want)
				}
			}
		})
	}
	got := c.do("GET", "https://localhost:5001/mcp", "").Header.Values("WWW-Authenticate")
	for i, scheme := range []string{`Bearer realm="https://localhost:5001"`, `DPoP realm="https://localhost:5001"` + algs} {
		want := c.url(scheme + `, scope="mcp.use", resource_metadata="` + wellKnown + `"`)
		if len(got) != 2 || got[i] != want {
			t.Errorf("%q, want %s", got, want)
		}
	}
}

// RFC 3986 section 6.2.3: with and without the slash of an empty path, an API is found
// by its identifier, however that is declared. The audience is as declared.
func TestResourceWithAnEmptyPath(t *testing.T) {
	t.Parallel()
	for declared, named := range map[string]string{"": "/", "/": ""} {
		c := start(t, shopOptions+`localhost:5001 {
	tokenidp
	protected_resource https://localhost:5001`+named+`
	verify mcp.use
	respond "{http.auth.user.claims.aud}"
}
`, options{files: map[string]string{"applications.yaml": strings.Replace(severalAPIs, "%s", declared, 1)}})
		if a := c.do("GET", "https://localhost:5001/", ""); !strings.HasSuffix(a.Header.Get("WWW-Authenticate"), c.url(`scope="mcp.use", resource_metadata="https://localhost:5001/.well-known/oauth-protected-resource"`)) {
			t.Errorf("%v", a.Header)
		}
		var metadata struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
			Scopes   []string `json:"scopes_supported"`
		}
		discover(t, c.client(), c.url("https://localhost:5001/.well-known/oauth-protected-resource"), &metadata)
		if metadata.Resource != c.url("https://localhost:5001"+named) || len(metadata.Servers) != 1 || len(metadata.Scopes) != 1 {
			t.Errorf("%+v", metadata)
		}
		for _, resource := range []string{"https://localhost:5001", "https://localhost:5001/"} {
			token := clientCredentials(t, c.client(), c.url("https://localhost:5001/token"), "everything", shopSecret,
				url.Values{"scope": {"mcp.use"}, "resource": {c.url(resource)}})
			if a := c.get("https://localhost:5001/", token); a.StatusCode != 200 || a.body != c.url("https://localhost:5001"+declared) {
				t.Errorf("%s: %d %s", resource, a.StatusCode, a.body)
			}
		}
		c.stop()
	}
}
