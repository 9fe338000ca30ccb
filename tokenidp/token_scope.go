package tokenidp

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

func init() {
	caddy.RegisterModule(MatchTokenScope{})
}

// MatchTokenScope matches verified requests whose access token has all of the
// scopes. It works behind `verify` only: before it, matching is an error, so
// that `not token_scope` lets nothing through.
type MatchTokenScope []string

// CaddyModule returns the Caddy module information.
func (MatchTokenScope) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.token_scope",
		New: func() caddy.Module { return new(MatchTokenScope) },
	}
}

// UnmarshalCaddyfile sets up the matcher from Caddyfile tokens. Syntax:
//
//	token_scope <scope>...
func (m *MatchTokenScope) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		args := d.RemainingArgs()
		if len(args) == 0 || slices.Contains(args, "") {
			return d.Err(errNoScope.Error())
		}
		*m = append(*m, args...)
		if d.NextBlock(0) {
			return d.Err("token_scope takes no block")
		}
	}
	return nil
}

// Provision checks that every scope exists, where all issuers are local.
func (m MatchTokenScope) Provision(ctx caddy.Context) error {
	a, err := app(ctx)
	if err != nil {
		return fmt.Errorf("token_scope: %w", err)
	}
	if len(m) == 0 || slices.Contains(m, "") {
		return errNoScope
	}
	for _, scope := range m {
		if err := a.dependOnScope(scope); err != nil {
			return fmt.Errorf("token_scope: %w", err)
		}
	}
	return nil
}

var errNoScope = errors.New("token_scope needs a scope, as in: token_scope orders.admin")

// dependOnScope keeps the scope with the issuers that own it. It is an error if
// no issuer can have it.
func (a *App) dependOnScope(scope string) error {
	var unknown error
	owned := false
	for _, iss := range a.Issuers {
		err := iss.depend(dependent{
			source: "token_scope",
			check: func(set *application.Set) error {
				if set == nil {
					return nil // declared elsewhere
				}
				if _, ok := set.Resource(scope); !ok {
					return unknownScope(set, scope)
				}
				return nil
			},
			adopt: func(*application.Set) {},
		})
		if err != nil {
			unknown = err
		} else {
			owned = true
		}
	}
	if owned {
		return nil
	}
	return unknown
}

// MatchWithError tells whether the verified token has all the scopes.
func (m MatchTokenScope) MatchWithError(r *http.Request) (bool, error) {
	a := admittedFrom(r)
	if a == nil {
		return false, caddyhttp.Error(http.StatusInternalServerError,
			errors.New("token_scope was asked about a request that no verify has verified; put it inside a route behind verify"))
	}
	for _, scope := range m {
		if !a.claims.HasScope(scope) {
			return false, nil
		}
	}
	return len(m) > 0, nil
}

// Interface guards
var (
	_ caddy.Provisioner                 = (*MatchTokenScope)(nil)
	_ caddyfile.Unmarshaler             = (*MatchTokenScope)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchTokenScope)(nil)
)
