package tokenidp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI serves the state of the issuers, and operations on them, at Caddy's
// admin endpoint:
//
//	GET  /tokenidp/keys                           the keys of all issuers
//	POST /tokenidp/keys/rotate?issuer=<url>       makes a successor; &now=true: at once
//	GET  /tokenidp/status                         what is in force, and what is not in order
//	GET  /tokenidp/report                         whom routes with report_only would refuse
//	GET  /tokenidp/secrets?unused_for=<duration>  the secrets of all Applications
//	GET  /tokenidp/trusted                        the trusted issuers, and how their keys are
//	GET  /tokenidp/access?client_id=<id>          which Application can reach which route
//	POST /tokenidp/explain {"token": "<token>"}   which routes it passes, and why not the others
//	POST /tokenidp/revoke {"token": "<token>"}    takes it back; or by jti, client_id, all
//	GET  /tokenidp/revocations                    how many there are, and how current
//
// It shows nothing that is secret.
type adminAPI struct {
	serving  func() *App // nil where none runs
	logger   *zap.Logger
	registry *prometheus.Registry
}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.tokenidp",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// Provision provisions the App of the configuration, if there is one: after a mistake
// there, Caddy keeps the admin endpoint that it has. It does not keep it after a mistake
// elsewhere, so that this module may answer for a configuration that was refused.
// Therefore it asks the App that serves.
func (a *adminAPI) Provision(ctx caddy.Context) error {
	a.logger = ctx.Logger(adminAPI{}) // Caddy does not say which module this is
	a.serving, a.registry = serving.latest, ctx.GetMetricsRegistry()
	if err := registerMetrics(a.registry); err != nil {
		return err
	}
	if _, err := ctx.AppIfConfigured("tokenidp"); err != nil && !errors.Is(err, caddy.ErrNotConfigured) {
		return err
	}
	return nil
}

// Routes returns the routes of the admin endpoint.
func (a *adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/tokenidp/keys", Handler: a.answer(http.MethodGet, (*App).serveKeys)},
		{Pattern: "/tokenidp/keys/rotate", Handler: a.operate(rotateOperation, (*App).rotateKeys)},
		{Pattern: "/tokenidp/status", Handler: a.answer(http.MethodGet, a.serveStatus)},
		{Pattern: "/tokenidp/report", Handler: a.answer(http.MethodGet, (*App).serveReport)},
		{Pattern: "/tokenidp/secrets", Handler: a.answer(http.MethodGet, (*App).serveSecrets)},
		{Pattern: "/tokenidp/trusted", Handler: a.answer(http.MethodGet, (*App).serveTrusted)},
		{Pattern: "/tokenidp/revoke", Handler: a.operate(revokeOperation, (*App).revokeTokens)},
		{Pattern: "/tokenidp/revocations", Handler: a.answer(http.MethodGet, (*App).serveRevocations)},
		{Pattern: "/tokenidp/access", Handler: a.answer(http.MethodGet, (*App).serveAccess)},
		{Pattern: "/tokenidp/explain", Handler: a.answer(http.MethodPost, (*App).explainToken)},
	}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// answer has the handler answer requests of the method for the App that serves.
func (a *adminAPI) answer(method string, handler func(*App, http.ResponseWriter, *http.Request) error) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		app := a.serving()
		if err := check(r, method, app); err != nil {
			return err
		}
		return handler(app, w, r)
	}
}

func check(r *http.Request, method string, app *App) error {
	switch {
	case r.Method != method:
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method not allowed: %s", r.Method)}
	case app == nil:
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errNotConfigured}
	}
	return nil
}

func writeAdminJSON(w http.ResponseWriter, body any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(body)
}

// Interface guards
var (
	_ caddy.Provisioner = (*adminAPI)(nil)
	_ caddy.AdminRouter = (*adminAPI)(nil)
)
