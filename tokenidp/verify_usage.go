package tokenidp

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimheader"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// deciding are the scopes that decide at a route, in the form in which they are counted.
type deciding struct {
	scopes   string
	anyScope []string // with each of AnyScope
	// shown: something else sees the scopes of the token, too, and may decide by any.
	shown bool
}

// newDeciding compiles what a route counts.
func newDeciding(v *Verify) (d deciding) {
	d.scopes = strings.Join(v.Scopes, " ")
	for _, scope := range v.AnyScope {
		d.anyScope = append(d.anyScope, strings.TrimSpace(d.scopes+" "+scope))
	}
	d.shown = v.ForwardAuthorization || v.ReportOnly ||
		slices.ContainsFunc(v.ClaimHeaders, func(h ClaimHeader) bool { return h.Claim == claimheader.All || isScopeClaim(h.Claim) }) ||
		slices.ContainsFunc(v.Claims, func(r ClaimRule) bool { return isScopeClaim(r.Claim) }) ||
		slices.ContainsFunc(v.Expressions, func(source string) bool {
			return strings.Contains(source, "scope") || strings.Contains(source, "claims")
		})
	return d
}

func isScopeClaim(name string) bool { return strings.TrimPrefix(name, "/") == "scope" }

// decided returns the scopes by which a token passes the route.
func (v *Verify) decided(claims *verifier.Claims) string {
	if len(v.AnyScope) == 0 {
		return v.deciding.scopes
	}
	for _, a := range v.rules[claims.Issuer].requires().Alternatives {
		if claims.HasAudience(a.Audience) && claims.HasScope(a.Scope) {
			return v.deciding.anyScope[slices.Index(v.AnyScope, a.Scope)]
		}
	}
	return v.deciding.scopes
}

// countPassed counts a request that passes.
func (v *Verify) countPassed(at string, claims *verifier.Claims) {
	if v.usage == nil {
		return
	}
	v.usage.Count(usage.Key{Kind: usage.Passed, Issuer: claims.Issuer, Client: claims.ClientID, Name: at, Detail: v.decided(claims)})
	if v.deciding.shown {
		countRead(v.usage, claims, claims.Scope)
	}
}

// countRead counts that something else may have decided by the scopes.
func countRead(s *usage.Store, claims *verifier.Claims, scopes []string) {
	for _, scope := range scopes {
		s.Count(usage.Key{Kind: usage.Read, Issuer: claims.Issuer, Client: claims.ClientID, Name: scope})
	}
}

// countRefused counts a request that is refused, or would be. A client is known from a
// verified token only.
func (v *Verify) countRefused(kind usage.Kind, at string, r *http.Request, claims *verifier.Claims, reason verifier.Reason) {
	if v.usage == nil {
		return
	}
	k := usage.Key{Kind: kind, Name: at, Detail: string(reason)}
	if claims != nil {
		k.Issuer, k.Client = claims.Issuer, claims.ClientID
	}
	overTime := usage.RouteRefusals
	if kind == usage.Reported {
		overTime = usage.RouteReports
	}
	v.usage.CountHourly(usage.Key{Kind: overTime, Name: at, Detail: string(reason)})
	v.usage.CountExample(k, func() usage.Example {
		return usage.Example{Method: refusallog.Loggable(r.Method), Path: refusallog.Loggable(originalPath(r)), ClientIP: clientIP(r).String()}
	})
}
