package tokenidp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
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
	app    *App // nil where none is configured
	logger *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.tokenidp",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// Provision finds the app. That none is configured is no error here.
func (a *adminAPI) Provision(ctx caddy.Context) error {
	a.logger = ctx.Logger(adminAPI{}) // Caddy does not say which module this is
	module, err := ctx.AppIfConfigured("tokenidp")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil
	}
	if err != nil {
		return err
	}
	a.app = module.(*App)
	return nil
}

// Routes returns the routes of the admin endpoint.
func (a *adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/tokenidp/keys", Handler: caddy.AdminHandlerFunc(a.serveKeys)},
		{Pattern: "/tokenidp/keys/rotate", Handler: a.audited(rotateOperation, a.rotateKeys)},
		{Pattern: "/tokenidp/status", Handler: caddy.AdminHandlerFunc(a.serveStatus)},
		{Pattern: "/tokenidp/report", Handler: caddy.AdminHandlerFunc(a.serveReport)},
		{Pattern: "/tokenidp/secrets", Handler: caddy.AdminHandlerFunc(a.serveSecrets)},
		{Pattern: "/tokenidp/trusted", Handler: caddy.AdminHandlerFunc(a.serveTrusted)},
		{Pattern: "/tokenidp/revoke", Handler: a.audited(revokeOperation, a.revokeTokens)},
		{Pattern: "/tokenidp/revocations", Handler: caddy.AdminHandlerFunc(a.serveRevocations)},
		{Pattern: "/tokenidp/access", Handler: caddy.AdminHandlerFunc(a.serveAccess)},
		{Pattern: "/tokenidp/explain", Handler: caddy.AdminHandlerFunc(a.explainToken)},
	}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

func (a *adminAPI) check(r *http.Request, method string) error {
	switch {
	case r.Method != method:
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method not allowed: %s", r.Method)}
	case a.app == nil:
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("no issuer is configured")}
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
