//go:build peers

package e2e

import (
	"slices"
	"strings"
	"testing"
)

// MSAL finds the issuer by OpenID Connect Discovery, and gets a token by client
// credentials.
func TestPeerMSAL(t *testing.T) {
	c := startShop(t, ordersRoute)
	for scope, status := range map[string]int{"orders.read": 200, "orders.write": 403} {
		var said struct {
			Status      int
			Body, Error string
			TokenType   string `json:"token_type"`
			Scopes      []string
		}
		c.runPeer(t, "msal-client.mjs", &said, "ISSUER="+c.url("https://localhost:5001"), "API="+c.url("https://localhost:5001/orders"),
			"CLIENT_ID=orders-worker", "SECRET="+shopSecret, "SCOPE="+scope)
		if said.Error != "" || said.Status != status || said.TokenType != "Bearer" || !slices.Equal(said.Scopes, []string{scope}) || status == 200 && !strings.HasPrefix(said.Body, "orders-worker ") {
			t.Errorf("%s: %+v", scope, said)
		}
	}
}
