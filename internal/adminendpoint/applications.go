package adminendpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// serveApplications answers with what is in force of the applications files.
func serveApplications(app *tokenidp.App, w http.ResponseWriter, r *http.Request) error {
	page, err := adminapi.ReadPage(r.URL.Query(), 1)
	first := 0
	if err == nil && page.After != nil {
		first, err = strconv.Atoi(page.After[0])
	}
	if err == nil && first < 0 {
		err = errors.New("after must be the one of the Link header of the page before")
	}
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	answer := adminapi.Applications{Version: versionOf(app), Parts: []adminapi.ApplicationsPart{}}
	for _, iss := range app.Issuers {
		answer.Issuers = append(answer.Issuers, iss.Issuer)
	}
	for _, t := range app.Trusted {
		answer.Trusted = append(answer.Trusted, t.Issuer)
	}
	parts := partsOf(app)
	last := len(parts)
	if page.Limit > 0 && first+page.Limit < last {
		last = first + page.Limit
		page.Link(w, r, strconv.Itoa(last))
	}
	answer.Parts = append(answer.Parts, parts[min(first, last):last]...)
	return writeJSON(w, answer)
}

func partsOf(app *tokenidp.App) (all []adminapi.ApplicationsPart) {
	for _, iss := range app.Issuers {
		set := iss.ApplicationSet()
		if set == nil {
			continue
		}
		for _, one := range set.Render(adminapi.MostInPart) {
			all = append(all, adminapi.ApplicationsPart{Issuer: iss.Issuer, File: one.File, Content: one.Content, TestProblem: one.TestProblem})
		}
	}
	return all
}

// versionOf changes with the configuration, and with each file that is put in force.
func versionOf(app *tokenidp.App) string {
	h := sha256.New()
	_, _ = fmt.Fprintln(h, app.Since().UnixNano()) // a hash takes everything
	for _, iss := range app.Issuers {
		for _, f := range iss.Files() {
			_, _ = fmt.Fprintln(h, iss.Issuer, f.Path, f.LoadedAt.UnixNano(), f.Applications, f.Departed)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
