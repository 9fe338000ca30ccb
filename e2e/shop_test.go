package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// The shop is the set-up that most tests use: two APIs, and Applications with
// different rights. Every secret is the same, and has a fast hash.
const (
	shopSecret = "tidp_EbKckQjJb4eVyqKdnWOqcWBdTgDPIQN9UbfqohX91OA4JUP3J"
	shopHash   = `"$sha256$ee7c74102037ff8952f134fd84218f52f937f7f1baac280ddfe50b70102475f1"`

	shopApplications = `
resources:
  - name: orders-api
    scopes:
      - name: orders.read
      - name: orders.write
  - name: stock-api
    resource: https://stock.example.com
    scopes:
      - name: stock.read

applications:
  - client_id: orders-worker
    secrets: [{id: "1", hash: ` + shopHash + `}]
    scopes: [orders.read, orders.write, stock.read]
  - client_id: reader
    secrets: [{id: "1", hash: ` + shopHash + `}]
    scopes: [orders.read]
    default_scopes: [orders.read]
    token_lifetime: 5m
  - client_id: retired
    active: false
    secrets: [{id: "1", hash: ` + shopHash + `}]
    scopes: [orders.read]
  - client_id: "{env.HOME}"
    secrets: [{id: "1", hash: ` + shopHash + `}]
    scopes: [orders.read]
  - client_id: basic-only
    token_endpoint_auth_method: client_secret_basic
    secrets: [{id: "1", hash: ` + shopHash + `}]
    scopes: [orders.read]
`

	shopOptions = `
{
	auto_https disable_redirects
	skip_install_trust
	tokenidp {
		issuer https://localhost:5001 {
			applications applications.yaml
		}
	}
}
`
)

// startShop runs the shop with what a test puts into its site. The site's
// upstream, at 5002, is the test's own.
func startShop(t *testing.T, site string) *caddy {
	t.Helper()
	return start(t, shopOptions+"localhost:5001 {\n\ttokenidp\n"+site+"\n}\n", options{
		files: map[string]string{"applications.yaml": shopApplications},
	})
}

// secret is that of all Applications of this Caddy: the shop's, or the example's.
func (c *caddy) secret() string {
	if _, err := os.Stat(filepath.Join(c.dir, "applications.example.yaml")); err == nil {
		return "replace-with-real-secret"
	}
	return shopSecret
}

// token gets an access token with Basic credentials in a form request.
func (c *caddy) token(clientID, scope string) string {
	c.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}
	r := c.request(http.MethodPost, "https://localhost:5001/token", form.Encode(), "Content-Type: application/x-www-form-urlencoded")
	r.SetBasicAuth(clientID, c.secret())
	a := c.once(r)
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || body.AccessToken == "" {
		c.t.Fatalf("no token for %s: %d %s", clientID, a.StatusCode, a.body)
	}
	return body.AccessToken
}
