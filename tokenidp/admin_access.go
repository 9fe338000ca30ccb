package tokenidp

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/policy"
)

func newClientAccess(clientID string, a policy.Access) adminapi.ClientAccess {
	return adminapi.ClientAccess{
		ClientID: clientID, Allowed: a.Allowed, Scope: strings.Join(a.Scope, " "), Audience: a.Audience,
		Conditions: a.Conditions, Reason: a.Reason, Cause: loggable(a.Cause),
	}
}

// mostAccesses bounds one report: it is for people, and takes a few microseconds for
// each Application and route.
const mostAccesses = 50_000

// access judges every Application at every route, or the one that is named.
func (a *App) access(clientID string, now time.Time) (*adminapi.Access, error) {
	report := &adminapi.Access{Routes: []adminapi.RouteAccess{}}
	if clientID != "" && !a.declares(clientID) {
		return nil, fmt.Errorf("%w: %.255q", errNoApplication, clientID)
	}
	reaches, pairs := make(map[reaching]bool), 0
	for _, v := range a.routes {
		for _, iss := range v.acceptedIssuers(a) {
			rule := v.rules[iss.id()]
			r := adminapi.RouteAccess{
				Source: v.Source, Issuer: iss.id(), RequiredScopes: requiredScopes(rule.requires()),
				ReportOnly: v.ReportOnly, Conditional: len(v.matchers) > 0 || v.AllowPreflight, Clients: []adminapi.ClientAccess{},
			}
			applications, who := applicationsOf(iss)
			r.Unknown = applications == nil
			for _, one := range applications {
				if clientID != "" && one.ClientID != clientID {
					continue
				}
				if pairs++; pairs > mostAccesses {
					return nil, fmt.Errorf("there are more than %d pairs of an Application and a route; ask for one Application", mostAccesses)
				}
				c := newClientAccess(one.ClientID, who.Access(one, rule.requires(), now))
				if c.Allowed || r.ReportOnly {
					reaches[reaching{iss.id(), one.ClientID}] = true
				}
				r.Clients = append(r.Clients, c)
			}
			if clientID != "" && len(r.Clients) == 0 {
				r.Clients = append(r.Clients, adminapi.ClientAccess{ClientID: clientID, Reason: string(oauth.ReasonUnknownClient), Cause: "it is no Application of this issuer"})
			}
			report.Routes = append(report.Routes, r)
		}
	}
	slices.SortStableFunc(report.Routes, func(a, b adminapi.RouteAccess) int { return compareSources(a.Source, b.Source) })
	if clientID == "" {
		report.Nowhere = a.nowhere(reaches)
	}
	return report, nil
}

// reaching is an Application of an issuer.
type reaching struct{ issuer, clientID string }

// declares tells whether some issuer has an Application of that client_id.
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

var errNoApplication = errors.New("no Application has this client_id")

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

// nowhere are the active Applications that reach nothing.
func (a *App) nowhere(reaches map[reaching]bool) (clients []string) {
	for _, iss := range a.Issuers {
		all, _ := applicationsOf(iss)
		for _, one := range all {
			if one.Active && !reaches[reaching{iss.id(), one.ClientID}] {
				clients = append(clients, one.ClientID)
			}
		}
	}
	return clients
}

// serveAccess answers with ?client_id=<id> for that Application alone.
func (a *adminAPI) serveAccess(w http.ResponseWriter, r *http.Request) error {
	if err := a.check(r, http.MethodGet); err != nil {
		return err
	}
	report, err := a.app.access(r.URL.Query().Get("client_id"), time.Now())
	switch {
	case errors.Is(err, errNoApplication):
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	case err != nil:
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	return writeAdminJSON(w, report)
}
