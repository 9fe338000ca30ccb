package e2e

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// foreign is an authorization server elsewhere: its metadata and its keys. Its
// tokens are made by forgers, in whatever shape it gives them.
type foreign struct {
	t      *testing.T
	server *httptest.Server
	issuer string

	mu    sync.Mutex
	texts map[string]string // by path
	asked map[string][]http.Header
	down  bool
}

// newForeign runs an issuer over TLS, whose identifier ends in the path. Its
// metadata are where OpenID Connect Discovery has them, its keys at /keys.
func newForeign(t *testing.T, path string) *foreign {
	t.Helper()
	f := &foreign{t: t, texts: make(map[string]string), asked: make(map[string][]http.Header)}
	f.server = httptest.NewUnstartedServer(f)
	f.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.server.StartTLS()
	t.Cleanup(f.server.Close)
	f.issuer = f.server.URL + path
	f.publish(strings.TrimSuffix(path, "/")+"/.well-known/openid-configuration", f.metadata(f.server.URL+"/keys"))
	return f
}

func (f *foreign) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[r.URL.Path] = append(f.asked[r.URL.Path], r.Header)
	text, found := f.texts[r.URL.Path]
	switch {
	case f.down:
		w.WriteHeader(http.StatusBadGateway)
	case !found:
		http.NotFound(w, r)
	default:
		_, _ = io.WriteString(w, text)
	}
}

func (f *foreign) publish(path, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.texts[path] = text
}

func (f *foreign) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// requests are those for a path so far.
func (f *foreign) requests(path string) []http.Header {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[path]
}

func (f *foreign) metadata(jwksURI string) string {
	return textOf(f.t, members{"issuer": f.issuer, "jwks_uri": jwksURI})
}

// fetched waits until the keys of that many issuers or clients were fetched.
func (c *caddy) fetched(many int) {
	c.t.Helper()
	c.eventually("the keys", func() bool {
		return strings.Count(c.logged(), `"msg":"keys of the foreign issuer changed"`) >= many
	})
}

// publishKeys publishes a JWK Set.
func (f *foreign) publishKeys(keys ...members) { f.publish("/keys", keySet(f.t, keys...)) }

func keySet(t *testing.T, keys ...members) string {
	t.Helper()
	return textOf(t, members{"keys": append([]members{}, keys...)})
}

func textOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// forger signs for the issuer.
func (f *foreign) forger(key *rsa.PrivateKey, kid string) *forger {
	return &forger{t: f.t, issuer: f.issuer, kid: kid, key: key, now: time.Now()}
}

// caFile is a file with the certificate that the server is trusted by.
func (f *foreign) caFile() string {
	f.t.Helper()
	path := filepath.Join(f.t.TempDir(), "ca.pem")
	write(f.t, path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.server.Certificate().Raw})))
	return path
}

// trust is the block that trusts it, found by discovery.
func (f *foreign) trust(options ...string) string {
	f.t.Helper()
	return trust(f.issuer, append([]string{"ca_file " + f.caFile()}, options...)...)
}

// jwkOf is the public half of a key, as a JWK; members may be changed, or removed
// with absent.
func jwkOf(key *rsa.PrivateKey, kid string, changes members) members {
	jwk := members{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}
	for name, value := range changes {
		if _, gone := value.(absent); gone {
			delete(jwk, name)
		} else {
			jwk[name] = value
		}
	}
	return jwk
}
