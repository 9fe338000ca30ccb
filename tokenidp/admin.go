package tokenidp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
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
	a.logger = ctx.Logger()
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
		{Pattern: "/tokenidp/keys/rotate", Handler: caddy.AdminHandlerFunc(a.rotateKeys)},
		{Pattern: "/tokenidp/status", Handler: caddy.AdminHandlerFunc(a.serveStatus)},
		{Pattern: "/tokenidp/report", Handler: caddy.AdminHandlerFunc(a.serveReport)},
		{Pattern: "/tokenidp/secrets", Handler: caddy.AdminHandlerFunc(a.serveSecrets)},
		{Pattern: "/tokenidp/trusted", Handler: caddy.AdminHandlerFunc(a.serveTrusted)},
		{Pattern: "/tokenidp/revoke", Handler: caddy.AdminHandlerFunc(a.revokeTokens)},
		{Pattern: "/tokenidp/revocations", Handler: caddy.AdminHandlerFunc(a.serveRevocations)},
		{Pattern: "/tokenidp/access", Handler: caddy.AdminHandlerFunc(a.serveAccess)},
		{Pattern: "/tokenidp/explain", Handler: caddy.AdminHandlerFunc(a.explainToken)},
	}
}

// issuerKeys are the keys of an issuer, as the admin endpoint shows them.
type issuerKeys struct {
	Issuer string    `json:"issuer"`
	Keys   []keyInfo `json:"keys"`
}

type keyInfo struct {
	KeyID     string     `json:"kid,omitempty"`
	Algorithm string     `json:"alg,omitempty"`
	State     string     `json:"state"` // next, active, retired or unreadable
	CreatedAt *time.Time `json:"created_at,omitempty"`
	SignsFrom *time.Time `json:"signs_from,omitempty"`
	RetiresAt *time.Time `json:"retires_at,omitempty"` // when its successor takes over
	DeletesAt *time.Time `json:"deletes_at,omitempty"` // at the earliest
	// PrivateKey is clear, encrypted or outside: how the storage has it. It is
	// missing for what is unreadable.
	PrivateKey string `json:"private_key,omitempty"`
	// KeyEncryptionKey is the id of the key that it is encrypted with.
	KeyEncryptionKey string `json:"key_encryption_key,omitempty"`
	// SignsHere: this server can sign with it.
	SignsHere bool   `json:"signs_here"`
	Missing   bool   `json:"missing,omitempty"` // from the storage
	Entry     string `json:"entry"`             // its name in the storage
	Cause     string `json:"cause,omitempty"`   // of unreadable
}

func newKeyInfo(k signing.KeyState) keyInfo {
	private := ""
	switch {
	case k.State == signing.Unreadable:
	case k.Outside:
		private = "outside"
	case k.Encryption != "":
		private = "encrypted"
	default:
		private = "clear"
	}
	return keyInfo{
		PrivateKey: private, KeyEncryptionKey: k.Encryption, SignsHere: k.SignsHere,
		KeyID: k.ID, Algorithm: k.Algorithm, State: string(k.State), Missing: k.Missing, Entry: k.Entry, Cause: k.Cause,
		CreatedAt: moment(k.CreatedAt), SignsFrom: moment(k.SignsFrom), RetiresAt: moment(k.RetiresAt), DeletesAt: moment(k.DeletesAt),
	}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

func (a *adminAPI) serveKeys(w http.ResponseWriter, r *http.Request) error {
	if err := a.check(r, http.MethodGet); err != nil {
		return err
	}
	all := []issuerKeys{}
	for _, iss := range a.app.Issuers {
		keys := issuerKeys{Issuer: iss.Issuer, Keys: []keyInfo{}}
		for _, k := range iss.keys.States() {
			keys.Keys = append(keys.Keys, newKeyInfo(k))
		}
		all = append(all, keys)
	}
	return writeAdminJSON(w, all)
}

// rotationPlan says what a rotation does.
type rotationPlan struct {
	Issuer    string    `json:"issuer"`
	KeyID     string    `json:"kid"`
	Algorithm string    `json:"alg"`
	SignsFrom time.Time `json:"signs_from"`
	Made      bool      `json:"made"` // false: it waited already
	Warning   string    `json:"warning,omitempty"`
}

func (a *adminAPI) rotateKeys(w http.ResponseWriter, r *http.Request) error {
	if err := a.check(r, http.MethodPost); err != nil {
		return err
	}
	query := r.URL.Query()
	iss, err := a.app.issuer(query.Get("issuer"))
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	if !iss.issues {
		return caddy.APIError{HTTPStatus: http.StatusConflict, Err: fmt.Errorf("this server does not issue for %s; rotate on one that does", iss.Issuer)}
	}
	ctx, cancel := context.WithTimeout(r.Context(), storageTimeout)
	defer cancel()
	plan, err := iss.keys.Rotate(ctx, query.Get("now") == "true")
	if errors.Is(err, signing.ErrOutside) {
		return caddy.APIError{HTTPStatus: http.StatusConflict, Err: err}
	}
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
	}
	a.logger.Info("signing keys rotated by an operator", zap.String("issuer", iss.Issuer), zap.String("kid", plan.KeyID),
		zap.Time("signs_from", plan.SignsFrom), zap.Bool("made", plan.Made))
	return writeAdminJSON(w, rotationPlan{
		Issuer: iss.Issuer, KeyID: plan.KeyID, Algorithm: plan.Algorithm, SignsFrom: plan.SignsFrom.UTC().Truncate(time.Second),
		Made: plan.Made, Warning: plan.Warning,
	})
}

func (a *adminAPI) serveStatus(w http.ResponseWriter, r *http.Request) error {
	if err := a.check(r, http.MethodGet); err != nil {
		return err
	}
	return writeAdminJSON(w, a.app.status(time.Now()))
}

func (a *adminAPI) serveReport(w http.ResponseWriter, r *http.Request) error {
	if err := a.check(r, http.MethodGet); err != nil {
		return err
	}
	all := []routeReport{}
	seen := make(map[*tally]bool) // a snippet that is imported twice is one place
	for _, v := range a.app.routes {
		if v.tally != nil && !seen[v.tally] {
			seen[v.tally] = true
			all = append(all, v.tally.report(v.Source))
		}
	}
	return writeAdminJSON(w, all)
}

func (a *adminAPI) serveSecrets(w http.ResponseWriter, r *http.Request) error {
	if err := a.check(r, http.MethodGet); err != nil {
		return err
	}
	unusedFor := defaultUnusedFor
	if text := r.URL.Query().Get("unused_for"); text != "" {
		var err error
		if unusedFor, err = caddy.ParseDuration(text); err != nil || unusedFor < leastUnusedFor {
			return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf("unused_for %.64q is not a duration of at least %s; write it as 8d", text, leastUnusedFor)}
		}
	}
	all := []issuerSecrets{}
	for _, iss := range a.app.Issuers {
		if iss.issues {
			all = append(all, iss.reportSecrets(unusedFor, time.Now()))
		}
	}
	return writeAdminJSON(w, all)
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
