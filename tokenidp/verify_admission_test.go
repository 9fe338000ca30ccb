package tokenidp

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimheader"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/metrics"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// refuseAll is a verify that accepts no token, with a claim header.
func refuseAll(t *testing.T) *Verify {
	t.Helper()
	v := &Verify{ClaimHeaders: []ClaimHeader{{Header: "X-Client-Id", Claim: "client_id"}}, verifyWorker: &verifyWorker{logger: zap.NewNop(), app: &App{verifyRoutes: func() []VerifyRoute { return nil }}}}
	v.metrics = metrics.NewCounters()
	var err error
	if v.verifier, err = verifier.New(time.Now); err != nil {
		t.Fatal(err)
	}
	if v.headers, err = claimHeaders(v.ClaimHeaders); err != nil {
		t.Fatal(err)
	}
	return v
}

func prepared(t *testing.T) (*httptest.ResponseRecorder, *http.Request) {
	t.Helper()
	w := httptest.NewRecorder()
	return w, caddyhttp.PrepareRequest(httptest.NewRequest(http.MethodGet, "http://localhost/", nil), caddy.NewReplacer(), w, nil)
}

var unreachable = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
	return errors.New("reached")
})

// Whatever variable another handler sets, and under whatever name a client has it
// set, verify takes no request for a verified one.
func TestNoOtherHandlerCanAdmit(t *testing.T) {
	v := refuseAll(t)
	for name, value := range map[string]any{
		"text": "orders-worker", "true": true, "an object": map[string]any{"claims": map[string]any{"scope": "orders.read"}}, "null": nil,
		"claims without an admission": &verifier.Claims{ClientID: "orders-worker"}, "no pointer": admission{claims: new(verifier.Claims)},
		"placeholder of an admission": "{http.vars." + admissionVar + "}",
	} {
		t.Run(name, func(t *testing.T) {
			w, r := prepared(t)
			r.Header["X-Client-Id"], r.Header["X_client_id"] = []string{"admin"}, []string{"admin"}
			err := caddyhttp.VarsMiddleware{admissionVar: value}.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				return v.ServeHTTP(w, r, unreachable)
			}))
			var refusal caddyhttp.HandlerError
			if !errors.As(err, &refusal) || refusal.StatusCode != http.StatusUnauthorized {
				t.Errorf("error %v", err)
			}
			if len(r.Header) > 0 {
				t.Errorf("headers %v", r.Header)
			}
			if _, err := (&MatchTokenScope{Scopes: []string{"orders.read"}}).MatchWithError(r); err == nil {
				t.Error("token_scope was asked before any verify, and answered")
			}
		})
	}
}

// What verify has set stays for the next one; nothing else under these names does.
func TestClaimHeadersOfAnEarlierVerifyStay(t *testing.T) {
	for name, row := range map[string]struct{ sent, want http.Header }{
		"as it was set":     {http.Header{"X-Client-Id": {"worker"}}, http.Header{"X-Client-Id": {"worker"}}},
		"with another name": {http.Header{"X-Client-Id": {"worker"}, "X_client.id": {"admin"}}, http.Header{"X-Client-Id": {"worker"}}},
		// as a copy of the request from before the earlier verify would be
		"with another value":  {http.Header{"X-Client-Id": {"admin"}}, http.Header{}},
		"with a second value": {http.Header{"X-Client-Id": {"worker", "admin"}}, http.Header{}},
		"without a value":     {http.Header{"X-Client-Id": {}}, http.Header{}},
	} {
		t.Run(name, func(t *testing.T) {
			_, r := prepared(t)
			r.Header = row.sent
			refuseAll(t).removeClaimHeaders(r, &admission{headers: []claimheader.Value{{Name: "X-Client-Id", Value: "worker"}}})
			if len(r.Header) != len(row.want) || r.Header.Get("X-Client-Id") != row.want.Get("X-Client-Id") {
				t.Errorf("left %v, want %v", r.Header, row.want)
			}
		})
	}
}

func TestPlaceholdersOfAVerifiedRequest(t *testing.T) {
	_, r := prepared(t)
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	repl.Set("http.auth.user.id", "of basic_auth")
	repl.Set("http.auth.user.iss", "of another handler")
	repl.Set("http.auth.user.claims.tenant", "of another handler")
	repl.Set("http.auth.user.name", "of another handler")
	(&Verify{verifyWorker: new(verifyWorker)}).admit(r, variables(r), &verifier.Claims{ClientID: "orders-worker", Issuer: "https://idp.example.com"}, nil, nil)
	for key, want := range map[string]string{
		"http.auth.user.id": "orders-worker", "http.auth.user.iss": "https://idp.example.com", "http.auth.user.scope": "",
		"http.auth.user.claims.tenant": "", "http.vars." + admissionVar: "",
	} {
		if got, known := repl.GetString(key); got != want || !known {
			t.Errorf("%s is %q, %v; want %q", key, got, known, want)
		}
	}
	if got, known := repl.GetString("http.auth.user.name"); known {
		t.Errorf("http.auth.user.name is %q", got)
	}
}
