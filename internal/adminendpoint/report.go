package adminendpoint

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

func serveReport(app *tokenidp.App, w http.ResponseWriter, r *http.Request) error {
	if app.Usage() == nil {
		return errUsageOff
	}
	app.Usage().Refresh(r.Context())
	all := append([]adminapi.RouteReport{}, app.Reports(r.URL.Query().Get("enforced") == "true")...)
	page, err := adminapi.ReadPage(r.URL.Query(), 2)
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	all, next := reportPage(all, page)
	if next {
		last := all[len(all)-1]
		page.Link(w, r, last.Source, last.Route)
	}
	return writeJSON(w, all)
}

// reportPage returns the routes of a page, sorted, and whether there are more. Its
// limit is how many clients are refused, and a route comes whole, so there may be more
// of them in one.
func reportPage(all []adminapi.RouteReport, page adminapi.Page) (routes []adminapi.RouteReport, more bool) {
	slices.SortFunc(all, compareReports)
	if page.After != nil {
		last := adminapi.RouteReport{Source: page.After[0], Route: page.After[1]}
		all = slices.DeleteFunc(all, func(r adminapi.RouteReport) bool { return compareReports(r, last) <= 0 })
	}
	count := 0
	for i, r := range all {
		if count += len(r.WouldRefuse) + len(r.Refused); page.Limit > 0 && count >= page.Limit && i+1 < len(all) {
			return all[:i+1], true
		}
	}
	return all, false
}

func compareReports(a, b adminapi.RouteReport) int {
	return cmp.Or(route.CompareSources(a.Source, b.Source), strings.Compare(a.Route, b.Route))
}
