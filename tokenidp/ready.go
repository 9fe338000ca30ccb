package tokenidp

import (
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
)

func init() {
	caddy.RegisterModule(MatchReady{})
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
func (m *MatchReady) MatchWithError(*http.Request) (bool, error) { return m.app.ready(), nil }

func (a *App) ready() bool {
	return a.state.Ready() == nil && !slices.ContainsFunc(a.Issuers, func(iss *Issuer) bool { return iss.issues && !iss.canIssue() })
}

func (iss *Issuer) canIssue() bool {
	return iss.applications.Load() != nil && slices.ContainsFunc(iss.keys.States(), func(k signing.KeyState) bool {
		return k.State == signing.Active && k.SignsHere
	})
}

// Interface guards
var (
	_ caddy.Provisioner                 = (*MatchReady)(nil)
	_ caddyfile.Unmarshaler             = (*MatchReady)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchReady)(nil)
)
