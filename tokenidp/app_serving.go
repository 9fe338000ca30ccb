package tokenidp

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// serving are the Apps that run. The admin endpoint and the metrics speak for the latest
// one. Caddy replaces its admin endpoint before it provisions a configuration, and does not
// go back if that is refused. So the App of the configuration that answers there may be one
// that never runs.
var serving succession[App]

// Serving returns the App of the configuration that started last, or nil if none runs.
func Serving() *App { return serving.latest() }

// Since returns when Start put the configuration in force.
func (a *App) Since() time.Time { return a.since }

// loadedApps has the JSON of apps of a configuration, by name.
type loadedApps map[string]json.RawMessage

// JSON returns the configuration of this App and of the http app beside it, as Caddy loaded
// it. After a reload that failed, Caddy's own JSON may be another one. It is an error if
// this version of Caddy does not show it.
func (a *App) JSON() ([]byte, error) {
	if len(a.loaded["tokenidp"]) == 0 {
		return nil, errors.New("this version of Caddy does not show its configuration")
	}
	apps := make(loadedApps)
	for name, one := range a.loaded {
		if len(one) > 0 {
			apps[name] = one
		}
	}
	return json.Marshal(map[string]loadedApps{"apps": apps})
}

// Context ends with this configuration.
func (a *App) Context() context.Context { return a.ctx }

// StateHealth returns how the shared state is.
func (a *App) StateHealth() state.Health { return a.state.Health() }

// LoggerOf returns the logger that a module has in this configuration.
func (a *App) LoggerOf(module caddy.Module) *zap.Logger { return a.loggerOf(module) }

// Issuer returns the issuer of this server that has the URL. The empty URL means the only
// issuer. The error names the configured ones.
func (a *App) Issuer(url string) (*Issuer, error) { return a.issuer(url) }

// ResolveIssuer returns the URL of an issuer whose tokens are accepted, also of a trusted
// one. The empty URL means the only issuer. The error names the configured ones.
func (a *App) ResolveIssuer(url string) (string, error) {
	iss, err := a.tokenIssuer(url)
	if err != nil {
		return "", err
	}
	return iss.id(), nil
}

// VerifyToken returns the claims of a token that any issuer of the configuration has signed, as
// if a caller had sent it. It does not check whether the token is revoked, or to whom it is
// bound. A refused token is a [verifier.Refusal].
func (a *App) VerifyToken(ctx context.Context, token string) (*verifier.Claims, error) {
	var all []*verifier.Issuer
	for _, iss := range a.Issuers {
		all = append(all, iss.verifies())
	}
	for _, t := range a.Trusted {
		all = append(all, t.verifies())
	}
	v, err := verifier.New(time.Now, all...)
	if err != nil {
		return nil, err
	}
	return verifyAlone(ctx, v, token)
}

// NotRevoked returns a [verifier.Refusal] if the token is revoked, or if that is not known.
func (a *App) NotRevoked(claims *verifier.Claims) error { return notRevoked(a.state, claims) }

// Revoke puts a revocation in force on all nodes. It continues if ctx is canceled. The
// error is an [oauth.Error] if this is not certain, and can be tried again.
func (a *App) Revoke(ctx context.Context, revocation state.Revocation) error {
	return revokeDurably(ctx, a.state, revocation)
}
