package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/testclock"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"

	// generated is a secret in the generated form, expired another one.
	generated = "tidp_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh83zflnA"
	chosen    = "correct horse battery staple"
	mounted   = `+ / : % = & space é`
	signed    = "header.claims.signature"
)

var (
	expired       = sync.OnceValue(secret.Generate)
	chosenHash    = sync.OnceValue(func() string { return must(secret.HashChosen(chosen)) })
	generatedHash = sync.OnceValue(func() string { return must(secret.HashGenerated(generated)) })
	expiredHash   = sync.OnceValue(func() string { return must(secret.HashGenerated(expired())) })
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// loadSet is a set with one Application of every kind.
func loadSet(t testing.TB) *application.Set {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "applications.yaml")
	content := fmt.Sprintf(`
resources:
  - name: orders-api
    scopes: [{name: orders.read}, {name: orders.write}, {name: orders.admin}]
  - name: billing-api
    resource: https://billing.example.com
    scopes: [{name: billing.read}]
  - name: stock-api
    scopes: [{name: stock.read}]
applications:
  - {client_id: worker, secrets: [{id: a, hash: %[1]s}], scopes: [orders.read, orders.write, billing.read]}
  - {client_id: defaulted, secrets: [{id: a, hash: %[1]s}], scopes: [orders.read, orders.write, billing.read], default_scopes: [orders.write, orders.read], token_lifetime: 10m}
  - {client_id: slow, secrets: [{id: a, hash: "%[2]s"}], scopes: [orders.read]}
  - {client_id: mounted, secrets: [{id: a, file: secret.txt}], scopes: [orders.read]}
  - {client_id: inactive, active: false, secrets: [{id: a, hash: %[1]s}], scopes: [orders.read]}
  - {client_id: expired, secrets: [{id: a, hash: %[3]s, expires: 2020-01-01}], scopes: [orders.read]}
  - {client_id: basic-only, token_endpoint_auth_method: client_secret_basic, secrets: [{id: a, hash: %[1]s}], scopes: [orders.read]}
  - {client_id: post-only, token_endpoint_auth_method: client_secret_post, secrets: [{id: a, hash: %[1]s}], scopes: [orders.read]}
  - {client_id: certified, tls_client_auth_san_dns: orders.example.com, scopes: [orders.read]}
  - {client_id: self-signed, token_endpoint_auth_method: self_signed_tls_client_auth, jwks: {keys: [%[4]s]}, scopes: [orders.read]}
  - {client_id: certified-inactive, active: false, tls_client_auth_san_dns: orders.example.com, scopes: [orders.read]}
  - {client_id: bound, secrets: [{id: a, hash: %[1]s}], scopes: [orders.read], tls_client_certificate_bound_access_tokens: true}
  - {client_id: proving, secrets: [{id: a, hash: %[1]s}], scopes: [orders.read], dpop_bound_access_tokens: true}
`, generatedHash(), chosenHash(), expiredHash(), publicJWK())
	for path, text := range map[string]string{file: content, filepath.Join(folder, "secret.txt"): mounted + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := live.NewLibrary([]string{file}, application.Options{}).Load()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// clock is the time of an Authenticator. It stands still between the calls of a
// test, whatever the Authenticator sleeps.
type clock struct {
	*testclock.Clock
	tick time.Duration // by which each reading moves it

	mu    sync.Mutex
	slept []time.Duration
	ends  []time.Time // of each sleep
}

func newTestAuthenticator() (*Authenticator, *clock) {
	c := &clock{Clock: testclock.New(time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC))}
	a := NewAuthenticator()
	a.now = func() time.Time {
		c.Advance(c.tick)
		return c.Now()
	}
	a.sleep = func(_ context.Context, d time.Duration) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.slept = append(c.slept, d)
		c.ends = append(c.ends, c.Now().Add(d))
	}
	return a, c
}

// endpoint is a token endpoint made of this package alone; its tokens are not
// signed.
type endpoint struct {
	set    *application.Set
	auth   *Authenticator
	clock  *clock
	policy Policy
	used   map[string]bool // nil: out of reach
}

func (e *endpoint) once(_ context.Context, _, id string, _ time.Time) (first bool, err error) {
	if e.used == nil {
		return false, errors.New("disk full")
	}
	first, e.used[id] = !e.used[id], true
	return first, nil
}

func newEndpoint(t testing.TB) *endpoint {
	a, c := newTestAuthenticator()
	return &endpoint{set: loadSet(t), auth: a, clock: c, used: make(map[string]bool)}
}

func (e *endpoint) issue(w http.ResponseWriter, r *http.Request) (*TokenRequest, *AccessToken, error) {
	request, err := ParseTokenRequest(w, r, e.policy)
	if err != nil {
		return nil, nil, err
	}
	source, _ := netip.ParseAddrPort(r.RemoteAddr)
	client, err := e.auth.Authenticate(r.Context(), e.set, request.Credentials, source.Addr())
	if err != nil {
		return nil, nil, err
	}
	grant, err := Authorize(e.set, client, request, time.Hour)
	if err != nil {
		return nil, nil, err
	}
	proofs := Proofs{URL: "https://idp.example.com/token", Once: e.once}
	confirmation, err := proofs.Confirm(client, request, e.clock.Now())
	if err != nil {
		return nil, nil, err
	}
	if err := proofs.Use(r.Context(), client, confirmation); err != nil {
		return nil, nil, err
	}
	token := NewAccessToken("https://idp.example.com", client, grant, e.clock.Now())
	token.Confirmation = confirmation
	return request, token, nil
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.policy.AllowBrowser(w, r) {
		return
	}
	request, token, err := e.issue(w, r)
	if err != nil {
		_ = WriteError(w, FormatOf(r), err.(*Error))
		return
	}
	_ = WriteToken(w, FormatOf(r), token, signed, request.Scope)
}

func (e *endpoint) answer(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}

// refuse is the error that a request meets on its way to a token.
func (e *endpoint) refuse(t testing.TB, r *http.Request) *Error {
	t.Helper()
	_, _, err := e.issue(httptest.NewRecorder(), r)
	return refusal(t, err)
}

// post is a request over TLS, with pairs of header names and values.
func post(contentType, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://idp.example.com/token", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// form is a well-formed request of a client, with more parameters appended.
func form(id, secret, more string) *http.Request {
	return post(formType, "grant_type=client_credentials&client_id="+url.QueryEscape(id)+"&client_secret="+url.QueryEscape(secret)+more)
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func parse(r *http.Request) (*TokenRequest, error) {
	return ParseTokenRequest(httptest.NewRecorder(), r, Policy{})
}

func refusal(t testing.TB, err error) *Error {
	t.Helper()
	refused, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got the error %v, want a refusal", err)
	}
	return refused
}

// wantRefused checks status and reason; no reason means that the request must
// be let through.
func wantRefused(t testing.TB, err error, status int, reason Reason) {
	t.Helper()
	if reason == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if e := refusal(t, err); e.Status != status || e.Reason != reason {
		t.Errorf("refused with %d %s, want %d %s", e.Status, e.Reason, status, reason)
	}
}
