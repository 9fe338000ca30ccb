// Package application holds the Applications (OAuth 2.0 clients, RFC 6749 section 2) and
// the API resources with their scopes. It reads them strictly from YAML files, and decides
// which scopes a token gets. A loaded Set never changes: a new version of the files is a
// new Set.
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

// Application is a registered client. Its fields are named after OAuth client metadata
// (RFC 7591 section 2). Requests share it: never change it.
type Application struct {
	// ClientID is 1 to 255 bytes of %x21-7E without a colon, compared byte by byte.
	ClientID string
	// ClientName is its name for people, or "".
	ClientName string
	// Active is false for an Application that must not authenticate.
	Active bool
	// GrantTypes is never empty.
	GrantTypes []string
	// TokenEndpointAuthMethod is its authentication method. It is "" for an Application
	// with secrets that may use both AuthMethodBasic and AuthMethodPost.
	TokenEndpointAuthMethod string
	// Secrets has at least one entry if the Application is active and authenticates by
	// secret, and otherwise none.
	Secrets secret.List
	// Certificate is the registered name in its certificate, for AuthMethodTLS. It is nil
	// for other methods.
	Certificate *CertificateName
	// Keys verify its assertions, or are the keys of its certificates. PublishedKeys is
	// the URL of the keys instead. Both are empty for other methods.
	Keys          []*jws.Key
	PublishedKeys PublishedKeys
	// Federated are the workloads elsewhere that authenticate as it.
	Federated []*Federation
	// Scopes are the scopes that it may request, in order of definition. A Resource of the
	// Set owns each.
	Scopes []string
	// DefaultScopes is what it gets if it requests none: a part of Scopes, all of one
	// Resource. It may be empty.
	DefaultScopes []string
	// TokenLifetime is in whole seconds, 10 s to 24 h. 0 is the issuer's default.
	TokenLifetime time.Duration
	// Quota limits how many tokens it gets.
	Quota Quota
	// Introspection is true if it may introspect every token of the issuer (RFC 7662).
	Introspection bool
	// CertificateBound and DPoPBound are true if it gets only tokens that are bound to its
	// certificate (RFC 8705 section 3.4) or to its key (RFC 9449 section 5.2).
	CertificateBound, DPoPBound bool
	// Claims are additional claims of its tokens: a JSON object, or nil. ClaimNames are
	// their names, in order of definition.
	Claims     []byte
	ClaimNames []string
	// Source is the "file:line" of its definition.
	Source string

	// at is the place of its client_id.
	at strictyaml.Position
}

// Quota is a number of tokens per time. They become available again evenly. The zero value
// is no limit.
type Quota struct {
	Tokens int
	Per    time.Duration
}

// Accepts reports whether the Application may authenticate with the method.
func (a *Application) Accepts(method string) bool {
	if a.TokenEndpointAuthMethod == "" {
		return method == AuthMethodBasic || method == AuthMethodPost
	}
	return method == a.TokenEndpointAuthMethod
}

// BySecret reports whether the Application authenticates with a secret.
func (a *Application) BySecret() bool {
	return a.Accepts(AuthMethodBasic) || a.Accepts(AuthMethodPost)
}

// AllowsGrant reports whether the Application may use the grant type.
func (a *Application) AllowsGrant(grantType string) bool {
	return slices.Contains(a.GrantTypes, grantType)
}
