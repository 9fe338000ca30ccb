package tokenidp

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
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
	v.recordRefused(r, claims, refusal)
	return next.ServeHTTP(w, asReported(r))
}

func asReported(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), reportedKey{}, true))
}

// Reports returns for each route with report_only what it would refuse, and with enforced
// for each other route what it refused.
func (a *App) Reports(enforced bool) (all []adminapi.RouteReport) {
	counts := a.usage.All()
	since := a.usage.Window().Since
	if since.IsZero() { // the counts of other nodes could not be read for hours
		since = time.Now()
	}
	byRoute := make(map[string]*adminapi.RouteReport)
	for _, r := range a.verifyRoutes() {
		if r.Verify.ReportOnly || enforced {
			byRoute[r.ID] = &adminapi.RouteReport{
				Route: r.ID, Source: r.Verify.Source, Since: *adminapi.Moment(since), Enforced: !r.Verify.ReportOnly, WouldRefuse: []adminapi.RefusedGroup{},
			}
		}
	}
	for k, v := range counts {
		if report := byRoute[k.Name]; report != nil {
			addToReport(report, k, v)
		}
	}
	for _, r := range a.verifyRoutes() {
		if report := byRoute[r.ID]; report != nil {
			SortRefused(report.WouldRefuse)
			SortRefused(report.Refused)
			all = append(all, *report)
		}
	}
	return all
}

func addToReport(report *adminapi.RouteReport, k usage.Key, v usage.Value) {
	if first := adminapi.Moment(time.Unix(v.First, 0)); k.Kind != usage.Dropped && first.Before(report.Since) {
		report.Since = *first
	}
	refused := &report.WouldRefuse
	switch k.Kind {
	case usage.Passed:
		report.Passed += uint64(v.Count) //nolint:gosec // it is never negative
		return
	case usage.Reported:
	case usage.Refused:
		refused = &report.Refused
	default:
		return
	}
	switch {
	case report.Enforced != (k.Kind == usage.Refused): // it was changed
	case k.Issuer == usage.Others:
		report.Others += uint64(v.Count) //nolint:gosec // it is never negative
	default:
		*refused = append(*refused, RefusedGroup(k, v))
	}
}

// RefusedGroup returns the refusals that were counted for a key.
func RefusedGroup(k usage.Key, v usage.Value) adminapi.RefusedGroup {
	g := adminapi.RefusedGroup{
		Issuer: k.Issuer, ClientID: k.Client, Reason: k.Detail, Times: uint64(v.Count), //nolint:gosec // it is never negative
		First: time.Unix(v.First, 0).UTC(), Last: v.LastTime(),
	}
	if v.Example != nil {
		g.Method, g.Path, g.ClientIP = v.Example.Method, v.Example.Path, v.Example.ClientIP
	}
	return g
}

// SortRefused sorts the refusals, the most frequent first.
func SortRefused(groups []adminapi.RefusedGroup) {
	slices.SortFunc(groups, func(a, b adminapi.RefusedGroup) int {
		return cmp.Or(-cmp.Compare(a.Times, b.Times), cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.Reason, b.Reason))
	})
}
