package application

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// The errors of Grant. The text around them names scopes and Applications, and is for the
// log only: the caller of the token endpoint must not learn whether a scope exists that
// it does not have.
var (
	// ErrNoScope: no scope was requested, and the Application has no default (RFC 6749
	// section 3.3).
	ErrNoScope = errors.New("no scope requested")
	// ErrMalformedScope: the parameter is not scope-tokens with spaces between them.
	ErrMalformedScope = errors.New("malformed scope")
	// ErrScopeNotGranted: a scope is not granted to the Application, or does not exist.
	ErrScopeNotGranted = errors.New("scope not granted")
	// ErrScopeOfSeveralResources: the scopes belong to several APIs, but a token is for
	// one.
	ErrScopeOfSeveralResources = errors.New("scopes of several resources")
	// ErrWrongResource: the scopes do not belong to the named resource (RFC 8707 section
	// 2).
	ErrWrongResource = errors.New("scopes are not of the requested resource")
	// ErrUnknownResource: the Application has no scope of the named resource.
	ErrUnknownResource = errors.New("unknown resource")
)

// Grant is what a token gets: scopes of the Application, all of one Resource.
type Grant struct {
	// Scopes are unique, in the order of the request.
	Scopes   []string
	Resource *Resource
	// Audience is the audience of the Resource.
	Audience string
	Lifetime time.Duration
}

// Grant returns what a token for the Application gets. requested is the raw `scope`
// parameter, "" if it was omitted. resources are the raw `resource` parameters, if any.
// defaultLifetime is the issuer's default. Grant refuses a request that it cannot grant as
// a whole, because a client that silently gets less fails later, in another place.
func (s *Set) Grant(a *Application, requested string, resources []string, defaultLifetime time.Duration) (*Grant, error) {
	scopes, err := a.requestedScopes(requested)
	if err != nil {
		return nil, err
	}
	owner, err := s.ownerOf(a, scopes)
	if err != nil {
		return nil, err
	}
	for _, resource := range resources {
		if err := s.checkResource(a, owner, resource); err != nil {
			return nil, err
		}
	}
	return &Grant{
		Scopes:   scopes,
		Resource: owner,
		Audience: owner.Audience(),
		Lifetime: cmp.Or(a.TokenLifetime, defaultLifetime),
	}, nil
}

func (a *Application) requestedScopes(requested string) ([]string, error) {
	if requested == "" {
		if len(a.DefaultScopes) == 0 {
			return nil, fmt.Errorf("%w, and application %q has no default_scopes", ErrNoScope, a.ClientID)
		}
		return slices.Clone(a.DefaultScopes), nil
	}
	var scopes []string
	seen := make(map[string]bool)
	for scope := range strings.SplitSeq(requested, " ") {
		switch {
		case scope == "": // an additional space has no meaning
		case !isScopeToken(scope):
			return nil, errMalformedScope
		case !seen[scope]:
			seen[scope] = true
			scopes = append(scopes, scope)
		}
	}
	if len(scopes) == 0 {
		return nil, errMalformedScope
	}
	return scopes, nil
}

var errMalformedScope = fmt.Errorf("%w: want scope-token *( SP scope-token )", ErrMalformedScope)

// ownerOf checks every scope before it compares owners. So the error for a scope that is
// not granted never says which resource owns it.
func (s *Set) ownerOf(a *Application, scopes []string) (*Resource, error) {
	for _, scope := range scopes {
		if !slices.Contains(a.Scopes, scope) || s.byScope[scope] == nil {
			return nil, fmt.Errorf("%w: application %q may not have %s", ErrScopeNotGranted, a.ClientID, strictyaml.Quote(scope))
		}
	}
	owner := s.byScope[scopes[0]]
	for _, scope := range scopes[1:] {
		if other := s.byScope[scope]; other != owner {
			return nil, fmt.Errorf("%w: %s is of %q, %s of %q", ErrScopeOfSeveralResources,
				strictyaml.Quote(scopes[0]), owner.Name, strictyaml.Quote(scope), other.Name)
		}
	}
	return owner, nil
}

// checkResource compares exact bytes, but for the slash of an empty path, which clients
// add to URLs. An identifier that was loaded is an absolute URI without fragment, so a
// parameter that is not cannot be found (RFC 8707 section 2).
func (s *Set) checkResource(a *Application, owner *Resource, resource string) error {
	named := s.byAudience[weburl.WithPath(resource)]
	switch {
	case named == nil || !s.hasScopeOf(a, named):
		return fmt.Errorf("%w: application %q has no scope of %s", ErrUnknownResource, a.ClientID, strictyaml.Quote(resource))
	case named != owner:
		return fmt.Errorf("%w: they are of %q, not of %s", ErrWrongResource, owner.Name, strictyaml.Quote(resource))
	}
	return nil
}

func (s *Set) hasScopeOf(a *Application, r *Resource) bool {
	return slices.ContainsFunc(a.Scopes, func(scope string) bool { return s.byScope[scope] == r })
}

// isScopeToken follows RFC 6749 section 3.3: 1*( %x21 / %x23-5B / %x5D-7E ).
func isScopeToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}
