// Package adminendpoint has the routes below /tokenidp/ at Caddy's admin endpoint. They show
// how the app that serves is, and do what operators ask for. The rules are in the app. The
// handler tokenidp_status shows the same to people, in a site.
package adminendpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

func init() {
	caddy.RegisterModule(Endpoint{})
}

// Endpoint serves the state of the issuers, and operations on them, at Caddy's
// admin endpoint:
//
//	GET  /tokenidp/keys                           the keys of all issuers
//	POST /tokenidp/keys/rotate?issuer=<url>       makes a successor; &now=true: at once
//	GET  /tokenidp/status                         what is in force, and what is not in order
//	GET  /tokenidp/status-page                    the same for people, in a browser
//	GET  /tokenidp/report                         whom routes with report_only would refuse; &enforced=true: all routes
//	GET  /tokenidp/usage?unused_for=<duration>    who used what, and what nobody uses
//	GET  /tokenidp/secrets?unused_for=<duration>  the secrets of all Applications
//	GET  /tokenidp/trusted                        the trusted issuers, and how their keys are
//	GET  /tokenidp/applications                   the Applications in force, without secrets
//	POST /tokenidp/explain {"token": "<token>"}   which routes it passes, and why not the others
//	POST /tokenidp/revoke {"token": "<token>"}    takes it back; or by jti, client_id, all
//	GET  /tokenidp/revocations                    how many there are, and how current
//
// It shows nothing that is secret.
type Endpoint struct {
	serving  func() *tokenidp.App                       // nil if none runs
	logger   func(configured *tokenidp.App) *zap.Logger // of its configuration
	registry *prometheus.Registry
	page     *pageSource
}

// CaddyModule returns the Caddy module information.
func (Endpoint) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.tokenidp",
		New: func() caddy.Module { return new(Endpoint) },
	}
}

// Provision provisions the App of the configuration, if there is one: after a mistake
// there, Caddy keeps the admin endpoint that it has. It does not keep it after a mistake
// elsewhere, so that this module may answer for a configuration that was refused.
// Therefore it asks the App that serves.
func (e *Endpoint) Provision(ctx caddy.Context) error {
	own := ctx.Logger(Endpoint{}) // Caddy does not say which module this is
	e.logger = func(configured *tokenidp.App) *zap.Logger {
		if configured == nil {
			return own
		}
		return configured.LoggerOf(Endpoint{})
	}
	e.serving, e.registry = tokenidp.Serving, ctx.GetMetricsRegistry()
	newest.Store(e.registry)
	e.page = newPageSource()
	if err := tokenidp.RegisterMetrics(e.registry); err != nil {
		return err
	}
	if _, err := ctx.AppIfConfigured("tokenidp"); err != nil && !errors.Is(err, caddy.ErrNotConfigured) {
		return err
	}
	return nil
}

// Routes returns the routes of the admin endpoint.
func (e *Endpoint) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/tokenidp/keys", Handler: e.answer(http.MethodGet, serveKeys)},
		{Pattern: "/tokenidp/keys/rotate", Handler: e.operate(rotateOperation, rotateKeys)},
		{Pattern: "/tokenidp/status", Handler: e.answer(http.MethodGet, e.serveStatus)},
		{Pattern: "/tokenidp/status-page", Handler: caddy.AdminHandlerFunc(e.servePage)},
		{Pattern: "/tokenidp/report", Handler: e.answer(http.MethodGet, serveReport)},
		{Pattern: "/tokenidp/usage", Handler: e.answer(http.MethodGet, serveUsage)},
		{Pattern: "/tokenidp/secrets", Handler: e.answer(http.MethodGet, serveSecrets)},
		{Pattern: "/tokenidp/trusted", Handler: e.answer(http.MethodGet, serveTrusted)},
		{Pattern: "/tokenidp/revoke", Handler: e.operate(revokeOperation, revokeTokens)},
		{Pattern: "/tokenidp/revocations", Handler: e.answer(http.MethodGet, serveRevocations)},
		{Pattern: "/tokenidp/applications", Handler: e.answer(http.MethodGet, serveApplications)},
		{Pattern: "/tokenidp/explain", Handler: e.answer(http.MethodPost, explainToken)},
	}
}

// answer has the handler answer requests of the method for the App that serves.
func (e *Endpoint) answer(method string, handler func(*tokenidp.App, http.ResponseWriter, *http.Request) error) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		app := e.serving()
		if err := check(r, method, app); err != nil {
			return err
		}
		return handler(app, w, r)
	}
}

func check(r *http.Request, method string, app *tokenidp.App) error {
	switch {
	case r.Method != method:
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method not allowed: %s", r.Method)}
	case app == nil:
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: tokenidp.ErrNotConfigured}
	}
	return nil
}

func writeJSON(w http.ResponseWriter, body any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(body)
}

// Interface guards
var (
	_ caddy.Provisioner = (*Endpoint)(nil)
	_ caddy.AdminRouter = (*Endpoint)(nil)
)
