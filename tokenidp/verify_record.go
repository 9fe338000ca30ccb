package tokenidp

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/audit"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// recordAllowed counts and logs a request that passes.
func (v *Verify) recordAllowed(r *http.Request, claims *verifier.Claims) {
	at := v.recordedRoute(r, audit.Allowed)
	v.countPassed(at, claims)
	v.metrics.RequestAllowed()
	v.auditAllowed(r, at, claims)
	if c := v.logger.Check(zap.DebugLevel, "request verified"); c != nil {
		c.Write(zap.String("client_id", claims.ClientID), zap.String("jti", claims.ID), zap.String("source", v.Source))
	}
}

// recordRefused counts and logs a request that is refused, or with report_only would be,
// and sets the placeholder of the reason. The claims are nil without a verified token.
func (v *Verify) recordRefused(r *http.Request, claims *verifier.Claims, refusal *verifier.Refusal) {
	kind, count, message := usage.Refused, v.metrics.RequestRefused, "request refused"
	if v.ReportOnly {
		kind, count, message = usage.Reported, v.metrics.RequestReported, "request would be refused"
	}
	at := v.recordedRoute(r, audit.Refused)
	setRefused(r, refusal)
	v.countRefused(kind, at, r, claims, refusal.Reason)
	count(refusal.Reason)
	v.logRefusal(message, r, claims, refusal)
	v.auditRefused(r, at, claims, refusal)
}

// recordedRoute returns the ID of the route, or "" if neither usage nor the audit log needs
// it.
func (v *Verify) recordedRoute(r *http.Request, kind audit.Kind) string {
	if v.app.usage == nil && !v.app.audit.writes(kind) {
		return ""
	}
	return v.routeID(r)
}

// routeID returns the ID of the route by which a request has come, or the source if that is
// not known. The matchers are asked only if there are several routes.
func (v *Verify) routeID(r *http.Request) string {
	v.app.verifyRoutes()
	switch len(v.routes) {
	case 0:
		return v.Source
	case 1:
		return v.routes[0].ID
	}
	return route.Taken(v.routes, r).ID
}

func (v *Verify) auditAllowed(r *http.Request, at string, claims *verifier.Claims) {
	if v.app.audit.writes(audit.Allowed) {
		e := v.auditEvent(at, claims)
		e.Kind = audit.Allowed
		v.app.audit.writeRequest(r, &e)
	}
}

func (v *Verify) auditRefused(r *http.Request, at string, claims *verifier.Claims, refusal *verifier.Refusal) {
	if !v.app.audit.writes(audit.Refused) {
		return
	}
	e := v.auditEvent(at, claims)
	e.Kind, e.ReportOnly, e.Status, e.Reason = audit.Refused, v.ReportOnly, refusal.Status, string(refusal.Reason)
	if cause := refusal.Unwrap(); cause != nil {
		e.Cause = refusallog.Loggable(cause.Error())
	}
	v.app.audit.writeRequest(r, &e)
}

// auditEvent has the route, and the token if it is verified.
func (v *Verify) auditEvent(at string, claims *verifier.Claims) audit.Event {
	e := audit.Event{At: "verify", Route: at, Source: v.Source}
	if claims == nil {
		return e
	}
	e.Issuer, e.ClientID, e.TokenID, e.KeyID, e.Scope = claims.Issuer, claims.ClientID, claims.ID, claims.KeyID, claims.Scope
	if len(claims.Audience) > 0 {
		e.Audience = claims.Audience[0]
	}
	return e
}
