package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// prover is a client with a key for DPoP proofs, which somebody else's code makes.
type prover struct {
	t   *testing.T
	key *ecdsa.PrivateKey
}

func newProver(t *testing.T) *prover {
	t.Helper()
	return &prover{t, newKey(t)}
}

func (p *prover) thumbprint() string {
	jwk := jose.JSONWebKey{Key: p.key.Public()}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		p.t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// proof makes one for a request, with the token, if any, and changes.
func (p *prover) proof(method, url, token string, changes members) string {
	p.t.Helper()
	claims := members{"jti": rand.Text(), "htm": method, "htu": url, "iat": time.Now().Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	for name, value := range changes {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		p.t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		p.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		p.t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return compact
}

// headers are those of a request to an API with the token.
func (p *prover) headers(method, url, token string) []string {
	return []string{"Authorization: DPoP " + token, "Dpop: " + p.proof(method, url, token, nil)}
}

// provenToken is a token for the reader of the shop, bound to the prover's key.
func (c *caddy) provenToken(t *testing.T, p *prover, client *http.Client) string {
	t.Helper()
	const reader = "grant_type=client_credentials&client_id=reader&client_secret=" + shopSecret
	url := c.url("https://localhost:5001/token")
	a := send(t, client, c.request("POST", url, reader, formEncoded, "Dpop: "+p.proof("POST", url, "", nil)))
	token := accessToken(a.body)
	if token == "" || !strings.Contains(a.body, `"token_type":"DPoP"`) {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil || !strings.Contains(string(claims), `"cnf":{"jkt":"`+p.thumbprint()+`"}`) {
		t.Errorf("claims %s", claims)
	}
	return token
}

// RFC 9449 sections 5 and 7, over every version of HTTP. The API gets neither token
// nor proof, and the log has no proof.
func TestDPoP(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, ordersSite+`
	handle_path /stripped/* {
		verify orders.read {
			forward_authorization
		}
		reverse_proxy localhost:5002
	}
	handle /rewritten* {
		method PUT
		verify orders.read
		reverse_proxy localhost:5002
	}`)
	p := newProver(t)
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"} {
		over := *g
		over.http = g.presenting(t, nil, version)
		token := g.provenToken(t, p, over.http)
		url := g.url("https://localhost:5001/orders/7")
		arrived := over.checkAllowed(t, over.ask(t, "GET", "/orders/7?page=2", "", p.headers("GET", url, token)...))
		if arrived.header["Authorization"] != nil || arrived.header["Dpop"] != nil {
			t.Errorf("%s: arrived with %v", version, arrived.header)
		}
		// The path is that which the client sent, in whatever spelling.
		url = g.url("https://LOCALHOST:5001/stripped/%6frders?x#y")
		headers := p.headers("POST", url, token)
		arrived = over.checkAllowed(t, over.ask(t, "POST", "/stripped/orders", "x", headers...))
		if "Dpop: "+arrived.header.Get("Dpop") != headers[1] || "Authorization: "+arrived.header.Get("Authorization") != headers[0] {
			t.Errorf("%s: forward_authorization: arrived with %v", version, arrived.header)
		}
		// So is the method.
		over.checkAllowed(t, over.ask(t, "POST", "/rewritten", "", p.headers("POST", g.url("https://localhost:5001/rewritten"), token)...))
		if strings.Contains(g.logged(), strings.Split(headers[1], ".")[2]) {
			t.Error("the log has a proof")
		}
	}
	if a := g.do("GET", "https://localhost:5001/.well-known/oauth-authorization-server", ""); !strings.Contains(a.body, `"dpop_signing_alg_values_supported":["ES256",`) {
		t.Errorf("metadata: %s", a.body)
	}
}

// algs are those of every DPoP challenge.
const algs = `, algs="ES256 EdDSA Ed25519 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512"`

// RFC 9449 sections 4.3 and 7.1: whatever is wrong, the answer is a challenge, and the
// API is left alone.
func TestDPoPRefusals(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, ordersSite)
	p, thief := newProver(t), newProver(t)
	token := g.provenToken(t, p, g.http)
	free := g.token("reader", "orders.read")
	const (
		badProof  = `, error="invalid_dpop_proof", error_description="The DPoP proof is missing, or not valid for this request"`
		scope     = `, scope="orders.read"`
		badScheme = `, error="invalid_token", error_description="The access token does not belong to this authentication scheme"`
	)
	bearerRealm, dpopRealm := `Bearer realm="`+g.url("https://localhost:5001")+`"`, `DPoP realm="`+g.url("https://localhost:5001")+`"`+algs
	right := func(path string) string { return p.proof("GET", g.url("https://localhost:5001"+path), token, nil) }
	used := right("/orders/used")
	g.checkAllowed(t, g.ask(t, "GET", "/orders/used", "", "Authorization: DPoP "+token, "Dpop: "+used))

	for name, row := range map[string]struct {
		path       string
		headers    func(path string) []string
		reason     string
		challenges []string
	}{
		"bound, as Bearer": {"/orders/1", func(path string) []string { return []string{bearer(token), "Dpop: " + right(path)} }, "wrong_authorization_scheme",
			[]string{bearerRealm + badScheme + scope, dpopRealm + scope}},
		"free, as DPoP": {"/orders/2", func(path string) []string {
			return []string{"Authorization: DPoP " + free, "Dpop: " + p.proof("GET", g.url("https://localhost:5001"+path), free, nil)}
		}, "wrong_authorization_scheme", []string{dpopRealm + badScheme + scope, bearerRealm + scope}},
		"no proof":     {"/orders/3", func(string) []string { return nil }, "no_dpop_proof", nil},
		"two proofs":   {"/orders/4", func(path string) []string { return []string{"Dpop: " + right(path), "Dpop: " + right(path)} }, "several_dpop_proofs", nil},
		"two in one":   {"/orders/5", func(path string) []string { return []string{"Dpop: " + right(path) + ", " + right(path)} }, "malformed_dpop_proof", nil},
		"the token":    {"/orders/6", func(string) []string { return []string{"Dpop: " + token} }, "malformed_dpop_proof", nil},
		"another path": {"/orders/7", func(string) []string { return []string{"Dpop: " + right("/orders/8")} }, "dpop_proof_for_another_request", nil},
		"used":         {"/orders/used", func(string) []string { return []string{"Dpop: " + used} }, "replayed_dpop_proof", nil},
		"by another key": {"/orders/9", func(path string) []string {
			return []string{"Dpop: " + thief.proof("GET", g.url("https://localhost:5001"+path), token, nil)}
		}, "dpop_proof_by_another_key", nil},
		"another token": {"/orders/10", func(path string) []string {
			return []string{"Dpop: " + p.proof("GET", g.url("https://localhost:5001"+path), free, nil)}
		}, "dpop_proof_for_another_token", nil},
		"no token": {"/orders/11", func(path string) []string {
			return []string{"Dpop: " + p.proof("GET", g.url("https://localhost:5001"+path), "", nil)}
		}, "dpop_proof_for_another_token", nil},
		"another method": {"/orders/12", func(path string) []string {
			return []string{"Dpop: " + p.proof("POST", g.url("https://localhost:5001"+path), token, nil)}
		}, "dpop_proof_for_another_request", nil},
		"old": {"/orders/13", func(path string) []string {
			return []string{"Dpop: " + p.proof("GET", g.url("https://localhost:5001"+path), token, members{"iat": time.Now().Unix() - 120})}
		}, "stale_dpop_proof", nil},
		"as the host says": {"/orders/14", func(path string) []string {
			return []string{"X-Forwarded-Host: api.attacker.example", "X-Forwarded-Proto: https", "Forwarded: host=api.attacker.example", "Dpop: " + p.proof("GET", "https://api.attacker.example"+path, token, nil)}
		}, "dpop_proof_for_another_request", nil},
	} {
		t.Run(name, func(t *testing.T) {
			headers := row.headers(row.path)
			if row.challenges == nil {
				headers, row.challenges = append(headers, "Authorization: DPoP "+token), []string{dpopRealm + badProof}
			}
			a := g.ask(t, "GET", row.path, "", headers...)
			if got := a.Header.Values("WWW-Authenticate"); a.StatusCode != 401 || !slices.Equal(got, row.challenges) {
				t.Errorf("%d %q, want %q", a.StatusCode, got, row.challenges)
			}
			if seen := g.api.take(); len(seen) > 0 {
				t.Errorf("the API was reached: %+v", seen)
			}
			if line := g.refusalAt(row.path); line["reason"] != row.reason {
				t.Errorf("logged %v, want %s", line, row.reason)
			}
		})
	}
	// RFC 6750 section 3.1: nothing of the challenge is new where there is no token.
	g.checkRefused(t, g.ask(t, "GET", "/orders/0", "", "Dpop: "+right("/orders/0")), "/orders/0", "no_token", "")
}

// A route may ask for bound tokens, by any means or by one, and says so.
func TestSenderConstrainedRoutes(t *testing.T) {
	t.Parallel()
	g := startGuardedBy(t, strings.Replace(shopOptions, "tokenidp {", `tokenidp {
		dpop_origin https://api.example.com
		policy proven {
			sender_constrained dpop
		}`, 1)+`localhost:5001 {
	tokenidp
	handle /any* {
		verify orders.read {
			sender_constrained
		}
		reverse_proxy localhost:5002
	}
	handle /dpop* {
		verify orders.read {
			policy proven
		}
		reverse_proxy localhost:5002
	}
	handle /mtls* {
		verify orders.read {
			sender_constrained mtls
		}
		reverse_proxy localhost:5002
	}
	handle /elsewhere* {
		verify orders.read {
			dpop_origin https://orders.example.com https://orders.example.org:8443
		}
		reverse_proxy localhost:5002
	}
	handle /chain* {
		verify orders.read {
			report_only
		}
		verify orders.read orders.write {
			report_only
		}
		verify orders.read
		reverse_proxy localhost:5002
	}
}
`)
	p := newProver(t)
	token, free := g.provenToken(t, p, g.http), g.token("reader", "orders.read")
	bearerRealm, dpopRealm := `Bearer realm="`+g.url("https://localhost:5001")+`"`, `DPoP realm="`+g.url("https://localhost:5001")+`"`+algs
	for path, want := range map[string][]string{
		"/any": {bearerRealm, dpopRealm}, "/dpop": {dpopRealm}, "/mtls": {bearerRealm}, "/elsewhere": {bearerRealm},
	} {
		for i := range want {
			want[i] += `, scope="orders.read"`
		}
		if a := g.ask(t, "GET", path+"/nobody", ""); a.StatusCode != 401 || !slices.Equal(a.Header.Values("WWW-Authenticate"), want) {
			t.Errorf("%s: %d %q, want %q", path, a.StatusCode, a.Header.Values("WWW-Authenticate"), want)
		}
	}
	for path, reason := range map[string]string{"/any/free": "not_sender_constrained", "/dpop/free": "not_sender_constrained", "/mtls/free": "not_sender_constrained"} {
		if a := g.ask(t, "GET", path, "", bearer(free)); a.StatusCode != 401 || !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="invalid_token"`) || g.refusalAt(path)["reason"] != reason {
			t.Errorf("%s: %d %q", path, a.StatusCode, a.Header.Values("WWW-Authenticate"))
		}
	}
	g.checkAllowed(t, g.ask(t, "GET", "/any", "", p.headers("GET", "https://api.example.com/any", token)...))
	g.checkAllowed(t, g.ask(t, "GET", "/dpop", "", p.headers("GET", "https://api.example.com/dpop", token)...))
	g.checkAllowed(t, g.ask(t, "GET", "/elsewhere", "", bearer(free)))
	g.checkAllowed(t, g.ask(t, "GET", "/elsewhere", "", p.headers("GET", "https://orders.example.com/elsewhere", token)...))
	g.checkAllowed(t, g.ask(t, "GET", "/elsewhere", "", p.headers("GET", "https://orders.example.org:8443/elsewhere", token)...))
	for path, reason := range map[string]string{"/mtls/proven": "not_sender_constrained", "/any/here": "dpop_proof_for_another_request"} {
		url := "https://api.example.com" + path
		if path == "/any/here" {
			url = g.url("https://localhost:5001" + path)
		}
		if a := g.ask(t, "GET", path, "", p.headers("GET", url, token)...); a.StatusCode != 401 || g.refusalAt(path)["reason"] != reason {
			t.Errorf("%s: %d %q, %v", path, a.StatusCode, a.Header.Values("WWW-Authenticate"), g.refusalAt(path))
		}
	}
	// One proof does for one request, however many verifies look at it; the second time,
	// those that report see a replay too.
	headers := p.headers("GET", "https://api.example.com/chain", token)
	g.checkAllowed(t, g.ask(t, "GET", "/chain", "", headers...))
	if a := g.ask(t, "GET", "/chain", "", headers...); a.StatusCode != 401 || g.refusalAt("/chain")["reason"] != "replayed_dpop_proof" {
		t.Errorf("replayed: %d", a.StatusCode)
	}
	g.eventually("the reasons in the log", func() bool {
		return slices.Equal(reasonsOf(g.entries("request would be refused"), "/chain"), []string{"missing_scope", "replayed_dpop_proof", "replayed_dpop_proof"})
	})
}

func reasonsOf(lines []map[string]any, path string) (reasons []string) {
	for _, line := range lines {
		if reason, ok := line["reason"].(string); ok && line["path"] == path {
			reasons = append(reasons, reason)
		}
	}
	slices.Sort(reasons)
	return reasons
}

// RFC 9449 section 5: an Application may be held to it.
func TestTokensThatHaveToBeBound(t *testing.T) {
	t.Parallel()
	c := start(t, shopOptions+"localhost:5001 {\n\ttokenidp\n}\n", options{files: map[string]string{"applications.yaml": strings.Replace(shopApplications,
		"- client_id: reader\n", "- client_id: reader\n    dpop_bound_access_tokens: true\n", 1)}})
	p, client := newProver(t), c.client()
	c.provenToken(t, p, client)
	c.refuses(t, c.requestToken(t, client, "reader", true), 400, "invalid_dpop_proof", "no_dpop_proof")
	c.refuses(t, c.requestToken(t, client, "reader", true, "Dpop: "+p.proof("POST", "https://attacker.example/token", "", nil)), 400, "invalid_dpop_proof", "dpop_proof_for_another_request")
	proof := "Dpop: " + p.proof("POST", c.url("https://localhost:5001/token"), "", nil)
	if a := c.requestToken(t, client, "reader", true, proof); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	c.refuses(t, c.requestToken(t, client, "reader", true, proof), 400, "invalid_dpop_proof", "replayed_dpop_proof")
	if strings.Contains(c.logged(), strings.Split(proof, ".")[2]) {
		t.Error("the log has a proof")
	}
}

// A route that asks for DPoP, and whose URL nobody knows, does not load.
func TestDPoPOriginIsKnown(t *testing.T) {
	t.Parallel()
	keys, err := json.Marshal(members{"keys": []members{jwkOf(attackerKey(), "a", nil)}})
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct{ app, route, want string }{
		"unknown": {"", "sender_constrained dpop", "sender_constrained dpop: nobody said under which URL clients call this API, so that no proof could be checked; write: dpop_origin https://api.example.com"},
		"either":  {"", "sender_constrained", "write: dpop_origin https://api.example.com; or, for certificates alone: sender_constrained mtls"},
		"mtls":    {"", "sender_constrained mtls", ""},
		"http":    {"dpop_origin http://api.example.com", "", `dpop_origin: "http://api.example.com" must be https; if a proxy in front terminates TLS, write the URL that clients call`},
		"a path":  {"", "dpop_origin https://api.example.com/orders", `dpop_origin: "https://api.example.com/orders" is not an origin; write it as https://api.example.com`},
		"known":   {"", "sender_constrained dpop\n\t\t\tdpop_origin https://api.example.com", ""},
	} {
		dir := workspace(t, newPorts(t), trustingOptions("\t\t"+row.app, trust("https://elsewhere.example.com", "jwks_file keys.json", "audience orders-api"))+
			"localhost:5001 {\n\tverify orders.read {\n\t\t"+row.route+"\n\t}\n}\n", map[string]string{"keys.json": string(keys)})
		_, errs, code := command(t, dir, "", "validate", "--config", "Caddyfile")
		if (code == 0) != (row.want == "") || !strings.Contains(strings.ReplaceAll(errs, `\"`, `"`), row.want) {
			t.Errorf("%s: exit code %d: %s", name, code, errs)
		}
	}
}

// What the quota refuses uses up no proof: the client may send it again.
func TestTheQuotaUsesUpNoProof(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	p, url := newProver(t), c.url("https://localhost:5001/token")
	ask := func(proof string) (status int, body string) {
		a := c.do("POST", url, "grant_type=client_credentials&scope=orders.read&client_id=thrifty&client_secret="+shopSecret, formEncoded, "Dpop: "+proof)
		return a.StatusCode, a.body
	}
	for range 2 { // which is its quota
		if status, body := ask(p.proof("POST", url, "", nil)); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
	}
	proof := p.proof("POST", url, "", nil)
	for range 2 {
		if status, body := ask(proof); status != http.StatusTooManyRequests {
			t.Errorf("%d %s", status, body)
		}
	}
}

// A later verify that names origins of its own holds the proof to them, although token
// and proof are gone from the request. One that names none leaves it at the first's.
func TestALaterVerifyJudgesTheProof(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, `
	handle /orders* {
		verify orders.read {
			dpop_origin https://api.example.com https://localhost:5001
		}
		verify orders.read
		verify orders.read {
			dpop_origin https://localhost:5001
			sender_constrained dpop
		}
		reverse_proxy localhost:5002
	}`)
	p := newProver(t)
	token := g.provenToken(t, p, g.http)
	g.checkAllowed(t, g.ask(t, "GET", "/orders", "", p.headers("GET", g.url("https://localhost:5001/orders"), token)...))
	a := g.ask(t, "GET", "/orders", "", p.headers("GET", "https://api.example.com/orders", token)...)
	if challenge := a.Header.Get("Www-Authenticate"); a.StatusCode != http.StatusUnauthorized || !strings.Contains(challenge, `error="invalid_dpop_proof"`) {
		t.Errorf("for another origin: %d %q", a.StatusCode, challenge)
	}
	g.eventually("the reason", func() bool { return strings.Contains(g.logged(), `"reason":"dpop_proof_for_another_request"`) })
}
