// Package application holds the configured Applications (OAuth 2.0 clients,
// RFC 6749 section 2), the API resources whose scopes they may ask for, and the
// secrets they authenticate with. It reads them from YAML files, strictly, and
// decides which scopes a token gets. What is loaded never changes: a new version
// of the files is a new Set.
package application

import (
	"slices"
	"time"
)

// GrantClientCredentials is the only grant type an Application can be given
// (RFC 6749 section 4.4).
const GrantClientCredentials = "client_credentials"

// The names RFC 7591 section 2 has for authentication by secret.
const (
	AuthMethodBasic = "client_secret_basic"
	AuthMethodPost  = "client_secret_post"
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
	// TokenEndpointAuthMethod is AuthMethodBasic or AuthMethodPost when only that
	// one is allowed, or "" when the Application may use either.
	TokenEndpointAuthMethod string
	// Secrets holds at least one entry if the Application is active.
	Secrets []*Secret
	// Scopes are those it may ask for, in order of definition. Each is owned by a
	// Resource of the Set.
	Scopes []string
	// DefaultScopes is what it gets when it asks for none: part of Scopes, all of
	// one Resource, or empty.
	DefaultScopes []string
	// TokenLifetime is in whole seconds, 10 s to 24 h; 0 stands for the issuer's default.
	TokenLifetime time.Duration
	// Source is the "file:line" of its definition.
	Source string

	// at is where its client_id stands.
	at position
}

// AllowsGrant reports whether the Application may use the grant type.
func (a *Application) AllowsGrant(grantType string) bool {
	return slices.Contains(a.GrantTypes, grantType)
}

// slowCost is how long all slow hashes of the Application take together, which
// is what a wrong secret costs until the right ones are remembered.
func (a *Application) slowCost() time.Duration {
	var sum time.Duration
	for _, s := range a.Secrets {
		if s.slow != nil {
			sum += s.slow.cost()
		}
	}
	return sum
}
