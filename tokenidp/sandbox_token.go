package tokenidp

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// sandboxKeys are the keys of all issuers of a sandbox: one, made for it.
type sandboxKeys struct {
	private crypto.Signer
	public  *jws.Key
}

// sandboxAlgorithm is fast.
const sandboxAlgorithm = "ES256"

func newSandboxKeys() (*sandboxKeys, error) {
	private, err := jws.GeneratePrivate(sandboxAlgorithm)
	if err != nil {
		return nil, err
	}
	public, err := jws.NewKey("sandbox", sandboxAlgorithm, private.Public())
	return &sandboxKeys{private, public}, err
}

// Key returns the one key of all issuers.
func (k *sandboxKeys) Key(_ context.Context, kid, algorithm string) (*jws.Key, error) {
	if kid != k.public.ID || algorithm != k.public.Algorithm {
		return nil, verifier.ErrUnknownKey
	}
	return k.public, nil
}

// sign returns a token of the type, or without one.
func (k *sandboxKeys) sign(typ string, claims []byte) (string, error) {
	header, err := json.Marshal(struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
		Type      string `json:"typ,omitempty"`
	}{k.public.Algorithm, k.public.ID, typ})
	if err != nil {
		return "", err
	}
	return jws.Sign(k.private, k.public.Algorithm, base64.RawURLEncoding.EncodeToString(header), claims)
}

// Grant is a token request of a client that has authenticated.
type Grant struct {
	Issuer, ClientID string
	Scopes           []string
	// Request has the proof and the connection of the client.
	Request oauth.TokenRequest
}

// Issue issues a token as POST /token does, but for the quota. Every error is an
// *[oauth.Error].
func (s *Sandbox) Issue(ctx context.Context, g Grant) (string, *oauth.AccessToken, error) {
	iss, err := s.app.issuer(g.Issuer)
	if err != nil {
		return "", nil, oauth.InternalError(err)
	}
	now, set := time.Now(), iss.applications.Load()
	a, known := set.Application(g.ClientID)
	if !known {
		return "", nil, &oauth.Error{Reason: oauth.ReasonUnknownClient, Cause: fmt.Errorf("no application is %q", g.ClientID)}
	}
	if refused := oauth.CannotAuthenticate(a, now); refused != nil {
		return "", nil, refused
	}
	client, request := &oauth.Client{Application: a}, g.Request
	request.GrantType, request.Scope = oauth.ClientCredentials, strings.Join(g.Scopes, " ")
	granted, err := oauth.Authorize(set, client, &request, time.Duration(iss.TokenLifetime))
	if err != nil {
		return "", nil, err
	}
	token := oauth.NewAccessToken(iss.Issuer, client, granted, now)
	proofs, err := oauth.NewProofs(iss.url, s.app.state.Once)
	if err != nil {
		return "", nil, oauth.InternalError(err)
	}
	if token.Confirmation, err = proofs.Confirm(client, &request, now); err != nil {
		return "", nil, err
	}
	if err := proofs.Use(ctx, client, token.Confirmation); err != nil {
		return "", nil, err
	}
	claims, err := token.Claims()
	if err != nil {
		return "", nil, err
	}
	signed, err := s.keys.sign("at+jwt", claims)
	if err != nil {
		return "", nil, oauth.InternalError(err)
	}
	return signed, token, nil
}

// TokenEndpoint returns the URL of the token endpoint of an issuer of this server.
func (s *Sandbox) TokenEndpoint(issuer string) (string, error) {
	iss, err := s.app.issuer(issuer)
	if err != nil {
		return "", err
	}
	return iss.url.Scheme + "://" + iss.url.Host + oauth.NewEndpoints(iss.url).Token, nil
}

// Sign returns a token with the claims (a JSON object), as the issuer makes it. The issuer
// may be one of this server, or a trusted one.
func (s *Sandbox) Sign(issuer string, claims []byte) (string, error) {
	iss, err := s.app.tokenIssuer(issuer)
	if err != nil {
		return "", err
	}
	typ := "at+jwt"
	if t, trusted := iss.(*TrustedIssuer); trusted {
		typ = t.typ()[0]
	}
	return s.keys.sign(typ, claims)
}
