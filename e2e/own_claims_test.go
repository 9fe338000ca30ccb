package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
)

const ownClaims = `
    claims:
      team: shop
      tenant: "7"
      tier: 2
      roles: [reader, writer]
      org: {unit: {id: "4711", name: "Straße 🛒 \"<&>\""}}
`

// startOwnClaims is an issuer for two Applications of different claims.
func startOwnClaims(t *testing.T) *caddy {
	t.Helper()
	applications := orderScopes + "applications:\n" + worker + ownClaims + strings.Replace(worker, "worker", "stranger", 1) + "    claims: {team: other, tenant: \"8\", tier: 1}\n" +
		strings.Replace(worker, "worker", "plain", 1)
	return start(t, shopOptions+`localhost:5001 {
	tokenidp
	handle /orders* {
		verify orders.read {
			claim team shop
			claim /org/unit/id 4711
			claim_header X-Team team
			claim_header X-Roles roles
			claim_header X-Unit /org/unit/id
			claim_header X-Claims *
		}
		respond "{header.X-Team}|{header.X-Roles}|{header.X-Unit}|{http.auth.user.claims.tier}|all {header.X-Claims}"
	}
	handle /tenants* {
		verify orders.read {
			expression `+"`"+`request.path.startsWith("/tenants/" + claims.tenant + "/") && claims.tier >= 2 && "reader" in claims.roles`+"`"+`
		}
		respond "the tenant's"
	}
	handle_errors {
		respond "{http.tokenidp.reason}"
	}
}
`, options{files: map[string]string{"applications.yaml": applications}})
}

// RFC 9068 section 2.2.3: what the file says of an Application is in its tokens, and
// routes may ask for it.
func TestOwnClaimsInTokensAndOnRoutes(t *testing.T) {
	t.Parallel()
	c := startOwnClaims(t)
	token := c.token("worker", "orders.read")
	ctx := oidc.ClientContext(t.Context(), c.client())
	payload, err := oidc.NewRemoteKeySet(ctx, c.url("https://localhost:5001/.well-known/jwks.json")).VerifySignature(ctx, token)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Team, Tenant, Sub string
		Tier              int
		Roles             []string
		Org               struct{ Unit struct{ ID, Name string } }
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.Team != "shop" || claims.Tenant != "7" || claims.Tier != 2 || len(claims.Roles) != 2 ||
		claims.Org.Unit.ID != "4711" || claims.Org.Unit.Name != `Straße 🛒 "<&>"` || claims.Sub != "worker" {
		t.Errorf("%v %s", err, payload)
	}

	a := c.do(http.MethodGet, "https://localhost:5001/orders", "", bearer(token), "X-Team: admin", "X_Team: admin")
	each, all, _ := strings.Cut(a.body, "|all ")
	if a.StatusCode != http.StatusOK || each != "shop|reader writer|4711|2" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	var sent, told map[string]any
	decoded, err := base64.RawURLEncoding.DecodeString(all)
	if err != nil || json.Unmarshal(decoded, &told) != nil || json.Unmarshal(payload, &sent) != nil || !reflect.DeepEqual(told, sent) {
		t.Errorf("%v: %s, want %s", err, decoded, payload)
	}
	for _, row := range []struct{ client, path, body string }{
		{"worker", "/tenants/7/orders", "the tenant's"},
		{"worker", "/tenants/8/orders", "expression_refused"},
		{"worker", "/tenants/71/orders", "expression_refused"},
		{"stranger", "/tenants/8/orders", "expression_refused"}, // of tier 1
		{"stranger", "/orders", "claim_not_accepted"},
		{"plain", "/orders", "claim_not_accepted"},
		{"plain", "/tenants/7/orders", "expression_refused"}, // without the claim
	} {
		if a := c.get("https://localhost:5001"+row.path, c.token(row.client, "orders.read")); a.body != row.body {
			t.Errorf("%s at %s: %d %s, want %s", row.client, row.path, a.StatusCode, a.body, row.body)
		}
	}

	// A change of the file is in the next token.
	c.rewrite("applications.yaml", orderScopes+"applications:\n"+worker+strings.Replace(ownClaims, "tenant: \"7\"", "tenant: \"9\"", 1))
	c.eventually("the other tenant", func() bool {
		return c.get("https://localhost:5001/tenants/9/orders", c.token("worker", "orders.read")).StatusCode == http.StatusOK
	})
}
