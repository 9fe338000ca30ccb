package e2e

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// attacks are tried over every version of HTTP, before and after a configuration reload,
// at one server. Each is named after what fell to it elsewhere, or in a review of this
// project.
var attacks = []struct {
	name string
	try  func(*testing.T, *attacked)
}{
	{"request.path in a rule that forbids", attackExpressions},
	{"a later verify with another dpop_origin", attackLaterOrigin},
	{"handle_errors that proxies elsewhere", attackErrorRoutes},
	{"prefixes that are stripped, and odd paths", attackPaths},
	{"assertions, proofs and scope[] where they do not belong", attackMisplaced},
	{"names that join to the same text", attackJoinedNames},
	{"guesses in one burst", attackBurst},
	{"which clients exist", attackEnumeration},
	{"values that nobody has sent before", attackMetrics},
	{"server names that are not the site's", attackServerNames},
	{"subjects that read like another", attackSubjects},
	{"letters where a pattern has a dot", attackPatterns},
	{"one workload token at two issuers", attackTwoIssuers},
	{"discovery that leads elsewhere", attackDiscovery},
	{"claims that are missing or empty", attackEmptyClaims},
	{"a disabled Application, by every way", attackDisabled},
}

// What is about a command or a configuration, and about no request, is tested elsewhere:
// text on the operator's terminal in internal/command (TestNothingHostileIsPrinted), and
// what intercept, handle_response and handle_errors serve without a token in
// internal/route (TestUnverifiedInACaddyfile), and where a client sends its secret and its
// token in tokenidp/client (TestRedirectIsNotFollowed, TestMetadataThatAreRefused).

// attacked is the server of all attacks, as one of them meets it.
type attacked struct {
	*guarded
	ca           *authority
	elsewhere    *elsewhere
	version, run string // run is of the version, and before or after the reload
}

func TestAttacks(t *testing.T) {
	t.Parallel()
	ca, e := newAuthority(t), newElsewhere(t)
	g := startAttacked(t, ca, e)
	for i, when := range []string{"before a reload", "after a reload"} {
		for _, version := range []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"} {
			over := *g
			over.http = g.presenting(t, nil, version)
			for _, attack := range attacks {
				t.Run(attack.name+"/"+version+"/"+when, func(t *testing.T) {
					attack.try(t, &attacked{&over, ca, e, version, fmt.Sprint(i, version)})
				})
			}
		}
		if i == 0 {
			g.reload()
		}
	}
	t.Run("a ticket of a CA that a reload dropped", func(t *testing.T) { attackTickets(t, g, ca) })
	t.Run("a trust that was removed", func(t *testing.T) { attackRemovedTrust(t, g, e) })
}

func startAttacked(t *testing.T, ca *authority, e *elsewhere) *guarded {
	t.Helper()
	global := strings.Replace(shopOptions, "{\n", "{\n\tdefault_sni localhost\n\tfallback_sni localhost\n", 1)
	global = strings.Replace(global, "applications.yaml\n\t\t}\n", "applications.yaml\n\t\t\tsigning_algorithm ES256\n\t\t}\n"+
		"\t\tissuer https://localhost:5003 {\n\t\t\tapplications second.yaml\n\t\t\tsigning_algorithm ES256\n\t\t}\n"+e.trusts()+"\n", 1)
	g := startGuardedBy(t, global+
		"localhost:5001 {\n"+askingForCertificates("verify_if_given")+"\ttokenidp https://localhost:5001\n"+strings.ReplaceAll(attackedRoutes, "FOREIGN", e.trusted.issuer)+"}\n"+attackedErrors+attackedSites,
		file{"applications.yaml", attackedApplications(t) + e.applications()}, file{"second.yaml", "resources: [{name: second-api, scopes: [{name: second.read}]}]\napplications:\n" + e.workload("second.read")},
		file{"ca.pem", ca.pem()})
	g.eventually("the keys of the trusted issuer", func() bool { return len(e.trusted.requests("/keys")) > 0 })
	for _, name := range []string{"closed.localhost", "a.wild.localhost"} {
		g.eventually("the certificate of "+name, func() bool { return g.handshakesAs(name) })
	}
	return g
}

func askingForCertificates(mode string) string {
	return "\ttls {\n\t\tissuer internal\n\t\tclient_auth {\n\t\t\tmode " + mode + "\n\t\t\ttrust_pool file ca.pem\n\t\t}\n\t}\n"
}

// attackedSites are those that nobody gets to without a certificate.
var attackedSites = "closed.localhost:5001 {\n" + attackedSite + "}\n*.wild.localhost:5001 {\n" + attackedSite + "}\n"

var attackedSite = askingForCertificates("require_and_verify") + `
	handle /orders* {
		verify orders.read {
			issuer https://localhost:5001
		}
		respond "protected content"
	}
`

const attackedRoutes = `
	handle /orders* {
		verify orders.read {
			issuer https://localhost:5001
		}
		reverse_proxy localhost:5002
	}
	handle /expressions* {
		verify orders.read {
			issuer https://localhost:5001
			expression ` + "`" + `request.path != "/expressions/admin" && !request.path.startsWith("/expressions/admin/")` + "`" + `
		}
		reverse_proxy localhost:5002
	}
	handle /foreign* {
		verify orders.read {
			issuer FOREIGN
			audience orders-api
			require team
			claim_header X-Client-Id client_id
		}
		reverse_proxy localhost:5002
	}
	handle /origins* {
		verify orders.read {
			issuer https://localhost:5001
			dpop_origin https://api.example.com https://localhost:5001
		}
		verify orders.read {
			issuer https://localhost:5001
			dpop_origin https://localhost:5001
			sender_constrained dpop
		}
		reverse_proxy localhost:5002
	}
	handle_path /stripped/* {
		verify orders.read {
			issuer https://localhost:5001
		}
		reverse_proxy localhost:5002
	}
	handle /prefix/* {
		route {
			uri strip_prefix /prefix
			verify orders.read {
				issuer https://localhost:5001
			}
			reverse_proxy localhost:5002
		}
	}
	handle {
		respond "public"
	}
`

const attackedErrors = `
localhost:5003 {
	tokenidp https://localhost:5003
	handle /orders* {
		verify orders.write {
			issuer https://localhost:5001
			forward_authorization
		}
		respond "protected content"
	}
	handle_errors {
		rewrite * /sorry
		reverse_proxy localhost:5002
	}
}
`

// attackedApplications has clients of each kind for each run, for failures are counted
// by client.
func attackedApplications(t *testing.T) string {
	all := strings.Replace(shopApplications, "      - name: orders.write\n", "      - name: orders.write\n      - name: c\n      - name: b:c\n      - name: b/c\n      - name: b|c\n", 1) +
		"  - {client_id: 'a/b', scopes: [c], secrets: [{id: '1', hash: " + shopHash + "}]}\n" +
		"  - {client_id: 'a|b', scopes: [c], secrets: [{id: '1', hash: " + shopHash + "}]}\n" +
		"  - {client_id: a, scopes: ['b:c', b/c, 'b|c'], secrets: [{id: '1', hash: " + shopHash + "}]}\n" +
		"  - {client_id: by-subject, scopes: [orders.read], tls_client_auth_subject_dn: 'CN=orders,O=Example'}\n" +
		"  - {client_id: signer, scopes: [orders.read], jwks: " + keySet(t, jwkOf(attackerKey(), "k", nil)) + "}\n"
	for i := range 2 {
		for _, version := range []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"} {
			run := fmt.Sprint(i, version)
			all += "  - {client_id: '" + run + "-chosen', scopes: [orders.read], secrets: [{id: '1', hash: '" + chosenHash(t) + "'}]}\n" +
				"  - {client_id: '" + run + "-inactive', active: false, scopes: [orders.read], secrets: [{id: '1', hash: " + shopHash + "}]}\n" +
				"  - {client_id: '" + run + "-retired', active: false, scopes: [orders.read], secrets: [{id: '1', hash: " + shopHash + "}]}\n" +
				"  - {client_id: '" + run + "-secret', scopes: [orders.read], secrets: [{id: '1', hash: " + shopHash + "}]}\n" +
				"  - {client_id: '" + run + "-keys', scopes: [orders.read], jwks: " + keySet(t, jwkOf(attackerKey(), "k", nil)) + "}\n" +
				"  - {client_id: '" + run + "-keys-out-of-reach', scopes: [orders.read], jwks_uri: 'https://keys.example.invalid/jwks'}\n"
		}
	}
	return all
}

const guessableSecret = "a secret that somebody chose"

// chosenHash is the fastest hash that a chosen secret may have.
func chosenHash(t *testing.T) string {
	t.Helper()
	salt := make([]byte, 16)
	key, err := pbkdf2.Key(sha256.New, guessableSecret, salt, 10_000, 32)
	if err != nil {
		t.Fatal(err)
	}
	return "$pbkdf2-sha256$i=10000,l=32$" + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(key)
}

// checkClosed looks whether anything of the API is seen, or the API was reached.
func (a *attacked) checkClosed(t *testing.T, got *answer, what string) {
	t.Helper()
	if seen := a.api.take(); strings.Contains(got.body, protected) || len(seen) > 0 {
		t.Errorf("%s: %d %q, %+v", what, got.StatusCode, got.body, seen)
	}
}

// secretForm is a token request by form.
func secretForm(clientID, secret, scope string) string {
	return identifiedForm(clientID, scope) + "&client_secret=" + strings.ReplaceAll(secret, " ", "+")
}

// tokenFor is a token of the client with the secret of the shop, over the version.
func (a *attacked) tokenFor(t *testing.T, clientID, scope string) string {
	t.Helper()
	got := a.ask(t, http.MethodPost, "/token", secretForm(clientID, shopSecret, scope), formEncoded)
	token := accessToken(got.body)
	if token == "" || got.Proto != a.version {
		t.Fatalf("%s: %s %d %s", clientID, got.Proto, got.StatusCode, got.body)
	}
	return token
}
