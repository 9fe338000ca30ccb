package adminendpoint

import (
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/policy"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
)

// serveAccess answers with ?client_id=<id> for that Application alone.
func serveAccess(app *tokenidp.App, w http.ResponseWriter, r *http.Request) error {
	page, err := adminapi.ReadPage(r.URL.Query(), 1)
	q := accessQuery{Page: page, clientID: r.URL.Query().Get("client_id")}
	if err == nil && q.clientID == "" && q.Limit == 0 && accesses(app) > mostAccesses {
		err = fmt.Errorf("there are more than %d pairs of an Application and a route; ask for one Application, or by the page, with limit", mostAccesses)
	}
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	report, next, err := access(app, q, time.Now())
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	}
	if next != "" {
		q.Link(w, r, next)
	}
	return writeJSON(w, report)
}

func newClientAccess(clientID string, a policy.Access) adminapi.ClientAccess {
	return adminapi.ClientAccess{
		ClientID: clientID, Allowed: a.Allowed, Scope: strings.Join(a.Scope, " "), Audience: a.Audience,
		Conditions: a.Conditions, Reason: a.Reason, Cause: refusallog.Loggable(a.Cause),
	}
}

// mostAccesses bounds one answer: each pair of an Application and a route takes a few
// microseconds.
const mostAccesses = 50_000

// accessQuery is whose access is asked for.
type accessQuery struct {
	adminapi.Page

	clientID string // "" for all
}

// access evaluates every Application at every route, or the one that is named. Where
// there are more Applications than the limit, it returns the client_id of the last.
func access(app *tokenidp.App, q accessQuery, now time.Time) (report *adminapi.Access, next string, err error) {
	clients := clientRange{only: q.clientID}
	if q.clientID == "" {
		clients, next = clientsOf(app, q.Page)
	} else if !declares(app, q.clientID) {
		return nil, "", unknownClient(app, q.clientID)
	}
	report = &adminapi.Access{Routes: []adminapi.RouteAccess{}}
	reaches := make(map[reaching]bool)
	evaluated := make(map[*tokenidp.Verify][]adminapi.RouteAccess) // with tokens of each issuer
	for _, r := range app.VerifyRoutes() {
		if evaluated[r.Verify] == nil {
			evaluated[r.Verify] = accessTo(app, r.Verify, clients, now, reaches)
		}
		for _, one := range evaluated[r.Verify] {
			one.Route = r.ID
			report.Routes = append(report.Routes, one)
		}
	}
	slices.SortStableFunc(report.Routes, func(a, b adminapi.RouteAccess) int { return route.CompareSources(a.Source, b.Source) })
	if q.clientID == "" {
		report.Nowhere = nowhere(app, reaches, clients)
	}
	return report, next, nil
}

// accessTo evaluates the Applications of each issuer at this verify, and adds those that
// reach it to reaches.
func accessTo(app *tokenidp.App, v *tokenidp.Verify, clients clientRange, now time.Time, reaches map[reaching]bool) (all []adminapi.RouteAccess) {
	for _, issuer := range acceptedIssuers(app, v) {
		r := accessFrom(app, v, issuer, clients, now)
		for _, c := range r.Clients {
			if c.Allowed || r.ReportOnly {
				reaches[reaching{issuer, c.ClientID}] = true
			}
		}
		all = append(all, r)
	}
	return all
}

func accessFrom(app *tokenidp.App, v *tokenidp.Verify, issuer string, clients clientRange, now time.Time) adminapi.RouteAccess {
	requirement := v.Requirement(issuer)
	r := adminapi.RouteAccess{
		Source: v.Source, Issuer: issuer, RequiredScopes: RequiredScopes(requirement),
		ReportOnly: v.ReportOnly, Conditional: v.IsConditional(), Clients: []adminapi.ClientAccess{},
	}
	applications, who := applicationsOf(localIssuer(app, issuer))
	r.Unknown = applications == nil
	for _, one := range clients.of(applications) {
		r.Clients = append(r.Clients, newClientAccess(one.ClientID, who.Access(one, requirement, now)))
	}
	if clients.only != "" && len(r.Clients) == 0 {
		r.Clients = append(r.Clients, adminapi.ClientAccess{ClientID: clients.only, Reason: string(oauth.ReasonUnknownClient), Cause: "it is no Application of this issuer"})
	}
	return r
}

// clientRange is a part of the Applications, by their client_ids.
type clientRange struct {
	only        string // or "", and then:
	after, last string // last is "" for no end
}

// of cuts the range out of Applications that are sorted.
func (c clientRange) of(all []*application.Application) []*application.Application {
	// count is how many Applications there are up to a client_id.
	count := func(clientID string) (n int, found bool) {
		n, found = slices.BinarySearchFunc(all, clientID, func(a *application.Application, id string) int { return strings.Compare(a.ClientID, id) })
		if found {
			n++
		}
		return n, found
	}
	if c.only != "" {
		n, found := count(c.only)
		if !found {
			return nil
		}
		return all[n-1 : n]
	}
	if c.last != "" {
		n, _ := count(c.last)
		all = all[:n]
	}
	n, _ := count(c.after)
	return all[n:]
}

// clientsOf returns the Applications of a page, and the last client_id if there are
// more. A page has fewer Applications than its limit where there are many routes.
func clientsOf(app *tokenidp.App, page adminapi.Page) (clients clientRange, next string) {
	if page.After != nil {
		clients.after = page.After[0]
	}
	if page.Limit == 0 {
		return clients, ""
	}
	limit := min(page.Limit, max(1, mostAccesses/max(1, len(app.VerifyRoutes()))))
	var ids []string
	for _, iss := range app.Issuers {
		all, _ := applicationsOf(iss)
		all = clients.of(all)
		for _, one := range all[:min(len(all), limit+1)] {
			ids = append(ids, one.ClientID)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) <= limit {
		return clients, ""
	}
	clients.last = ids[limit-1]
	return clients, clients.last
}

// accesses returns how many pairs of an Application and a route there are.
func accesses(app *tokenidp.App) (pairs int) {
	for _, r := range app.VerifyRoutes() {
		for _, issuer := range acceptedIssuers(app, r.Verify) {
			all, _ := applicationsOf(localIssuer(app, issuer))
			pairs += len(all)
		}
	}
	return pairs
}

// reaching is an Application of an issuer.
type reaching struct{ issuer, clientID string }

// declares reports whether an issuer of this server has an Application with this client_id.
func declares(app *tokenidp.App, clientID string) bool {
	return slices.ContainsFunc(app.Issuers, func(iss *tokenidp.Issuer) bool {
		set := iss.ApplicationSet()
		if set == nil {
			return false
		}
		_, ok := set.Application(clientID)
		return ok
	})
}

// clientIDs returns the client_ids of all Applications.
func clientIDs(app *tokenidp.App) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, iss := range app.Issuers {
			for id := range clientIDsOf(iss) {
				if !yield(id) {
					return
				}
			}
		}
	}
}

func clientIDsOf(iss *tokenidp.Issuer) iter.Seq[string] {
	return func(yield func(string) bool) {
		all, _ := applicationsOf(iss)
		for _, one := range all {
			if !yield(one.ClientID) {
				return
			}
		}
	}
}

// unknownClient is the error of a client_id that no Application has.
func unknownClient(app *tokenidp.App, clientID string) error {
	return fmt.Errorf("no Application has this client_id: %.255s%s", clientID, nearest.DidYouMean(clientID, clientIDs(app)))
}

// acceptedIssuers returns the issuers whose tokens the route accepts, in the order in which
// they are configured.
func acceptedIssuers(app *tokenidp.App, v *tokenidp.Verify) (accepted []string) {
	for _, iss := range app.Issuers {
		accepted = append(accepted, iss.Issuer)
	}
	for _, t := range app.Trusted {
		accepted = append(accepted, t.Issuer)
	}
	return slices.DeleteFunc(accepted, func(issuer string) bool { return v.Requirement(issuer) == nil })
}

// localIssuer returns the issuer of this server that has the URL, or nil for a trusted one.
func localIssuer(app *tokenidp.App, url string) *tokenidp.Issuer {
	for _, iss := range app.Issuers {
		if iss.Issuer == url {
			return iss
		}
	}
	return nil
}

// applicationsOf returns the Applications of an issuer, sorted, or nil if they are not known
// here. The issuer is nil for a trusted one.
func applicationsOf(iss *tokenidp.Issuer) ([]*application.Application, policy.Issuer) {
	if iss == nil {
		return nil, policy.Issuer{}
	}
	set := iss.ApplicationSet()
	if set == nil {
		return nil, policy.Issuer{}
	}
	return set.Applications(), policy.Issuer{URL: iss.Issuer, Applications: set, TokenLifetime: time.Duration(iss.TokenLifetime)}
}

// nowhere returns the active Applications that reach no route.
func nowhere(app *tokenidp.App, reaches map[reaching]bool, clients clientRange) (found []string) {
	for _, iss := range app.Issuers {
		all, _ := applicationsOf(iss)
		for _, one := range clients.of(all) {
			if one.Active && !reaches[reaching{iss.Issuer, one.ClientID}] {
				found = append(found, one.ClientID)
			}
		}
	}
	return found
}
