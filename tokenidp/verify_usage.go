package tokenidp

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimheader"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// deciding are the scopes that decide at a route.
type deciding struct {
	// scopes, in the form in which they are counted: Scopes first, and then with each of
	// AnyScope.
	scopes []string
	// shown: something else sees the scopes of the token, too, and may decide by any.
	shown bool
}

// newDeciding compiles what a route counts.
func newDeciding(v *Verify) (d deciding) {
	all := strings.Join(v.Scopes, " ")
	d.scopes = []string{all}
	for _, scope := range v.AnyScope {
		d.scopes = append(d.scopes, strings.TrimSpace(all+" "+scope))
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

// decided returns which of the deciding scopes let a token pass the route.
func (v *Verify) decided(claims *verifier.Claims) int {
	if len(v.AnyScope) == 0 {
		return 0
	}
	for _, a := range v.rules[claims.Issuer].requires().Alternatives {
		if claims.HasAudience(a.Audience) && claims.HasScope(a.Scope) {
			return 1 + slices.Index(v.AnyScope, a.Scope)
		}
	}
	return 0
}

// countPassed counts a request that passes.
func (v *Verify) countPassed(now time.Time, by *recordedRoute, token *recordedToken, claims *verifier.Claims) {
	if v.usage == nil {
		return
	}
	scopes := &by.scopes[v.decided(claims)]
	counters := token.counters.Load()
	if counters == nil || !v.usage.CountAgain((*counters)[scopes], now) {
		c := v.usage.Count(usage.Key{Kind: usage.Passed, Issuer: claims.Issuer, Client: claims.ClientID, Name: by.id, Detail: *scopes})
		token.remember(counters, scopes, c)
	}
	if v.deciding.shown {
		countRead(v.usage, claims, claims.Scope)
	}
}

// remember keeps a counter. The map itself never changes, so that requests need no lock. If
// another request changes it at the same time, a later one does it.
func (t *recordedToken) remember(known *map[*string]*usage.Counter, scopes *string, c *usage.Counter) {
	more := make(map[*string]*usage.Counter)
	if known != nil {
		if (*known)[scopes] == c { // it is shared
			return
		}
		maps.Copy(more, *known)
	}
	more[scopes] = c
	t.counters.CompareAndSwap(known, &more)
}

// countRead counts that something else may have decided by the scopes.
func countRead(s *usage.Store, claims *verifier.Claims, scopes []string) {
	for _, scope := range scopes {
		s.Count(usage.Key{Kind: usage.Read, Issuer: claims.Issuer, Client: claims.ClientID, Name: scope})
	}
}

// countRefused counts a request that is refused, or would be. A client is known from a
// verified token only.
func (v *Verify) countRefused(kind usage.Kind, by *recordedRoute, r *http.Request, claims *verifier.Claims, reason verifier.Reason) {
	if v.usage == nil {
		return
	}
	k := usage.Key{Kind: kind, Name: by.id, Detail: string(reason)}
	if claims != nil {
		k.Issuer, k.Client = claims.Issuer, claims.ClientID
	}
	overTime := usage.RouteRefusals
	if kind == usage.Reported {
		overTime = usage.RouteReports
	}
	v.usage.CountHourly(usage.Key{Kind: overTime, Name: by.id, Detail: string(reason)})
	v.usage.CountExample(k, func() usage.Example {
		return usage.Example{Method: refusallog.Loggable(r.Method), Path: refusallog.Loggable(originalPath(r)), ClientIP: clientIP(r).String()}
	})
}
