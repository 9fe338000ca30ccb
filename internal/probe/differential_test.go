package probe_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/go-jose/go-jose/v4"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/client"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

const (
	firstIssuer   = "http://localhost:8080"
	secondIssuer  = "http://localhost:8080/second"
	trustedIssuer = "https://login.example.org/realms/shop"
)

// differentialOptions are the options of all configurations of the differential test.
const differentialOptions = `{
	auto_https off
	tokenidp {
		issuer http://localhost:8080 {
			applications applications.yaml
			insecure_http
		}
		issuer http://localhost:8080/second {
			applications second.yaml
			insecure_http
		}
		trust https://login.example.org/realms/shop {
			jwks_file jwks.json
			audience orders-api
		}
		policy recent {
			max_age 10m
		}
	}
}
(guard) {
	verify orders.read {
		issuer http://localhost:8080
		claim_header X-Client client_id
		claim_header X-Scope scope
	}
}
(reason) {
	handle_errors {
		header X-Reason "{http.tokenidp.reason}"
		respond "{err.status_code}"
	}
}
&(named) {
	verify orders.write {
		issuer http://localhost:8080
		claim_header X-Client client_id
	}
	reverse_proxy UPSTREAM1
}
http://localhost:8080 {
	tokenidp http://localhost:8080
	tokenidp http://localhost:8080/second
	respond 404
}
`

// differentialSites are the sites of the configurations, one each.
var differentialSites = map[string]string{
	"handles": `http://a.example:8080, http://*.a.example:8080 {
		handle /orders* {
			@write not method GET HEAD
			import guard
			verify @write orders.write {
				issuer http://localhost:8080
			}
			@admin token_scope orders.admin
			handle @admin {
				reverse_proxy UPSTREAM2
			}
			reverse_proxy UPSTREAM1
		}
		handle /health {
			respond ok 204
		}
		handle {
			respond 404
		}
		import reason
	}`,
	"handle_path and rewrites": `http://a.example:8080 {
		handle_path /v1/* {
			rewrite /old/* /new{uri}
			handle /orders* {
				import guard
				reverse_proxy UPSTREAM1
			}
			handle /new/old/* {
				verify orders.admin {
					issuer http://localhost:8080
				}
				reverse_proxy UPSTREAM2
			}
			handle {
				redir https://elsewhere.example/
			}
		}
		uri /alias strip_prefix /alias
		@get path_regexp ^/orders/([0-9]+)$
		route @get {
			import guard
			reverse_proxy UPSTREAM2
		}
		route /orders/* {
			verify {
				audience orders-api
				issuer http://localhost:8080
				policy recent
				expression "'orders.write' in scopes && request.method == 'POST'"
			}
			reverse_proxy UPSTREAM1
		}
		import reason
	}`,
	"named routes and sites": `http://a.example:8080 {
		handle /orders* {
			invoke named
		}
		import guard
		reverse_proxy UPSTREAM2
		handle_errors 403 {
			reverse_proxy UPSTREAM2
		}
		handle_errors {
			header X-Reason "{http.tokenidp.reason}"
			respond "{err.status_code}" 418
		}
	}
	http://b.example:8080 {
		invoke named
		import reason
	}
	http://:8080 {
		error /v1/* 410
		respond "any host" 202
	}
	http://a.example:8081 {
		verify orders.read {
			issuer http://localhost:8080
			report_only
		}
		reverse_proxy UPSTREAM1
	}`,
	"issuers": `http://a.example:8080 {
		handle /orders* {
			verify {
				audience orders-api
				any_scope orders.write orders.read
				issuer http://localhost:8080 https://login.example.org/realms/shop
				claim_header X-Client client_id
				claim_header X-Scope scope
			}
			reverse_proxy UPSTREAM1
		}
		handle /v1* {
			verify second.read {
				issuer http://localhost:8080/second
				claim_header X-Client sub
			}
			reverse_proxy UPSTREAM2
		}
		handle /old/* {
			verify orders.read {
				issuer http://localhost:8080
				sender_constrained dpop
				dpop_origin https://a.example http://localhost:8080
			}
			reverse_proxy UPSTREAM2
		}
		import reason
	}`,
	"routes without order": `http://a.example:8080 {
		route {
			respond /health 200
			@post method POST PUT
			handle @post {
				invoke named
			}
			forward_auth /old/* UPSTREAM1 {
				uri /check
				copy_headers X-User
			}
			vars mode open
			@open vars mode open
			@local host b.example
			respond @local 451
			header @open X-Mode open
			map {path} {target} {
				/v1/orders mapped
				default other
			}
			@mapped vars {target} mapped
			error @mapped 409
			intercept {
				@fine status 2xx
				replace_status @fine 203
			}
			import guard
			reverse_proxy UPSTREAM2
		}
		import reason
	}`,
	"preflight and headers": `http://a.example:8080 {
		@hidden header X-Hidden *
		respond @hidden 418
		verify orders.read {
			issuer http://localhost:8080
			allow_preflight
			forward_authorization
		}
		try_files {path} /fallback
		reverse_proxy /fallback UPSTREAM2
		reverse_proxy UPSTREAM1
		import reason
	}`,
}

const differentialApplications = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}, {name: orders.write}, {name: orders.admin}]
applications:
  - {client_id: worker, secrets: [{id: "1", hash: HASH}], scopes: [orders.read, orders.write]}
  - {client_id: reader, secrets: [{id: "1", hash: HASH}], scopes: [orders.read]}
  - {client_id: admin, secrets: [{id: "1", hash: HASH}], scopes: [orders.read, orders.admin], claims: {tenant: acme}}
  - {client_id: bound, secrets: [{id: "1", hash: HASH}], scopes: [orders.read], dpop_bound_access_tokens: true}
`

const differentialSecond = `
resources:
  - name: second-api
    scopes: [{name: second.read}]
applications:
  - {client_id: worker, secrets: [{id: "1", hash: HASH}], scopes: [second.read]}
`

// sender is one caller, with its token of the probe and its token of the real server.
type sender struct {
	name    string
	asked   *probe.Token
	sent    string
	dpop    bool
	headers http.Header
}

// realServer is a configuration that really runs, behind sockets of files.
type realServer struct {
	t       *testing.T
	dir     string
	sockets map[string]string // by port
	secret  string
	key     *client.Key // of DPoP
	trusted *client.Key
}

// The probe predicts for every request what the server does.
func TestProbeIsTheServer(t *testing.T) {
	const requests = 2000
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	upstreams := []string{upstream(t, "1"), upstream(t, "2")}
	for _, name := range slices.Sorted(maps.Keys(differentialSites)) {
		t.Run(name, func(t *testing.T) {
			sites := differentialSites[name]
			s, config := newRealServer(t, strings.NewReplacer("UPSTREAM1", upstreams[0], "UPSTREAM2", upstreams[1]).Replace(differentialOptions+sites))
			p, err := probe.New(config, probe.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			senders := s.senders(p)
			outcomes := make(map[string]int)
			for compared := 0; compared < requests/len(differentialSites)+1; {
				outcome := s.compare(p, randomRequest(random), senders[random.IntN(len(senders))])
				outcomes[outcome]++
				if outcome != notServed {
					compared++
				}
			}
			t.Logf("%v", outcomes)
			if outcomes["allowed"] == 0 || outcomes["no_token"]+outcomes["missing_scope"] == 0 {
				t.Error("the requests show nothing")
			}
		})
	}
}

// upstream records its requests.
func upstream(t *testing.T, name string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Upstream", name)
		for _, claim := range []string{"X-Client", "X-Scope"} {
			if value := r.Header.Get(claim); value != "" {
				w.Header().Set("Echo-"+claim, value)
			}
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func newRealServer(t *testing.T, caddyfile string) (*realServer, []byte) {
	t.Helper()
	s := &realServer{t: t, dir: t.TempDir(), sockets: make(map[string]string), secret: secret.Generate()}
	hash, err := secret.HashGenerated(s.secret)
	s.check(err)
	s.trusted, err = client.GenerateKey("ES256")
	s.check(err)
	s.key, err = client.GenerateKey("ES256")
	s.check(err)
	s.trusted = s.trusted.Named("trusted")
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.trusted.Public().JWK()}})
	s.check(err)
	for name, text := range map[string]string{
		"applications.yaml": strings.ReplaceAll(differentialApplications, "HASH", `"`+hash+`"`),
		"second.yaml":       strings.ReplaceAll(differentialSecond, "HASH", `"`+hash+`"`),
		"jwks.json":         string(jwks),
	} {
		s.check(os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
	}
	config := adaptIn(t, s.dir, caddyfile)
	s.run(config)
	return s, config
}

func (s *realServer) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// run runs the configuration behind sockets, and removes what would leave the test.
func (s *realServer) run(config []byte) {
	var whole map[string]any
	s.check(json.Unmarshal(config, &whole))
	whole["admin"] = map[string]any{"disabled": true, "config": map[string]any{"persist": false}}
	whole["storage"] = map[string]any{"module": "file_system", "root": s.dir}
	whole["logging"] = map[string]any{"logs": map[string]any{"default": map[string]any{"writer": map[string]any{"output": "file", "filename": filepath.Join(s.dir, "log")}}}}
	servers := whole["apps"].(map[string]any)["http"].(map[string]any)["servers"].(map[string]any)
	for name, one := range servers {
		server := one.(map[string]any)
		port := server["listen"].([]any)[0].(string)
		s.sockets[port] = filepath.Join(s.dir, name)
		server["listen"] = []any{"unix/" + s.sockets[port]}
		server["protocols"] = []string{"h1"}
	}
	changed, err := json.Marshal(whole)
	s.check(err)
	s.check(caddy.Load(changed, true))
	s.t.Cleanup(func() { s.check(caddy.Stop()) })
}

// send sends a request unchanged.
func (s *realServer) send(r probe.Request, header http.Header, body string) *http.Response {
	s.t.Helper()
	host, target, _ := strings.Cut(strings.TrimPrefix(r.URL, "http://"), "/")
	_, port, _ := strings.Cut(host, ":")
	conn, err := net.Dial("unix", s.sockets[":"+port])
	s.check(err)
	defer conn.Close()
	s.check(conn.SetDeadline(time.Now().Add(time.Minute)))
	fmt.Fprintf(conn, "%s /%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n", r.Method, target, host, len(body))
	s.check(header.Write(conn))
	fmt.Fprintf(conn, "\r\n%s", body)
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.Method})
	s.check(err)
	return response
}

// token gets a token as a client does.
func (s *realServer) token(issuer, clientID, scope string, dpop bool) string {
	s.t.Helper()
	r := probe.Request{Method: "POST", URL: issuer + "/token"}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if dpop {
		header.Set("Dpop", s.proof(r, ""))
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {s.secret}, "scope": {scope}}
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error"`
	}
	s.check(json.NewDecoder(s.send(r, header, form.Encode()).Body).Decode(&answer))
	if answer.Token == "" {
		s.t.Fatal(answer.Error)
	}
	return answer.Token
}

func (s *realServer) proof(r probe.Request, token string) string {
	proof, err := s.key.Proof(client.Proof{Method: r.Method, URL: r.URL, AccessToken: token}, time.Now())
	s.check(err)
	return proof
}

// senders returns all callers, each with a token of both.
func (s *realServer) senders(p *probe.Probe) []*sender {
	all := []*sender{
		{name: "anonymous"},
		{name: "hidden", headers: http.Header{"X-Hidden": {"1"}}},
		{name: "spoofer", headers: http.Header{"X-Client": {"admin"}}},
		{name: "preflight", headers: http.Header{"Origin": {"https://a.example"}, "Access-Control-Request-Method": {"GET"}}},
		{name: "garbage", asked: probe.Presented("a.b.c"), sent: "a.b.c"},
	}
	for _, row := range []struct{ issuer, clientID, scope string }{
		{firstIssuer, "worker", "orders.read"}, {firstIssuer, "worker", "orders.read orders.write"}, {firstIssuer, "worker", "orders.write"},
		{firstIssuer, "reader", "orders.read"}, {firstIssuer, "admin", "orders.admin orders.read"}, {firstIssuer, "admin", "orders.admin"},
		{secondIssuer, "worker", "second.read"}, {firstIssuer, "bound", "orders.read"},
	} {
		one := &sender{name: row.clientID + " " + row.scope, dpop: row.clientID == "bound"}
		var err error
		one.asked, err = p.Grant(row.issuer, row.clientID, strings.Fields(row.scope), probe.Unbound)
		s.check(err)
		one.sent = s.token(row.issuer, row.clientID, row.scope, one.dpop)
		all = append(all, one)
	}
	now := time.Now()
	for name, claims := range map[string]map[string]any{
		"billing":         {"azp": "billing", "scope": "invoices.read", "aud": "orders-api"},
		"billing orders":  {"azp": "billing", "scope": "orders.read orders.write", "aud": []string{"other", "orders-api"}},
		"other audience":  {"azp": "billing", "scope": "invoices.read", "aud": "other"},
		"expired billing": {"azp": "billing", "scope": "invoices.read", "aud": "orders-api", "iat": now.Add(-time.Hour).Unix(), "exp": now.Add(-time.Minute).Unix()},
	} {
		claims["iss"] = trustedIssuer
		asked, err := p.Sign(claims, probe.Unbound)
		s.check(err)
		all = append(all, &sender{name: name, asked: asked, sent: s.sign(claims)})
	}
	slices.SortStableFunc(all, func(a, b *sender) int { return strings.Compare(a.name, b.name) })
	return all
}

// sign makes a token as the trusted issuer does.
func (s *realServer) sign(claims map[string]any) string {
	if claims["exp"] == nil {
		claims = maps.Clone(claims)
		claims["iat"], claims["exp"] = time.Now().Unix(), time.Now().Add(time.Hour).Unix()
	}
	payload, err := json.Marshal(claims)
	s.check(err)
	pem, err := s.trusted.PEM()
	s.check(err)
	keys, err := jws.ParsePrivatePEM(pem)
	s.check(err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: keys[0]}, (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", "trusted"))
	s.check(err)
	signed, err := signer.Sign(payload)
	s.check(err)
	token, err := signed.CompactSerialize()
	s.check(err)
	return token
}

var (
	differentialMethods = []string{"GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", "QUERY"}
	differentialHosts   = []string{"a.example:8080", "a.example:8080", "a.example:8080", "A.Example:8080", "x.a.example:8080", "b.example:8080", "a.example:8081", "localhost:8080"}
	differentialPaths   = []string{"/orders", "/orders", "/orders/1", "/v1", "/v1/orders", "/v1/old", "/old/orders", "/alias/orders/2", "/fallback", "/health", "/Orders", "//orders", "/x/../orders/3", "/%6frders", "/"}
	differentialPieces  = []string{"/orders", "/orders", "/orders/1", "/ORDERS", "/v1", "/v1", "/old", "/alias", "/health", "/", "//", "/.", "/..", "/%6frders", "/%2e%2e", "/x", "/;a", "/a%2fb", "/%20", "/é", "*", "?a=b", "/fallback"}
)

func randomRequest(random *rand.Rand) probe.Request {
	pick := func(all []string) string { return all[random.IntN(len(all))] }
	path := pick(differentialPaths)
	for range random.IntN(3) {
		path += pick(differentialPieces)
	}
	return probe.Request{Method: pick(differentialMethods), URL: "http://" + pick(differentialHosts) + path, From: "127.0.0.1:1"}
}

// notServed is the result of a request that cannot be compared.
const notServed = "not served"

// compare asks both about a request, and returns the result.
func (s *realServer) compare(p *probe.Probe, r probe.Request, from *sender) string {
	s.t.Helper()
	r.Header = from.headers
	v, err := p.AskWith(r, from.asked)
	if err != nil {
		if strings.Contains(err.Error(), "no site has") || strings.Contains(err.Error(), "no server listens") {
			return notServed // the question makes no sense
		}
		s.t.Fatalf("%s: %v", r, err)
	}
	header := r.Header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	if from.sent != "" {
		header.Set("Authorization", "Bearer "+from.sent)
	}
	if from.dpop {
		header.Set("Authorization", "DPoP "+from.sent)
		header.Set("Dpop", s.proof(r, from.sent))
	}
	if v.Handler == "tokenidp" {
		return notServed // not by a route; the test ignores the answers of tokenidp
	}
	s.difference(v, s.send(r, header, ""), r, from)
	if v.Allowed {
		return "allowed"
	}
	return v.Reason
}

func (s *realServer) difference(v *probe.Verdict, real *http.Response, r probe.Request, from *sender) {
	s.t.Helper()
	failed := func(what string, asked, got any) {
		s.t.Errorf("%s from %s: %s is %v, and for the probe %v (%+v)", r, from.name, what, got, asked, v)
	}
	if v.Status != real.StatusCode {
		failed("the status", v.Status, real.StatusCode)
	}
	upstream := ""
	if name := real.Header.Get("X-Upstream"); name != "" {
		upstream = "reverse_proxy"
	}
	if reached := strings.HasPrefix(v.Handler, "reverse_proxy"); reached != (upstream != "") {
		failed("the handler", v.Handler, real.Header)
	}
	for _, claim := range []string{"X-Client", "X-Scope"} {
		if upstream != "" && from.name != "spoofer" && v.Headers.Get(claim) != real.Header.Get("Echo-"+claim) {
			failed(claim, v.Headers, real.Header)
		}
	}
	reason := real.Header.Get("X-Reason")
	if reason == "{http.tokenidp.reason}" {
		reason = "" // no verify has refused
	}
	if v.Refused != nil && reason != "" && reason != v.Refused.Reason || v.Refused == nil && len(v.Reported) == 0 && reason != "" {
		failed("the reason", v.Reason, reason)
	}
}
