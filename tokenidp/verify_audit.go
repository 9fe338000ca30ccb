package tokenidp

import (
	"net/http"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/audit"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

func (v *Verify) auditAllowed(r *http.Request, claims *verifier.Claims) {
	if v.app.audit.writes(audit.Allowed) {
		e := v.auditEvent(r, claims)
		e.Kind = audit.Allowed
		v.app.audit.writeRequest(r, &e)
	}
}

func (v *Verify) auditRefused(r *http.Request, claims *verifier.Claims, refusal *verifier.Refusal) {
	if !v.app.audit.writes(audit.Refused) {
		return
	}
	e := v.auditEvent(r, claims)
	e.Kind, e.ReportOnly, e.Status, e.Reason = audit.Refused, v.ReportOnly, refusal.Status, string(refusal.Reason)
	if cause := refusal.Unwrap(); cause != nil {
		e.Cause = refusallog.Loggable(cause.Error())
	}
	v.app.audit.writeRequest(r, &e)
}

// auditEvent has the route, and the token if it is verified.
func (v *Verify) auditEvent(r *http.Request, claims *verifier.Claims) audit.Event {
	e := audit.Event{At: "verify", Route: v.routeID(r), Source: v.Source}
	if claims == nil {
		return e
	}
	e.Issuer, e.ClientID, e.TokenID, e.KeyID, e.Scope = claims.Issuer, claims.ClientID, claims.ID, claims.KeyID, claims.Scope
	if len(claims.Audience) > 0 {
		e.Audience = claims.Audience[0]
	}
	return e
}
