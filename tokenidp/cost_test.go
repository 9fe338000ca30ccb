package tokenidp

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage" // for the keys

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// costConfig has a server for each case, so that none is measured behind the matchers
// of another: a route with verify for each issuer, the same one without, and one with
// the least of handlers.
const costConfig = `{
	"admin": {"disabled": true, "config": {"persist": false}},
	"logging": {"logs": {"default": {"writer": {"output": "discard"}}}},
	"storage": {"module": "file_system", "root": "DIR"},
	"apps": {
		"tokenidp": {"issuers": [ISSUERS], RECORDS},
		"http": {METRICS"servers": {
			"bare": {"listen": ["unix/DIR/bare"], "automatic_https": {"disable": true}, "routes": [{"handle": [{"handler": "static_response", "body": "ok"}]}]},
			"vars": {"listen": ["unix/DIR/vars"], "automatic_https": {"disable": true}, "routes": [{"handle": [{"handler": "vars", "a": "b"}, {"handler": "static_response", "body": "ok"}]}]},
			SERVERS
		}}
	}
}`

const (
	costIssuer  = `{"issuer": "http://localhost/ALG", "applications": ["DIR/applications.yaml"], "signing_key_file": "DIR/ALG.pem"}`
	costServers = `
		"issuer-ALG": {"listen": ["unix/DIR/issuer-ALG"], "automatic_https": {"disable": true}, "routes": [{"handle": [
			{"handler": "tokenidp", "issuer": "http://localhost/ALG"}
		]}]},
		"verify-ALG": {"listen": ["unix/DIR/verify-ALG"], "automatic_https": {"disable": true}, "routes": [{"handle": [
			{"handler": "verify", "scopes": ["orders.read"], "issuers": ["http://localhost/ALG"], "source": "ALG"},
			{"handler": "static_response", "body": "ok"}
		]}]}`
)

const costApplications = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}]
applications:
  - client_id: orders-worker
    secrets: [{id: "1", hash: "%s"}]
    scopes: [orders.read]
`

// writeCostApplications makes a folder with costApplications, and returns their secret. The
// folder has a short name, for sockets.
func writeCostApplications(t testing.TB) (dir, password string) {
	t.Helper()
	// What a storage was told may get there after its configuration has ended, so that
	// t.TempDir would fail.
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	password = secret.Generate()
	hash, err := secret.HashGenerated(password)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "applications.yaml"), fmt.Appendf(nil, costApplications, hash), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, password
}

// What a configuration records of requests.
const (
	unrecorded = `"usage_off": true`
	recorded   = `"audit": {"writer": {"output": "file", "filename": "DIR/audit.log", "roll": false}}` // and usage
	measured   = `"metrics": {}, `                                                                     // of Caddy
)

// costs is a Caddy without a network, with the secret of its Application.
type costs struct {
	servers map[string]*caddyhttp.Server
	t       testing.TB
	dir     string
	secret  string
}

func newCosts(t testing.TB, records, metrics string) *costs {
	t.Helper()
	dir, password := writeCostApplications(t)
	s := &costs{t: t, dir: dir, secret: password}
	var issuers, servers []string
	for algorithm, key := range costKeys(s) {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		s.check(err)
		s.check(os.WriteFile(filepath.Join(dir, algorithm+".pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
		issuers = append(issuers, strings.ReplaceAll(costIssuer, "ALG", algorithm))
		servers = append(servers, strings.ReplaceAll(costServers, "ALG", algorithm))
	}
	config := strings.NewReplacer("ISSUERS", strings.Join(issuers, ","), "SERVERS", strings.Join(servers, ","), "RECORDS", records, "METRICS", metrics).Replace(costConfig)
	s.check(caddy.Load([]byte(strings.ReplaceAll(config, "DIR", dir)), true))
	t.Cleanup(func() { s.check(caddy.Stop()) })
	app, err := caddy.ActiveContext().App("http")
	s.check(err)
	s.servers = app.(*caddyhttp.App).Servers
	return s
}

func costKeys(s *costs) map[string]any {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	s.check(err)
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.check(err)
	_, d, err := ed25519.GenerateKey(rand.Reader)
	s.check(err)
	return map[string]any{"RS256": r, "ES256": e, "EdDSA": d}
}

func (s *costs) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *costs) tokenRequest(algorithm string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://localhost/"+algorithm+"/token", strings.NewReader("grant_type=client_credentials&scope=orders.read"))
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("orders-worker", s.secret)
	return r
}

func (s *costs) token(algorithm string) string {
	w := httptest.NewRecorder()
	s.servers["issuer-"+algorithm].ServeHTTP(w, s.tokenRequest(algorithm))
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	s.check(json.Unmarshal(w.Body.Bytes(), &answer))
	return answer.AccessToken
}

// nowhere takes an answer and keeps its status.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(status int)      { n.status = status }

// get asks the server with the tokens in turn; it allocates nothing of its own.
func (s *costs) get(server string, tokens ...string) func() {
	r := httptest.NewRequest(http.MethodGet, "http://localhost/orders", nil)
	values := make([][]string, len(tokens))
	for i, token := range tokens {
		values[i] = []string{"Bearer " + token}
	}
	w, i := &nowhere{header: make(http.Header)}, 0
	return func() {
		clear(w.header)
		r.Header["Authorization"] = values[i%len(values)]
		i++
		if s.servers[server].ServeHTTP(w, r); w.status != http.StatusOK {
			s.t.Fatalf("%s answers %d", server, w.status)
		}
	}
}

// What verify adds to a request whose token is remembered: the admission, and a place
// for it among those who know placeholders. Usage, metrics and the audit log add nothing.
func TestVerifyAllocatesLittle(t *testing.T) {
	s := newCosts(t, recorded, measured)
	token := s.token("RS256")
	bare, verified := s.allocations("bare", token), s.allocations("verify-RS256", token)
	if verified > bare+3 {
		t.Errorf("%.0f allocations, and %.0f without verify", verified, bare)
	}
	s.check(caddy.Stop()) // writes what is still in memory
	audit, err := os.ReadFile(filepath.Join(s.dir, "audit.log"))
	s.check(err)
	if !strings.Contains(string(audit), `"event":"allowed"`) {
		t.Errorf("the audit log has no line of these requests: %.500s", audit)
	}
}

// allocations are the fewest of several counts: what else the process does counts
// too.
func (s *costs) allocations(server, token string) float64 {
	get, fewest := s.get(server, token), math.Inf(1)
	for range 5 {
		fewest = min(fewest, testing.AllocsPerRun(100, get))
	}
	return fewest
}

func BenchmarkRequest(b *testing.B) {
	s := newCosts(b, unrecorded, "")
	many := make([]string, 10_000)
	for i := range many {
		many[i] = s.token("EdDSA")
	}
	for _, row := range []struct {
		name, server string
		tokens       []string
	}{
		{"bare", "bare", many}, {"vars", "vars", many},
		{"1 token", "verify-EdDSA", many[:1]}, {"10,000 tokens", "verify-EdDSA", many},
	} {
		b.Run(row.name, func(b *testing.B) {
			get := s.get(row.server, row.tokens...)
			for range row.tokens {
				get()
			}
			b.ReportAllocs()
			for b.Loop() {
				get()
			}
		})
	}
}

func BenchmarkToken(b *testing.B) {
	s := newCosts(b, unrecorded, "")
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(algorithm, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := &nowhere{header: make(http.Header)}
				if s.servers["issuer-"+algorithm].ServeHTTP(w, s.tokenRequest(algorithm)); w.status != http.StatusOK {
					b.Fatal(w.status)
				}
			}
		})
	}
}

// BenchmarkRecorded is a verified request with and without usage and the audit log.
func BenchmarkRecorded(b *testing.B) {
	for _, row := range []struct {
		tokens  int
		records string
	}{{1, unrecorded}, {1, recorded}, {10_000, unrecorded}, {10_000, recorded}} {
		b.Run(fmt.Sprintf("tokens=%d/recorded=%t", row.tokens, row.records == recorded), func(b *testing.B) {
			s := newCosts(b, row.records, "")
			tokens := make([]string, row.tokens)
			for i := range tokens {
				tokens[i] = s.token("EdDSA")
			}
			get := s.get("verify-EdDSA", tokens...)
			for range tokens {
				get()
			}
			b.ReportAllocs()
			for b.Loop() {
				get()
			}
		})
	}
}
