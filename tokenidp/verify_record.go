package tokenidp

import (
	"net/http"
	"slices"
	"sync"
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
	usage    *usage.Store
	audit    *auditor
	recorded func() []recordedRoute // the routes to it, at least one
	debug    bool                   // the log has requests that pass
}

// recordedRoute is a route to a Verify in the form in which its requests are recorded.
type recordedRoute struct {
	id      string        // or the source, if the route is not known
	members audit.Members // of the lines of the audit log
	scopes  []string      // those of [deciding], at addresses that no other route has
	// asSent: the requests by all routes to the Verify have the path and the method that the
	// client sent.
	asSent bool
}

// recordedRoutes returns the routes, which are known once the configuration is loaded.
func (v *Verify) recordedRoutes() []recordedRoute {
	v.app.verifyRoutes()
	newRoute := func(id string, asSent bool) recordedRoute {
		return recordedRoute{id, (&audit.Event{Route: id, Source: v.Source}).Members(), slices.Clone(v.deciding.scopes), asSent}
	}
	if len(v.routes) == 0 {
		return []recordedRoute{newRoute(v.Source, false)}
	}
	asSent := !slices.ContainsFunc(v.routes, func(r *route.Route) bool { return !r.AsSent })
	routes := make([]recordedRoute, len(v.routes))
	for i, r := range v.routes {
		routes[i] = newRoute(r.ID, asSent)
	}
	return routes
}

// recordedRoute returns the route by which a request has come. The matchers are asked only
// if there are several.
func (v *Verify) recordedRoute(r *http.Request) *recordedRoute {
	routes := v.recorded()
	if len(routes) == 1 {
		return &routes[0]
	}
	taken := route.Taken(v.routes, r)
	return &routes[slices.Index(v.routes, taken)]
}

// recordedToken is what tokens with the same client, key, audience and scope have in common
// in the form in which their requests are recorded. It is kept with a remembered token.
type recordedToken struct {
	members audit.Members // of the lines of the audit log
	// counters of the requests that passed, by the address of the route's scopes that let
	// them.
	counters atomic.Pointer[map[*string]*usage.Counter]
}

// What an issuer keeps to find those that tokens share is bounded. A token with more members
// is recorded without.
const (
	mostRecordedTokens = 4096
	mostMembers        = 1024 // bytes
)

// annotates returns what makes the annotation of a token (see [verifier.Options]), or nil if
// no request that passes is recorded.
func annotates(s *usage.Store, w *auditor) func(*verifier.Claims) any {
	if s == nil && !w.writes(audit.Allowed) {
		return nil
	}
	var mu sync.Mutex
	known := make(map[audit.Members]*recordedToken)
	return func(claims *verifier.Claims) any {
		t := newRecordedToken(claims)
		if len(t.members) > mostMembers {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if shared, ok := known[t.members]; ok {
			return shared
		}
		if len(known) == mostRecordedTokens {
			clear(known)
		}
		known[t.members] = t
		return t
	}
}

func newRecordedToken(claims *verifier.Claims) *recordedToken {
	var e audit.Event
	addToken(&e, claims)
	e.TokenID = ""
	return &recordedToken{members: e.Members()}
}

// recordedTokenOf returns the annotation of a token, or what it would be.
func recordedTokenOf(claims *verifier.Claims) *recordedToken {
	if t, ok := claims.Annotation().(*recordedToken); ok {
		return t
	}
	return newRecordedToken(claims)
}

// recordAllowed counts and logs a request that passes. It was decided at the end of checking.
func (v *Verify) recordAllowed(r *http.Request, variables map[string]any, checking *phase, claims *verifier.Claims) {
	v.metrics.RequestAllowed()
	if audited := v.audit.writes(audit.Allowed); audited || v.usage != nil {
		by, token := v.recordedRoute(r), recordedTokenOf(claims)
		v.countPassed(checking.ended, by, token, claims)
		if audited {
			v.audit.log.WritePass(&audit.Pass{
				Time: checking.ended, Request: requestOf(r, by.asSent, variables, checking.traceID),
				Route: by.members, Token: token.members, TokenID: claims.ID,
			})
		}
	}
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
	setRefused(r, refusal)
	count(refusal.Reason)
	v.logRefusal(message, r, claims, refusal)
	if v.usage != nil || v.audit.writes(audit.Refused) {
		by := v.recordedRoute(r)
		v.countRefused(kind, by, r, claims, refusal.Reason)
		v.auditRefused(r, by, claims, refusal)
	}
}

func (v *Verify) auditRefused(r *http.Request, by *recordedRoute, claims *verifier.Claims, refusal *verifier.Refusal) {
	if !v.audit.writes(audit.Refused) {
		return
	}
	e := audit.Event{
		Kind: audit.Refused, At: "verify", Route: by.id, Source: v.Source,
		ReportOnly: v.ReportOnly, Status: refusal.Status, Reason: string(refusal.Reason),
	}
	if claims != nil {
		addToken(&e, claims)
	}
	if cause := refusal.Unwrap(); cause != nil {
		e.Cause = refusallog.Loggable(cause.Error())
	}
	v.audit.writeRequest(r, &e)
}

// addToken adds the verified token.
func addToken(e *audit.Event, claims *verifier.Claims) {
	e.Issuer, e.ClientID, e.TokenID, e.KeyID, e.Scope = claims.Issuer, claims.ClientID, claims.ID, claims.KeyID, claims.Scope
	if len(claims.Audience) > 0 {
		e.Audience = claims.Audience[0]
	}
}
