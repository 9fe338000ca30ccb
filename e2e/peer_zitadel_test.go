package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// zitadelStorage is that of the library's own example, but for this: access tokens
// are JWTs, for an API, and have a scope.
type zitadelStorage struct{ *storage.Storage }

func (s zitadelStorage) ClientCredentials(ctx context.Context, clientID, clientSecret string) (op.Client, error) {
	client, err := s.Storage.ClientCredentials(ctx, clientID, clientSecret)
	return zitadelClient{client}, err
}

func (s zitadelStorage) ClientCredentialsTokenRequest(_ context.Context, clientID string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: clientID, Audience: []string{"orders-api"}, Scopes: scopes}, nil
}

func (s zitadelStorage) GetPrivateClaimsFromScopes(_ context.Context, _, _ string, scopes []string) (map[string]any, error) {
	return map[string]any{"scope": strings.Join(scopes, " ")}, nil
}

type zitadelClient struct{ op.Client }

func (zitadelClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

// zitadelIDTokenRequest is for an ID token whose audience a route accepts.
type zitadelIDTokenRequest struct{ *oidc.JWTTokenRequest }

func (zitadelIDTokenRequest) GetAMR() []string       { return nil }
func (zitadelIDTokenRequest) GetAuthTime() time.Time { return time.Now() }
func (zitadelIDTokenRequest) GetClientID() string    { return "sid1" }

// startZitadel runs an OpenID Provider of github.com/zitadel/oidc over TLS.
func startZitadel(t *testing.T) (*foreign, zitadelStorage) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	issuer := "https://" + server.Listener.Addr().String()
	s := zitadelStorage{storage.NewStorage(storage.NewUserStore(issuer))}
	provider, err := op.NewProvider(&op.Config{CryptoKey: sha256.Sum256([]byte(t.Name())), CryptoKeyId: "1"}, s,
		op.StaticIssuer(issuer), op.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = provider
	server.StartTLS()
	t.Cleanup(server.Close)
	return &foreign{t: t, server: server, issuer: issuer}, s
}

// clientCredentials asks a token endpoint.
func clientCredentials(t *testing.T, client *http.Client, endpoint, id, secret string, form url.Values) string {
	t.Helper()
	form.Set("grant_type", "client_credentials")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(id, secret)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a := send(t, client, r)
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || body.AccessToken == "" {
		t.Fatalf("no token: %d %s", a.StatusCode, a.body)
	}
	return body.AccessToken
}

// An OpenID Provider that this project has no part in: its metadata, its JWK Set and
// its tokens, whose type says nothing.
func TestZitadelAsTrustedIssuer(t *testing.T) {
	t.Parallel()
	f, s := startZitadel(t)
	api := startTrusting(t, newPorts(t), t.TempDir(), trustingOptions(f.trust("audience orders-api", "types jwt", "algorithms RS256"))+trustedSite(`
	handle /orders* {
		verify orders.read
		respond "{http.auth.user.id} {http.auth.user.scope}"
	}
	handle /stock* {
		verify {
			audience stock-api
		}
		respond fine
	}`))
	token := func(scope string) string {
		return clientCredentials(t, f.server.Client(), f.issuer+"/oauth/token", "sid1", "verysecret", url.Values{"scope": {scope}})
	}
	request := zitadelIDTokenRequest{&oidc.JWTTokenRequest{Subject: "id1", Audience: []string{"orders-api"}, Scopes: oidc.SpaceDelimitedArray{"orders.read"}}}
	client, err := s.ClientCredentials(t.Context(), "sid1", "verysecret")
	if err != nil {
		t.Fatal(err)
	}
	idToken, err := op.CreateIDToken(t.Context(), f.issuer, request, time.Hour, token("orders.read"), "", s, client)
	if err != nil {
		t.Fatal(err)
	}
	cut := token("orders.read")
	api.checkVerdicts(t, map[string]verdict{
		"token":           {"/orders", token("orders.read orders.write"), 200, "sid1 orders.read orders.write"},
		"another scope":   {"/orders", token("orders.write"), 403, "missing_scope"},
		"another API":     {"/stock", token("orders.read"), 401, "wrong_audience"},
		"its ID token":    {"/orders", idToken, 401, "wrong_type"},
		"a token cut off": {"/orders", cut[:strings.LastIndex(cut, ".")+1], 401, "malformed_token"},
	})
	if s := api.trusted()[0]; s.Keys != 1 || s.From != f.issuer+"/keys" || len(s.Skipped) != 0 {
		t.Errorf("%+v", s)
	}
}
