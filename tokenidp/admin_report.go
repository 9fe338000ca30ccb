package tokenidp

import (
	"net/http"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

func (a *adminAPI) serveReport(w http.ResponseWriter, r *http.Request) error {
	if err := a.check(r, http.MethodGet); err != nil {
		return err
	}
	all := []adminapi.RouteReport{}
	seen := make(map[*tally]bool) // a snippet that is imported twice is one place
	for _, v := range a.app.routes {
		if v.tally != nil && !seen[v.tally] {
			seen[v.tally] = true
			all = append(all, v.tally.report(v.Source))
		}
	}
	return writeAdminJSON(w, all)
}
