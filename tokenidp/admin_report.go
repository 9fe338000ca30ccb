package tokenidp

import (
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

func (a *App) serveReport(w http.ResponseWriter, r *http.Request) error {
	all := []adminapi.RouteReport{}
	seen := make(map[*reportCounter]bool) // a snippet that is imported twice is one place
	for _, v := range a.routes {
		if v.counter != nil && !seen[v.counter] {
			seen[v.counter] = true
			all = append(all, v.counter.report(v.Source))
		}
	}
	page, err := adminapi.ReadPage(r.URL.Query(), 1)
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	all, next := reportPage(all, page)
	if next {
		page.Link(w, r, all[len(all)-1].Route)
	}
	return writeAdminJSON(w, all)
}

// reportPage returns the routes of a page, sorted, and whether there are more. Its
// limit is how many clients are refused, and a route comes whole, so there may be more
// of them in one.
func reportPage(all []adminapi.RouteReport, page adminapi.Page) (routes []adminapi.RouteReport, more bool) {
	slices.SortStableFunc(all, func(a, b adminapi.RouteReport) int { return compareSources(a.Route, b.Route) })
	if page.After != nil {
		all = slices.DeleteFunc(all, func(r adminapi.RouteReport) bool { return compareSources(r.Route, page.After[0]) <= 0 })
	}
	count := 0
	for i, r := range all {
		if count += len(r.WouldRefuse); page.Limit > 0 && count >= page.Limit && i+1 < len(all) {
			return all[:i+1], true
		}
	}
	return all, false
}
