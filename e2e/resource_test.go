package e2e

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// RFC 8707 section 2: a client in general use names the API that its token is for,
// once or more often, and gets a token for that API, or none.
func TestResourceOfAStandardClient(t *testing.T) {
	t.Parallel()
	c := startShop(t, "")
	const stock = "https://stock.example.com"
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, c.client())
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(ctx, c.client()), c.url("https://localhost:5001/.well-known/jwks.json"))
	for name, row := range map[string]struct {
		client    string
		scopes    []string
		resources []string
		audience  string // "" if the answer is err
		err       string
	}{
		"by its URI":                      {"orders-worker", []string{"stock.read"}, []string{stock}, stock, ""},
		"by its name":                     {"orders-worker", []string{"stock.read"}, []string{"stock-api"}, stock, ""},
		"without a URI":                   {"orders-worker", []string{"orders.read", "orders.write"}, []string{"orders-api"}, "orders-api", ""},
		"repeated":                        {"orders-worker", []string{"stock.read"}, []string{stock, stock}, stock, ""},
		"of the default scopes":           {"reader", nil, []string{"orders-api"}, "orders-api", ""},
		"not of the scopes":               {"orders-worker", []string{"orders.read"}, []string{stock}, "", "invalid_target"},
		"two":                             {"orders-worker", []string{"stock.read"}, []string{stock, "orders-api"}, "", "invalid_target"},
		"with a fragment":                 {"orders-worker", []string{"stock.read"}, []string{stock + "#a"}, "", "invalid_target"},
		"relative":                        {"orders-worker", []string{"stock.read"}, []string{"/stock"}, "", "invalid_target"},
		"of which it has no scope":        {"reader", []string{"orders.read"}, []string{stock}, "", "invalid_target"},
		"of which it has no scope either": {"reader", nil, []string{"https://nothing.example.com"}, "", "invalid_target"},
		"without scopes and defaults":     {"orders-worker", nil, []string{stock}, "", "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			config := clientcredentials.Config{
				ClientID: row.client, ClientSecret: shopSecret, TokenURL: c.url("https://localhost:5001/token"), AuthStyle: oauth2.AuthStyleInHeader,
				Scopes: row.scopes, EndpointParams: url.Values{"resource": row.resources},
			}
			token, err := config.Token(ctx)
			if row.err != "" {
				if refused, ok := errors.AsType[*oauth2.RetrieveError](err); !ok || refused.ErrorCode != row.err || refused.Response.StatusCode != http.StatusBadRequest {
					t.Errorf("%v, want %s", err, row.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			verified, err := oidc.NewVerifier(c.url("https://localhost:5001"), keys, &oidc.Config{ClientID: row.audience}).Verify(ctx, token.AccessToken)
			if err != nil || len(verified.Audience) != 1 {
				t.Errorf("aud %v, %v", verified, err)
			}
		})
	}
}
