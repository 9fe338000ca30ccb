package e2e

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/testport"
)

// rootOf is the file of the CA that a Caddy under test signs its certificate with.
func rootOf(home string) string {
	return filepath.Join(home, ".local/share/caddy/pki/authorities/local/root.crt")
}

// trustingOptions are the global options of a server that trusts issuers elsewhere.
func trustingOptions(trusts ...string) string {
	return "{\n\tauto_https disable_redirects\n\tskip_install_trust\n\ttokenidp {\n" + strings.Join(trusts, "\n") + "\n\t}\n}\n"
}

// trust is the block for an issuer.
func trust(issuer string, options ...string) string {
	return "\t\ttrust " + issuer + " {\n" + strings.Join(options, "\n") + "\n\t\t}"
}

// trustedSite is at 5003, and tells what verify decided, and why.
func trustedSite(routes string) string {
	return "localhost:5003 {\n" + routes + "\n\thandle_errors {\n\t\trespond \"{http.tokenidp.reason}\"\n\t}\n}\n"
}

const ordersRoute = `
	handle /orders* {
		verify orders.read {
			audience orders-api
			claim_header X-Client-Id client_id
		}
		respond "{http.auth.user.id} {header.X-Client-Id} {http.auth.user.scope} {http.auth.user.iss} {http.auth.user.claims.jti}"
	}`

// startTrusting runs a server at 5003, beside that of the ports' other sites.
func startTrusting(t *testing.T, p *ports, home, caddyfile string) *caddy {
	t.Helper()
	return start(t, caddyfile, options{ports: p, home: home, admin: "localhost:" + testport.Free(t)})
}

// startTrustingShop runs the shop, and a server without an issuer of its own that
// trusts the shop's, found by discovery over TLS.
func startTrustingShop(t *testing.T, routes string) (issuer, api *caddy) {
	t.Helper()
	issuer = startShop(t, "")
	return issuer, startTrusting(t, issuer.ports, t.TempDir(),
		trustingOptions(trust("https://localhost:5001", "ca_file "+rootOf(issuer.home)))+trustedSite(routes))
}

// checkAnswer asks a route of the site at 5003. What is said is the body, or the
// reason of a refusal.
func (c *caddy) checkAnswer(t *testing.T, path, token string, status int, says string) {
	t.Helper()
	if a := c.get("https://localhost:5003"+path, token); a.StatusCode != status || a.body != says {
		t.Errorf("%s: %d %q, want %d %q", path, a.StatusCode, a.body, status, says)
	}
}

// A token of the trusted issuer opens the route, and is told of like one of one's
// own; whatever is wrong with another is the reason of its refusal.
func TestTokensOfATrustedIssuer(t *testing.T) {
	t.Parallel()
	issuer, api := startTrustingShop(t, ordersRoute)
	token := issuer.token("orders-worker", "orders.read orders.write")
	api.checkAnswer(t, "/orders", token, http.StatusOK, strings.Join([]string{
		"orders-worker", "orders-worker", "orders.read orders.write", issuer.url("https://localhost:5001"), claimOf(t, token, "jti")}, " "))

	f := newForger(t, issuer)
	for name, row := range map[string]struct {
		token  string
		status int
		reason string
	}{
		"for another audience":         {issuer.token("orders-worker", "stock.read"), 401, "wrong_audience"},
		"without the scope":            {issuer.token("orders-worker", "orders.write"), 403, "missing_scope"},
		"of an unknown issuer":         {f.claiming(members{"iss": "https://elsewhere.example.com"}), 401, "unknown_issuer"},
		"of the issuer with a slash":   {f.claiming(members{"iss": f.issuer + "/"}), 401, "unknown_issuer"},
		"by another key of that kid":   {f.signBy(attackerKey(), f.header(nil), f.claims(nil)), 401, "bad_signature"},
		"by a key that is not there":   {f.headed(members{"kid": "1999-01-01"}), 401, "unknown_key"},
		"without kid":                  {f.headed(members{"kid": absent{}}), 401, "missing_key_id"},
		"of another type":              {f.headed(members{"typ": "id_token+jwt"}), 401, "wrong_type"},
		"without a type":               {f.headed(members{"typ": absent{}}), 401, "wrong_type"},
		"that was an ID token's":       {f.sign(f.header(members{"typ": "JWT"}), f.claims(members{"nonce": "n"})), 401, "wrong_type"},
		"of the plain type":            {f.headed(members{"typ": "JWT"}), 200, ""},
		"expired":                      {f.claiming(members{"exp": f.at(-time.Minute), "iat": f.at(-time.Hour)}), 401, "expired"},
		"without expiry":               {f.claiming(members{"exp": absent{}}), 401, "missing_claim"},
		"without audience":             {f.claiming(members{"aud": absent{}}), 401, "missing_claim"},
		"of nobody":                    {f.claiming(members{"client_id": absent{}, "sub": absent{}}), 401, "missing_claim"},
		"bound to a key":               {f.claiming(members{"cnf": members{"jkt": "x"}}), 401, "unsupported_confirmation"},
		"bound to a key, as Bearer":    {f.claiming(members{"cnf": members{"jkt": strings.Repeat("A", 43)}}), 401, "wrong_authorization_scheme"},
		"bound to a certificate":       {f.claiming(members{"cnf": members{"x5t#S256": strings.Repeat("A", 43)}}), 401, "no_certificate"},
		"with an unsigned algorithm":   {f.headed(members{"alg": "none"}), 401, "wrong_algorithm"},
		"with a symmetric algorithm":   {f.headed(members{"alg": "HS256"}), 401, "wrong_algorithm"},
		"with the key of the attacker": {f.signBy(attackerKey(), f.header(members{"jwk": jwkOf(attackerKey(), "x", nil)}), f.claims(nil)), 401, "bad_signature"},
	} {
		t.Run(name, func(t *testing.T) {
			a := api.get("https://localhost:5003/orders", row.token)
			if a.StatusCode != row.status || row.reason != "" && a.body != row.reason {
				t.Errorf("%d %q, want %d %q", a.StatusCode, a.body, row.status, row.reason)
			}
		})
	}
	if a := api.do(http.MethodGet, "https://localhost:5003/orders", ""); a.StatusCode != http.StatusUnauthorized || a.body != "no_token" {
		t.Errorf("without a token: %d %s", a.StatusCode, a.body)
	}
	if log := api.logged(); strings.Contains(log, strings.Split(token, ".")[2]) {
		t.Error("the log has the token")
	}
}

// A route may accept tokens of this server's issuer and of a trusted one. Both have
// a key of the same kid, and neither vouches for the other's tokens.
func TestLocalAndTrustedIssuerOnOneRoute(t *testing.T) {
	t.Parallel()
	foreign := startShop(t, "")
	theirs := newForgerOf(t, foreign, "https://localhost:5001")
	key := privateJWK("own.json", theirs.kid, secondKey())
	own := "\t\tissuer https://localhost:5003 {\n\t\t\tapplications applications.yaml\n\t\t\tsigning_key file own.json\n\t\t}"
	trusted := trust("https://localhost:5001", "ca_file "+rootOf(foreign.home), "audience orders-api partner-api")
	api := start(t, trustingOptions(own, trusted)+trustedSite(`
	tokenidp
	handle /both* {
		verify orders.read {
			issuer https://localhost:5003 https://localhost:5001
		}
		respond "{http.auth.user.iss}"
	}
	handle /own* {
		verify orders.read
		respond "{http.auth.user.iss}"
	}
	handle /foreign* {
		verify orders.read {
			issuer https://localhost:5001
		}
		respond "{http.auth.user.iss}"
	}
	handle /chain* {
		verify orders.read {
			issuer https://localhost:5003 https://localhost:5001
		}
		verify orders.read
		respond "{http.auth.user.iss}"
	}`), options{ports: foreign.ports, admin: "localhost:" + testport.Free(t), files: map[string]string{"applications.yaml": shopApplications, key.name: key.content}})

	ours := &forger{t, api.url("https://localhost:5003"), theirs.kid, secondKey(), time.Now()}
	mixed := *theirs
	mixed.issuer = ours.issuer
	mixedToo := *ours
	mixedToo.issuer = theirs.issuer
	inactive := members{"client_id": "retired", "sub": "retired"}
	for name, row := range map[string]struct {
		path, token string
		status      int
		says        string
	}{
		"own on both":                       {"/both", ours.good(), 200, ours.issuer},
		"foreign on both":                   {"/both", theirs.good(), 200, theirs.issuer},
		"own":                               {"/own", ours.good(), 200, ours.issuer},
		"foreign on own":                    {"/own", theirs.good(), 401, "unknown_issuer"},
		"foreign":                           {"/foreign", theirs.good(), 200, theirs.issuer},
		"own on foreign":                    {"/foreign", ours.good(), 401, "unknown_issuer"},
		"foreign key, own issuer":           {"/both", mixed.good(), 401, "bad_signature"},
		"own key, foreign issuer":           {"/both", mixedToo.good(), 401, "bad_signature"},
		"own, of an inactive client":        {"/both", ours.claiming(inactive), 401, "inactive_client"},
		"foreign, of a client unknown here": {"/both", theirs.claiming(inactive), 200, theirs.issuer},
		"own, for the partner":              {"/both", ours.claiming(members{"aud": "partner-api"}), 401, "wrong_audience"},
		"foreign, for the partner":          {"/both", theirs.claiming(members{"aud": "partner-api"}), 200, theirs.issuer},
		"own in a chain":                    {"/chain", ours.good(), 200, ours.issuer},
		"foreign in a chain":                {"/chain", theirs.good(), 401, "wrong_audience"},
	} {
		t.Run(name, func(t *testing.T) { api.checkAnswer(t, row.path, row.token, row.status, row.says) })
	}
	if a := api.do(http.MethodGet, "https://localhost:5003/both", ""); !strings.Contains(a.Header.Get("WWW-Authenticate"), api.url(`realm="https://localhost:5003"`)) {
		t.Errorf("challenge %q", a.Header.Get("WWW-Authenticate"))
	}
}
