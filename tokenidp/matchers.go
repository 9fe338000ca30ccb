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
	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

func init() {
	caddy.RegisterModule(MatchTokenScope{})
	caddy.RegisterModule(MatchReady{})
}

// MatchTokenScope matches verified requests whose access token has all of the
// scopes. It works behind `verify` only: before it, matching is an error, so
// that `not token_scope` lets nothing through.
type MatchTokenScope struct {
	// The scopes that the token must have, all of them.
	Scopes []string `json:"scopes,omitempty"`

	// Where this matcher is configured, as file:line. Errors begin with it.
	Source string `json:"source,omitempty"`

	usage *usage.Store
}

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
		if m.Source == "" {
			m.Source = fmt.Sprintf("%s:%d", d.File(), d.Line())
		}
		args := d.RemainingArgs()
		if len(args) == 0 || slices.Contains(args, "") {
			return d.Err(errNoScope.Error())
		}
		m.Scopes = append(m.Scopes, args...)
		if d.NextBlock(0) {
			return d.Err("token_scope takes no block")
		}
	}
	return nil
}

// Provision checks that every scope exists, where all issuers are local.
func (m *MatchTokenScope) Provision(ctx caddy.Context) error {
	return placed(m.Source, m.provision(ctx))
}

func (m *MatchTokenScope) provision(ctx caddy.Context) error {
	a, err := app(ctx)
	if err != nil {
		return fmt.Errorf("token_scope: %w", err)
	}
	if err := expandPlaceholders(m); err != nil {
		return fmt.Errorf("token_scope: %w", err)
	}
	m.usage = a.usage
	if len(m.Scopes) == 0 || slices.Contains(m.Scopes, "") {
		return errNoScope
	}
	for _, scope := range m.Scopes {
		if err := a.dependOnScope(m.Source, scope); err != nil {
			return fmt.Errorf("token_scope: %w", err)
		}
	}
	return nil
}

var errNoScope = errors.New("token_scope needs a scope, as in: token_scope orders.admin")

// dependOnScope refuses changes of the Applications that remove the scope. It returns an
// error if no issuer can have it.
func (a *App) dependOnScope(source, scope string) error {
	err := a.dependOnOne(dependent{
		source: source,
		check: func(set *application.Set) error {
			if set == nil {
				return nil // declared elsewhere
			}
			_, err := set.OwnerOfAll([]string{scope})
			return err
		},
		adopt: func(*application.Set) {},
	})
	if len(a.Trusted) > 0 { // whose scopes nobody here knows
		return nil
	}
	return err
}

// MatchWithError reports whether the verified token has all the scopes.
func (m *MatchTokenScope) MatchWithError(r *http.Request) (bool, error) {
	a := admittedFrom(r)
	if a == nil && reported(r) {
		return assumesScopes(r), nil // let through without a token that would do
	}
	if a == nil {
		return false, caddyhttp.Error(http.StatusInternalServerError,
			errors.New("token_scope was asked about a request that no verify has verified; put it inside a route behind verify"))
	}
	for _, scope := range m.Scopes {
		if !a.claims.HasScope(scope) {
			return false, nil
		}
	}
	countRead(m.usage, a.claims, m.Scopes)
	return len(m.Scopes) > 0, nil
}

// MatchReady matches every request while this server is ready: it has read the revocations
// since it started, and the issuers that it serves have their Applications and a signing
// key. Use it for the health checks of a load balancer. Issuers elsewhere do not count:
// this server can work while one of them is down.
type MatchReady struct {
	app *App
}

// CaddyModule returns the Caddy module information.
func (MatchReady) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.tokenidp_ready",
		New: func() caddy.Module { return new(MatchReady) },
	}
}

// UnmarshalCaddyfile sets up the matcher from Caddyfile tokens. Syntax:
//
//	tokenidp_ready
func (*MatchReady) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		if d.NextArg() {
			return d.Err("tokenidp_ready takes no argument")
		}
		if d.NextBlock(0) {
			return d.Err("tokenidp_ready takes no block")
		}
	}
	return nil
}

// Provision finds the app.
func (m *MatchReady) Provision(ctx caddy.Context) (err error) {
	m.app, err = app(ctx)
	return err
}

// MatchWithError never fails.
func (m *MatchReady) MatchWithError(*http.Request) (bool, error) { return m.app.Ready(), nil }

func (a *App) Ready() bool {
	return a.state.Ready() == nil && !slices.ContainsFunc(a.Issuers, func(iss *Issuer) bool { return iss.issues && !iss.canIssue() })
}

// canIssue reports whether the issuer has Applications and a key to sign with. In a
// sandbox, its keys count as present.
func (iss *Issuer) canIssue() bool {
	if iss.keys == nil {
		return true
	}
	return iss.applications.Load() != nil && slices.ContainsFunc(iss.keys.States(), func(k signing.KeyState) bool {
		return k.State == signing.Active && k.SignsHere
	})
}

// Interface guards
var (
	_ caddy.Provisioner                 = (*MatchTokenScope)(nil)
	_ caddyfile.Unmarshaler             = (*MatchTokenScope)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchTokenScope)(nil)
	_ caddy.Provisioner                 = (*MatchReady)(nil)
	_ caddyfile.Unmarshaler             = (*MatchReady)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchReady)(nil)
)
