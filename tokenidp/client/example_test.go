package client_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/client"
)

// A service with a secret gets a token (client_secret_basic).
func ExampleSecretBasic() {
	issuer := newIssuer()
	defer issuer.Close()
	web := client.Web(trust(issuer), nil) // nil trusts the roots of the system
	ctx := context.Background()

	server, err := client.Discover(ctx, web, issuer.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := client.Client{
		Web: web, Server: *server, Now: time.Now,
		ID:             "orders-worker",
		Authentication: client.SecretBasic("replace-with-real-secret"),
	}
	token, err := c.Token(ctx, client.Request{Scope: "orders.read"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.TokenType, token.AccessToken, token.Scope)
	fmt.Println("valid for", time.Duration(token.ExpiresIn)*time.Second)

	// Output:
	// Bearer header.claims.signature orders.read
	// valid for 1h0m0s
}

// A service with a key of its own signs an assertion for each request
// (private_key_jwt). The server has the public key only.
func ExamplePrivateKey() {
	issuer := newIssuer()
	defer issuer.Close()
	web := client.Web(trust(issuer), nil)
	ctx := context.Background()

	key, err := client.GenerateKey("ES256") // or ParseKey, for a key in a PEM file
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := client.Discover(ctx, web, issuer.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := client.Client{
		Web: web, Server: *server, Now: time.Now,
		ID:             "orders-worker",
		Authentication: client.PrivateKey(key),
	}
	token, err := c.Token(ctx, client.Request{Scope: "orders.read"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.TokenType, token.AccessToken, token.Scope)

	// Output:
	// Bearer header.claims.signature orders.read
}

// A server that gives no token answers with an error code of RFC 6749.
func ExampleRefusal() {
	issuer := newIssuer()
	defer issuer.Close()
	c := client.Client{
		Web:            client.Web(trust(issuer), nil),
		Server:         client.Server{Issuer: issuer.URL, TokenEndpoint: issuer.URL + "/token"},
		Now:            time.Now,
		ID:             "orders-worker",
		Authentication: client.SecretBasic("an old secret"),
	}
	_, err := c.Token(context.Background(), client.Request{Scope: "orders.read"})

	var refusal *client.Refusal
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Status, refusal.Code)
		fmt.Println("try again:", refusal.Passing())
	}

	// Output:
	// 401 invalid_client
	// try again: false
}

// newIssuer starts a server that stands for an authorization server.
func newIssuer() *httptest.Server {
	mux := http.NewServeMux()
	issuer := httptest.NewTLSServer(mux)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"issuer": issuer.URL, "token_endpoint": issuer.URL + "/token"})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		_, secret, _ := r.BasicAuth()
		if secret != "replace-with-real-secret" && r.PostFormValue("client_assertion") == "" {
			answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
			return
		}
		answer(w, http.StatusOK, map[string]any{
			"access_token": "header.claims.signature", "token_type": "Bearer", "expires_in": 3600, "scope": r.PostFormValue("scope"),
		})
	})
	return issuer
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// trust returns the certificate of the test server as the only root.
func trust(server *httptest.Server) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return roots
}
