package tokenidp

import (
	"net/http"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/audit"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// recorder is what a Verify records requests with. Its fields are near each other, and not
// those of the app: for each request, memory that is far away costs more than the work.
type recorder struct {
	usage *usage.Store
	audit *auditor
	only  atomic.Pointer[string] // the ID of the route if there is one, once that is known
	debug bool                   // the log has requests that pass
}

// recordAllowed counts and logs a request that passes. It was decided at the end of checking.
func (v *Verify) recordAllowed(r *http.Request, checking *phase, claims *verifier.Claims) {
	at := v.recordedRoute(r, audit.Allowed)
	v.countPassed(at, claims)
	v.metrics.RequestAllowed()
	v.auditAllowed(r, checking, at, claims)
	if v.debug {
		v.logger.Debug("request verified", zap.String("client_id", claims.ClientID), zap.String("jti", claims.ID), zap.String("source", v.Source))
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
	if v.usage == nil && !v.audit.writes(kind) {
		return ""
	}
	return v.routeID(r)
}

// routeID returns the ID of the route by which a request has come, or the source if that is
// not known. The matchers are asked only if there are several routes.
func (v *Verify) routeID(r *http.Request) string {
	if only := v.only.Load(); only != nil {
		return *only
	}
	v.app.verifyRoutes()
	switch len(v.routes) {
	case 0:
		return v.Source
	case 1:
		v.only.Store(&v.routes[0].ID)
		return v.routes[0].ID
	}
	return route.Taken(v.routes, r).ID
}

func (v *Verify) auditAllowed(r *http.Request, checking *phase, at string, claims *verifier.Claims) {
	if !v.audit.writes(audit.Allowed) {
		return
	}
	e := audit.Event{Kind: audit.Allowed, Time: checking.ended, At: "verify", Route: at, Source: v.Source, Members: claims.Annotation()}
	if e.Members == "" {
		addToken(&e, claims)
	}
	v.audit.writeRequest(r, checking.traceID, &e)
}

func (v *Verify) auditRefused(r *http.Request, at string, claims *verifier.Claims, refusal *verifier.Refusal) {
	if !v.audit.writes(audit.Refused) {
		return
	}
	e := audit.Event{
		Kind: audit.Refused, At: "verify", Route: at, Source: v.Source,
		ReportOnly: v.ReportOnly, Status: refusal.Status, Reason: string(refusal.Reason),
	}
	if claims != nil {
		addToken(&e, claims)
	}
	if cause := refusal.Unwrap(); cause != nil {
		e.Cause = refusallog.Loggable(cause.Error())
	}
	v.audit.writeRequest(r, traceID(r), &e)
}

// addToken adds the verified token.
func addToken(e *audit.Event, claims *verifier.Claims) {
	e.Issuer, e.ClientID, e.TokenID, e.KeyID, e.Scope = claims.Issuer, claims.ClientID, claims.ID, claims.KeyID, claims.Scope
	if len(claims.Audience) > 0 {
		e.Audience = claims.Audience[0]
	}
}
