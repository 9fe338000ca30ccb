package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// Client is one client of one server.
type Client struct {
	Web            *http.Client
	Server         Server
	ID             string
	Authentication Authentication
	// UsesTLS is true if the connection has the client's certificate.
	UsesTLS bool
	// DPoP is the key to bind tokens to (RFC 9449), or nil.
	DPoP *Key
	// Now is the clock of assertions and proofs.
	Now func() time.Time
}

// Request is what a client asks for.
type Request struct {
	Scope    string
	Resource string // RFC 8707
}

// Token is what a client gets (RFC 6749 section 5.1).
type Token struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	// ExpiresIn is in seconds, 0 where the server does not say.
	ExpiresIn int64  `json:"expires_in,omitempty"`
	Scope     string `json:"scope,omitempty"`
	// SecretExpiresAt is what a server of this project says of a secret that expires
	// soon, or "".
	SecretExpiresAt string `json:"client_secret_expires_at,omitempty"`
}

// Token asks for a token. A server that refuses answers with a *[Refusal]. One that
// wants its nonce in the proof (RFC 9449 section 8) is asked again, once.
func (c *Client) Token(ctx context.Context, asked Request) (*Token, error) {
	token, err := c.ask(ctx, asked, "")
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Code == codeUseDPoPNonce && refusal.nonce != "" && c.DPoP != nil {
		return c.ask(ctx, asked, refusal.nonce)
	}
	return token, err
}

func (c *Client) ask(ctx context.Context, asked Request, nonce string) (*Token, error) {
	r, err := c.request(ctx, asked, nonce)
	if err != nil {
		return nil, err
	}
	status, header, body, err := exchange(c.Web, r)
	switch {
	case err != nil:
		return nil, err
	case status != http.StatusOK:
		return nil, newRefusal(status, header, body, c.Now())
	}
	token, err := parseToken(body, c.DPoP != nil)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", r.URL.Host, err)
	}
	token.SecretExpiresAt = header.Get("Client-Secret-Expires-At")
	return token, nil
}

func (c *Client) endpoint() string {
	if c.UsesTLS && c.Server.TLSTokenEndpoint != "" {
		return c.Server.TLSTokenEndpoint
	}
	return c.Server.TokenEndpoint
}

func (c *Client) request(ctx context.Context, asked Request, nonce string) (*http.Request, error) {
	endpoint := c.endpoint()
	if err := checkURL(endpoint); err != nil {
		return nil, fmt.Errorf("the token endpoint %w", err)
	}
	draft := &request{
		form: url.Values{"grant_type": {"client_credentials"}}, header: http.Header{},
		clientID: c.ID, issuer: c.Server.Issuer, now: c.Now(),
	}
	for name, value := range map[string]string{"scope": asked.Scope, "resource": asked.Resource} {
		if value != "" {
			draft.form.Set(name, value)
		}
	}
	if err := c.Authentication(draft); err != nil {
		return nil, err
	}
	if c.DPoP != nil {
		proof, err := c.DPoP.Proof(Proof{Method: http.MethodPost, URL: endpoint, Nonce: nonce}, draft.now)
		if err != nil {
			return nil, err
		}
		draft.header.Set("DPoP", proof)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(draft.form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header = draft.header
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	return r, nil
}

// parseToken refuses a token of another type than was requested. A client must not use a
// type that it does not know (RFC 6749 section 7.1), and anyone who finds a token that is
// not bound to a key can use it.
func parseToken(body []byte, bound bool) (*Token, error) {
	answer, err := strictjson.Object(body)
	if err != nil {
		return nil, err
	}
	t := new(Token)
	t.AccessToken, _ = answer["access_token"].(string)
	t.TokenType, _ = answer["token_type"].(string)
	t.Scope, _ = answer["scope"].(string)
	if seconds, ok := answer["expires_in"].(strictjson.Number); ok {
		t.ExpiresIn, _ = seconds.Int64()
	}
	expected := "Bearer"
	if bound {
		expected = "DPoP"
	}
	switch {
	case t.AccessToken == "" || !ascii.Visible(t.AccessToken):
		return nil, errors.New("there is no access_token in it, or one that no header can hold")
	case !strings.EqualFold(t.TokenType, expected):
		return nil, fmt.Errorf("the token_type is %.20q, not %s", t.TokenType, expected)
	}
	return t, nil
}
