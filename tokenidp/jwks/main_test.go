package jwks

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ verifier.KeySource = (*Source)(nil)

// testIssuer is on the loopback interface, so that its network can do without
// TLS.
const (
	testIssuer = "http://idp.localhost"
	testJWKS   = testIssuer + "/jwks"
)

type object = map[string]any

// newJWK is the members of a new public key; some may be changed, or removed with
// nil.
func newJWK(tb testing.TB, kid, alg string, changes object) object {
	tb.Helper()
	var public crypto.PublicKey
	switch alg {
	case "ES256":
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		public = private.Public()
	default:
		edwards, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		public = edwards
	}
	key, err := jws.NewKey(kid, alg, public)
	if err != nil {
		tb.Fatal(err)
	}
	var jwk object
	if err := json.Unmarshal(encode(tb, key.JWK()), &jwk); err != nil {
		tb.Fatal(err)
	}
	for name, value := range changes {
		if jwk[name] = value; value == nil {
			delete(jwk, name)
		}
	}
	return jwk
}

// newSet is a JWK Set of new EdDSA keys.
func newSet(tb testing.TB, kids ...string) string {
	tb.Helper()
	var set []object
	for _, kid := range kids {
		set = append(set, newJWK(tb, kid, "EdDSA", nil))
	}
	return setOf(tb, set...)
}

func setOf(tb testing.TB, jwks ...object) string {
	tb.Helper()
	return string(encode(tb, object{"keys": append([]object{}, jwks...)}))
}

func encode(tb testing.TB, v any) []byte {
	tb.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// issuer is an HTTP server on a network of its own, in memory, so that it can be
// in a synctest bubble, where time passes when everybody waits.
type issuer struct {
	net.Listener
	conns  chan net.Conn
	closed chan struct{}
	busy   sync.WaitGroup

	mu      sync.Mutex
	down    bool
	dials   int
	answers map[string]http.HandlerFunc
	asked   []asked
}

// asked is a request that arrived, and when.
type asked struct {
	path   string
	header http.Header
	at     time.Time
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{conns: make(chan net.Conn), closed: make(chan struct{}), answers: map[string]http.HandlerFunc{}}
	server := &http.Server{Handler: i, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(i) }()
	t.Cleanup(func() {
		close(i.closed)
		_ = server.Close()
		<-served
		i.busy.Wait()
	})
	return i
}

func (i *issuer) Accept() (net.Conn, error) {
	select {
	case conn := <-i.conns:
		return conn, nil
	case <-i.closed:
		return nil, net.ErrClosed
	}
}

func (i *issuer) Close() error   { return nil }
func (i *issuer) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

func (i *issuer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	i.mu.Lock()
	i.dials++
	down := i.down
	i.mu.Unlock()
	if down {
		return nil, syscall.ECONNREFUSED
	}
	client, server := net.Pipe()
	select {
	case i.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.busy.Add(1)
	defer i.busy.Done()
	i.mu.Lock()
	i.asked = append(i.asked, asked{r.URL.Path, r.Header.Clone(), time.Now()})
	answer := i.answers[r.URL.Path]
	i.mu.Unlock()
	if answer == nil {
		answer = http.NotFound
	}
	answer(w, r)
}

func (i *issuer) answer(path string, h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answers[path] = h
}

// publish answers with a document, and with headers, each "Name: value".
func (i *issuer) publish(path, body string, headers ...string) {
	i.answer(path, func(w http.ResponseWriter, _ *http.Request) {
		for _, header := range headers {
			name, value, _ := strings.Cut(header, ": ")
			w.Header().Set(name, value)
		}
		_, _ = io.WriteString(w, body)
	})
}

func (i *issuer) setDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// requests are those for a path, or all.
func (i *issuer) requests(path string) (found []asked) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, a := range i.asked {
		if path == "" || a.path == path {
			found = append(found, a)
		}
	}
	return found
}

func (i *issuer) dialled() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.dials
}

// hang answers when the client has gone.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// source makes a source of the issuer's keys, at testJWKS unless the options
// have them elsewhere.
func (i *issuer) source(t *testing.T, changes ...func(*Options)) (*Source, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	transport := hardened(&net.Dialer{})
	transport.DialContext = i.dial
	o := Options{
		Issuer: testIssuer, JWKSURL: testJWKS, Algorithms: []string{"EdDSA", "ES256"},
		Transport: transport, Logger: zap.New(core),
	}
	for _, change := range changes {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, logs
}

// run runs a source until stop, or until the test ends.
func run(t *testing.T, s *Source) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(stop)
	return stop
}

func mustKey(t *testing.T, s *Source, kid string) *jws.Key {
	t.Helper()
	key, err := s.Key(t.Context(), kid, "")
	if err != nil || key == nil || key.ID != kid {
		t.Fatalf("kid %q: %+v, %v", kid, key, err)
	}
	return key
}

// wantUnknown: the issuer has no such key, which is the token's fault.
func wantUnknown(t *testing.T, s *Source, kid string) {
	t.Helper()
	if key, err := s.Key(t.Context(), kid, ""); key != nil || !errors.Is(err, verifier.ErrUnknownKey) {
		t.Errorf("kid %q: %+v, %v; want an unknown key", kid, key, err)
	}
}

// wantOutOfReach: nobody can tell, which is not the token's fault.
func wantOutOfReach(t *testing.T, s *Source, kid string) error {
	t.Helper()
	key, err := s.Key(t.Context(), kid, "")
	if key != nil || err == nil || errors.Is(err, verifier.ErrUnknownKey) {
		t.Errorf("kid %q: %+v, %v; want keys out of reach", kid, key, err)
	}
	return err
}

func metadata(issuer, jwksURI string) string {
	return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, jwksURI)
}
