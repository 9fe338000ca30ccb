package tokenidp

import (
	"cmp"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/policy"
)

// serveAccess answers with ?client_id=<id> for that Application alone.
func (a *App) serveAccess(w http.ResponseWriter, r *http.Request) error {
	page, err := adminapi.ReadPage(r.URL.Query(), 1)
	q := accessQuery{Page: page, clientID: r.URL.Query().Get("client_id")}
	if err == nil && q.clientID == "" && q.Limit == 0 && a.accesses() > mostAccesses {
		err = fmt.Errorf("there are more than %d pairs of an Application and a route; ask for one Application, or by the page, with limit", mostAccesses)
	}
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	report, next, err := a.access(q, time.Now())
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	}
	if next != "" {
		q.Link(w, r, next)
	}
	return writeAdminJSON(w, report)
}

func newClientAccess(clientID string, a policy.Access) adminapi.ClientAccess {
	return adminapi.ClientAccess{
		ClientID: clientID, Allowed: a.Allowed, Scope: strings.Join(a.Scope, " "), Audience: a.Audience,
		Conditions: a.Conditions, Reason: a.Reason, Cause: loggable(a.Cause),
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
func (a *App) access(q accessQuery, now time.Time) (report *adminapi.Access, next string, err error) {
	clients := clientRange{only: q.clientID}
	if q.clientID == "" {
		clients, next = a.clientsOf(q.Page)
	} else if !a.declares(q.clientID) {
		return nil, "", a.unknownClient(q.clientID)
	}
	report = &adminapi.Access{Routes: []adminapi.RouteAccess{}}
	reaches := make(map[reaching]bool)
	evaluated := make(map[*Verify][]adminapi.RouteAccess) // with tokens of each issuer
	for _, r := range a.verifyRoutes() {
		if evaluated[r.verify] == nil {
			evaluated[r.verify] = r.verify.access(clients, now, reaches)
		}
		for _, one := range evaluated[r.verify] {
			one.Route = r.ID
			report.Routes = append(report.Routes, one)
		}
	}
	slices.SortStableFunc(report.Routes, func(a, b adminapi.RouteAccess) int { return compareSources(a.Source, b.Source) })
	if q.clientID == "" {
		report.Nowhere = a.nowhere(reaches, clients)
	}
	return report, next, nil
}

// access evaluates the Applications of each issuer at this verify, and adds those that
// reach it to reaches.
func (v *Verify) access(clients clientRange, now time.Time, reaches map[reaching]bool) (all []adminapi.RouteAccess) {
	for _, iss := range v.acceptedIssuers(v.app) {
		r := v.accessFrom(iss, clients, now)
		for _, c := range r.Clients {
			if c.Allowed || r.ReportOnly {
				reaches[reaching{iss.id(), c.ClientID}] = true
			}
		}
		all = append(all, r)
	}
	return all
}

func (v *Verify) accessFrom(iss tokenIssuer, clients clientRange, now time.Time) adminapi.RouteAccess {
	rule := v.rules[iss.id()]
	r := adminapi.RouteAccess{
		Source: v.Source, Issuer: iss.id(), RequiredScopes: requiredScopes(rule.requires()),
		ReportOnly: v.ReportOnly, Conditional: len(v.matchers) > 0 || v.AllowPreflight, Clients: []adminapi.ClientAccess{},
	}
	applications, who := applicationsOf(iss)
	r.Unknown = applications == nil
	for _, one := range clients.of(applications) {
		r.Clients = append(r.Clients, newClientAccess(one.ClientID, who.Access(one, rule.requires(), now)))
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
func (a *App) clientsOf(page adminapi.Page) (clients clientRange, next string) {
	if page.After != nil {
		clients.after = page.After[0]
	}
	if page.Limit == 0 {
		return clients, ""
	}
	limit := min(page.Limit, max(1, mostAccesses/max(1, len(a.verifyRoutes()))))
	var ids []string
	for _, iss := range a.Issuers {
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
func (a *App) accesses() (pairs int) {
	for _, r := range a.verifyRoutes() {
		for _, iss := range r.verify.acceptedIssuers(a) {
			all, _ := applicationsOf(iss)
			pairs += len(all)
		}
	}
	return pairs
}

// reaching is an Application of an issuer.
type reaching struct{ issuer, clientID string }

// declares reports whether an issuer has an Application with this client_id.
func (a *App) declares(clientID string) bool {
	return slices.ContainsFunc(a.Issuers, func(iss *Issuer) bool {
		set := iss.applications.Load()
		if set == nil {
			return false
		}
		_, ok := set.Application(clientID)
		return ok
	})
}

// clientIDs returns the client_ids of all Applications.
func (a *App) clientIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, iss := range a.Issuers {
			for id := range clientIDsOf(iss) {
				if !yield(id) {
					return
				}
			}
		}
	}
}

func clientIDsOf(iss *Issuer) iter.Seq[string] {
	return func(yield func(string) bool) {
		all, _ := applicationsOf(iss)
		for _, one := range all {
			if !yield(one.ClientID) {
				return
			}
		}
	}
}

// compareSources puts lines of one file into their order.
func compareSources(a, b string) int {
	place := func(source string) (file string, line int) {
		end := strings.LastIndexByte(source, ':') + 1
		line, _ = strconv.Atoi(source[end:])
		return source[:end], line
	}
	fileA, lineA := place(a)
	fileB, lineB := place(b)
	return cmp.Or(strings.Compare(fileA, fileB), lineA-lineB)
}

// unknownClient is the error of a client_id that no Application has.
func (a *App) unknownClient(clientID string) error {
	return fmt.Errorf("no Application has this client_id: %.255s%s", clientID, nearest.DidYouMean(clientID, a.clientIDs()))
}

// acceptedIssuers are those whose tokens the route accepts, in the order in which they
// are configured.
func (v *Verify) acceptedIssuers(a *App) (accepted []tokenIssuer) {
	for _, iss := range a.Issuers {
		if v.rules[iss.id()] != nil {
			accepted = append(accepted, iss)
		}
	}
	for _, t := range a.Trusted {
		if v.rules[t.id()] != nil {
			accepted = append(accepted, t)
		}
	}
	return accepted
}

// applicationsOf are those of the issuer, sorted, or nil where they are not known here.
func applicationsOf(iss tokenIssuer) ([]*application.Application, policy.Issuer) {
	local, ok := iss.(*Issuer)
	if !ok {
		return nil, policy.Issuer{}
	}
	set := local.applications.Load()
	if set == nil {
		return nil, policy.Issuer{}
	}
	return set.Applications(), policy.Issuer{URL: local.Issuer, Applications: set, TokenLifetime: time.Duration(local.TokenLifetime)}
}

// nowhere returns the active Applications that reach no route.
func (a *App) nowhere(reaches map[reaching]bool, clients clientRange) (found []string) {
	for _, iss := range a.Issuers {
		all, _ := applicationsOf(iss)
		for _, one := range clients.of(all) {
			if one.Active && !reaches[reaching{iss.id(), one.ClientID}] {
				found = append(found, one.ClientID)
			}
		}
	}
	return found
}
