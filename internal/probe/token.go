package probe

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/client"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
)

// Token is the access token of a request.
type Token struct {
	Issuer, ClientID, Audience string
	Scope                      []string

	text       string
	dpop, mtls bool // how it is bound
}

// Binding is what a client binds a token to, in addition to what it must.
type Binding int

// A token is unbound, or bound to the key of DPoP proofs or to a certificate.
const (
	Unbound Binding = iota
	ByDPoP
	ByMTLS
)

// Presented returns a token exactly as a request has it, whatever it is.
func Presented(text string) *Token { return &Token{text: text} }

// Grant issues a token to an Application of an issuer of the configuration, as POST
// /token does. The error is an *[oauth.Error].
func (p *Probe) Grant(issuer, clientID string, scopes []string, b Binding) (*Token, error) {
	g := tokenidp.Grant{Issuer: issuer, ClientID: clientID, Scopes: scopes}
	a := p.application(issuer, clientID)
	t := &Token{Issuer: issuer, dpop: b == ByDPoP || a != nil && a.DPoPBound, mtls: a != nil && a.CertificateBound}
	g.Request.Credentials.TLS = connection(issuer, p.binding.certificate)
	if t.dpop {
		endpoint, err := p.sandbox.TokenEndpoint(issuer)
		if err != nil {
			return nil, oauth.InternalError(err)
		}
		proof, err := p.binding.key.Proof(client.Proof{Method: http.MethodPost, URL: endpoint}, time.Now())
		if err != nil {
			return nil, oauth.InternalError(err)
		}
		g.Request.Proofs = []string{proof}
	}
	text, issued, err := p.sandbox.Issue(context.Background(), g)
	if err != nil {
		return nil, err
	}
	t.text, t.ClientID, t.Audience, t.Scope = text, issued.ClientID, issued.Audience, issued.Scope
	return t, nil
}

// Sign makes a token with these claims, of a trusted issuer or of an issuer of the
// configuration. It adds missing claims: times, an id, and the audiences that the routes
// accept.
func (p *Probe) Sign(claims map[string]any, b Binding) (*Token, error) {
	all := make(map[string]any, len(claims)+6)
	now := time.Now()
	for name, value := range map[string]any{"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": rand.Text()} {
		all[name] = value
	}
	for name, value := range claims {
		all[name] = value
	}
	issuer, _ := all["iss"].(string)
	if issuer == "" {
		return nil, errors.New("the claims of a token have no iss, which says whose token it is")
	}
	if _, own := p.sandbox.Issuers()[issuer]; own && all["sub"] == nil {
		all["sub"] = all["client_id"]
	}
	if audiences := p.sandbox.Audiences(issuer); all["aud"] == nil && len(audiences) > 0 {
		all["aud"] = audiences
	}
	certificate, key := p.binding.thumbprints()
	switch b {
	case Unbound:
	case ByDPoP:
		all["cnf"] = map[string]string{"jkt": key}
	case ByMTLS:
		all["cnf"] = map[string]string{"x5t#S256": certificate}
	}
	encoded, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("the claims of a token: %w", err)
	}
	t := &Token{Issuer: issuer, dpop: b == ByDPoP, mtls: b == ByMTLS}
	t.ClientID, _ = all["client_id"].(string)
	if scope, ok := all["scope"].(string); ok {
		t.Scope = strings.Fields(scope)
	}
	t.text, err = p.sandbox.Sign(issuer, encoded)
	return t, err
}

// scopesOf returns the scopes of an Application, by the resource that owns them.
func (p *Probe) scopesOf(issuer, clientID string) (groups [][]string) {
	set, a := p.sandbox.Issuers()[issuer], p.application(issuer, clientID)
	if a == nil {
		return nil
	}
	for _, resource := range set.Resources() {
		scopes := slices.DeleteFunc(slices.Clone(a.Scopes), func(scope string) bool {
			owner, _ := set.Resource(scope)
			return owner != resource
		})
		if len(scopes) > 0 {
			groups = append(groups, scopes)
		}
	}
	return groups
}
