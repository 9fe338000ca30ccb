// Package application holds the configured Applications (OAuth 2.0 clients,
// RFC 6749 section 2), the API resources whose scopes they may ask for, and the
// secrets they authenticate with. It reads them from YAML files, strictly, and
// decides which scopes a token gets. What is loaded never changes: a new version
// of the files is a new Set.
package application

import (
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

// GrantClientCredentials is the only grant type an Application can be given
// (RFC 6749 section 4.4).
const GrantClientCredentials = "client_credentials"

// The client authentication methods, by their names in RFC 7591 section 2 and RFC
// 8705 section 2.
const (
	AuthMethodBasic         = "client_secret_basic"
	AuthMethodPost          = "client_secret_post"
	AuthMethodPrivateKeyJWT = "private_key_jwt"
	AuthMethodTLS           = "tls_client_auth"
	AuthMethodSelfSignedTLS = "self_signed_tls_client_auth"
)

// Application is one registered workload, under the names of OAuth client
// metadata (RFC 7591 section 2). It is shared by all requests: read it only.
type Application struct {
	// ClientID is 1 to 255 bytes of %x21-7E without a colon, compared byte by byte.
	ClientID string
	// ClientName is what people call it, or "".
	ClientName string
	// Active is false for an Application that must not authenticate.
	Active bool
	// GrantTypes is never empty.
	GrantTypes []string
	// TokenEndpointAuthMethod is the one way in which it authenticates, or "" when it
	// has secrets and may use AuthMethodBasic or AuthMethodPost.
	TokenEndpointAuthMethod string
	// Secrets holds at least one entry if the Application is active and authenticates
	// by secret, and else none.
	Secrets secret.List
	// Certificate is the name in its certificate by which it authenticates with
	// AuthMethodTLS, and else nil.
	Certificate *CertificateName
	// Keys verify the assertions that it signs, or are those of its certificates;
	// PublishedKeys is where they are instead. Both are empty if it authenticates
	// otherwise.
	Keys          []*jws.Key
	PublishedKeys PublishedKeys
	// Federated are the workloads elsewhere that authenticate as it.
	Federated []*Federation
	// Scopes are those it may ask for, in order of definition. Each is owned by a
	// Resource of the Set.
	Scopes []string
	// DefaultScopes is what it gets when it asks for none: part of Scopes, all of
	// one Resource, or empty.
	DefaultScopes []string
	// TokenLifetime is in whole seconds, 10 s to 24 h; 0 stands for the issuer's default.
	TokenLifetime time.Duration
	// Quota is how many tokens it gets in a time.
	Quota Quota
	// Introspection is true for an Application that may ask about any token of the
	// issuer (RFC 7662).
	Introspection bool
	// CertificateBound and DPoPBound tell that it gets only tokens which are bound to
	// its certificate (RFC 8705 section 3.4) or to its key (RFC 9449 section 5.2).
	CertificateBound, DPoPBound bool
	// Claims are what its tokens say beside the usual claims: a JSON object, nil for
	// nothing. ClaimNames are the names in it, in order of definition.
	Claims     []byte
	ClaimNames []string
	// Source is the "file:line" of its definition.
	Source string

	// at is where its client_id stands.
	at strictyaml.Position
}

// Quota is a number of tokens in a time, of which that gives them back evenly; the
// zero value is no limit.
type Quota struct {
	Tokens int
	Per    time.Duration
}

// Accepts reports whether it may authenticate by the method.
func (a *Application) Accepts(method string) bool {
	if a.TokenEndpointAuthMethod == "" {
		return method == AuthMethodBasic || method == AuthMethodPost
	}
	return method == a.TokenEndpointAuthMethod
}

// BySecret reports whether it authenticates by a secret.
func (a *Application) BySecret() bool {
	return a.Accepts(AuthMethodBasic) || a.Accepts(AuthMethodPost)
}

// AllowsGrant reports whether the Application may use the grant type.
func (a *Application) AllowsGrant(grantType string) bool {
	return slices.Contains(a.GrantTypes, grantType)
}
