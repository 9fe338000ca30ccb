package tokenidp

import (
	"context"
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// reportedKey marks a request, in its context, that a verify with report_only would have
// refused.
type reportedKey struct{}

// reported reports whether a verify with report_only would have refused the request.
func reported(r *http.Request) bool {
	_, ok := r.Context().Value(reportedKey{}).(bool)
	return ok
}

// letThrough records a request that would be refused, and passes it to the next handler.
// Only claim headers that the client sent are removed. A fault of this server is still an
// error.
func (v *Verify) letThrough(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, claims *verifier.Claims, err error) error {
	var refusal *verifier.Refusal
	if !errors.As(err, &refusal) {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	clientID := ""
	if claims != nil {
		clientID = claims.ClientID
	}
	v.counter(r).refused(sighting{
		clientID: clientID, reason: refusal.Reason,
		method: loggable(r.Method), path: loggable(originalPath(r)), clientIP: clientIP(r).String(),
	})
	setRefused(r, refusal)
	v.metrics.requestReported(refusal.Reason)
	v.logRefusal("request would be refused", r, claims, refusal)
	return next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), reportedKey{}, true)))
}

// counter returns that of the route by which a request has come to a verify that
// reports only.
func (v *Verify) counter(r *http.Request) *reportCounter {
	v.app.verifyRoutes()
	if len(v.routes) > 0 {
		if counter := v.app.counters[route.Taken(v.routes, r).ID]; counter != nil {
			return counter
		}
	}
	return v.app.counters[v.Source]
}
