package command

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/reach"
)

// accessReport is the answer of access.
type accessReport struct {
	Routes []routeAccess `json:"routes"`
	// Nowhere are the active Applications that reach no route. It is absent unless all
	// routes are shown, for all Applications.
	Nowhere []string `json:"nowhere,omitempty"`
	// Unguarded are the handlers that requests reach without a token. It is absent if a
	// client or a route is given.
	Unguarded []unguarded `json:"unguarded,omitempty"`
	// Nobody is set if nobody gets through with the one request, whatever token it has.
	Nobody *nobody `json:"nobody,omitempty"`
	// Unknown is what is not here and counts as present.
	Unknown []string `json:"unknown,omitempty"`
}

func newAccessReport(p *probe.Probe) *accessReport {
	return &accessReport{Routes: []routeAccess{}, Unknown: p.Unknown()}
}

// routeAccess is who gets through a route to one verify with tokens of one issuer.
type routeAccess struct {
	// Route is host, path, method and further matchers, as in: api.example.com/orders*
	// GET,HEAD. No two routes have the same.
	Route string `json:"route,omitempty"`
	// Source is where the verify is configured, as file:line. Several routes may have
	// the same.
	Source string `json:"source,omitempty"`
	Issuer string `json:"issuer"`
	adminapi.RequiredScopes

	// Requests are examples of those that this is about. Others that take the route may
	// have another answer, which stands by itself.
	Requests []string `json:"requests,omitempty"`
	// Unjudged: no request was found that takes the route, so it is not known who gets
	// through.
	Unjudged bool `json:"unjudged,omitempty"`
	// ReportOnly: it lets everybody through.
	ReportOnly bool `json:"report_only,omitempty"`
	// Conditional: there are requests that pass without a token, by its matcher or as
	// preflights.
	Conditional bool `json:"conditional,omitempty"`
	// Open is the handler that these requests reach without a token.
	Open string `json:"open,omitempty"`
	// Unknown: it is not known here which clients the issuer has. Holders is whether
	// whoever has such a token gets through.
	Unknown bool            `json:"unknown,omitempty"`
	Holders *clientAccess   `json:"holders,omitempty"`
	Clients []*clientAccess `json:"clients"` // see clients

	classes []*reach.Class
	only    string // the one Application that is asked about
	several bool   // other requests that take the route have another answer
}

// clientAccess is whether an Application gets through, and how, or why not.
type clientAccess struct {
	ClientID string `json:"client_id,omitempty"`
	Allowed  bool   `json:"allowed"`
	// Scope is the least to ask for.
	Scope      string   `json:"scope,omitempty"`
	Audience   string   `json:"audience,omitempty"`
	Conditions []string `json:"conditions,omitempty"`
	Reason     string   `json:"reason,omitempty"`
	Cause      string   `json:"cause,omitempty"`
	// By is the verify that refuses, as file:line, if it is another one than that of the
	// route.
	By string `json:"by,omitempty"`
}

func newClientAccess(clientID string, c *reach.Class, at *routeAccess) *clientAccess {
	a := &clientAccess{
		ClientID: clientID, Allowed: c.Allowed, Scope: words(c.ScopeOf(clientID)), Audience: c.Audience,
		Conditions: c.Conditions, Reason: c.Reason, Cause: c.Cause,
	}
	if c.By != nil && c.By.Source != at.Source {
		a.By = c.By.Source
	}
	return a
}

// clients are those to show, sorted.
func (r *routeAccess) clients() iter.Seq[*clientAccess] {
	return func(yield func(*clientAccess) bool) {
		if r.only != "" {
			yield(r.ofOnly())
			return
		}
		sorted := make([]*reach.Class, 0)
		ids := make([]string, 0)
		for _, c := range r.classes {
			for id := range c.Clients() {
				sorted, ids = append(sorted, c), append(ids, id)
			}
		}
		order := make([]int, len(ids))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return strings.Compare(ids[a], ids[b]) })
		for _, i := range order {
			if !yield(newClientAccess(ids[i], sorted[i], r)) {
				return
			}
		}
	}
}

func (r *routeAccess) ofOnly() *clientAccess {
	switch {
	case r.Open != "":
		return &clientAccess{ClientID: r.only, Allowed: true}
	case r.Unjudged:
		return &clientAccess{ClientID: r.only, Reason: "unjudged", Cause: "no request is found that takes the route"}
	case len(r.classes) == 0:
		return &clientAccess{ClientID: r.only, Reason: "unknown_client", Cause: "it is no Application of this issuer"}
	}
	return newClientAccess(r.only, r.classes[0], r)
}

// unguarded is a handler that requests reach without a token.
type unguarded struct {
	// At is the route to it, as in routeAccess; empty for any request.
	At string `json:"at,omitempty"`
	// Handler is what it does, as in: reverse_proxy localhost:5002.
	Handler string `json:"handler"`
	// Request is one that comes to it.
	Request string `json:"request,omitempty"`
	// Conditional: it is behind a verify, but one that lets other requests through: by
	// its matcher, as preflights, or because it only reports.
	Conditional bool `json:"conditional,omitempty"`
	// Unproven: no request was found that comes to it, though there may be one.
	Unproven bool `json:"unproven,omitempty"`
}

// String is for people.
func (u unguarded) String() string {
	text := "without a token: " + u.Handler
	if u.Unproven {
		text = "perhaps " + text
	}
	switch {
	case strings.HasPrefix(u.At, "after "):
		text += " " + u.At
	case u.At != "":
		text += " at " + u.At
	}
	switch {
	case u.Request != "":
		text += ", as in: " + u.Request
	case u.Conditional:
		text += ", where no verify before it matches; every request that was tried is refused"
	case u.Unproven:
		text += "; no request was found to try"
	}
	return text
}

// nobody is why nobody gets through.
type nobody struct {
	Request string `json:"request"`
	Status  int    `json:"status"`
	Reason  string `json:"reason"`
	Cause   string `json:"cause"`
}

func (n *nobody) String() string {
	return fmt.Sprintf("nobody: %s gets %d: %s: %s", n.Request, n.Status, n.Reason, n.Cause)
}

// open are the handlers that are reached without a token, and those of which nothing is
// known but that no verify is before them.
func (r *accessReport) open() (found []unguarded) {
	for _, u := range r.Unguarded {
		if u.Request != "" || !u.Conditional {
			found = append(found, u)
		}
	}
	return found
}

// deniedTo is an error unless the Application gets through everywhere that is shown, each
// with a token of some issuer.
func (r *accessReport) deniedTo(client string) error {
	if r.Nobody != nil {
		return answerNo("%s", r.Nobody)
	}
	type place struct{ route, request string }
	reached := make(map[place]bool)
	for i := range r.Routes {
		one := &r.Routes[i]
		at := place{one.Route, strings.Join(one.Requests, " ")}
		reached[at] = reached[at] || one.ReportOnly || one.Open != ""
		for c := range one.clients() {
			reached[at] = reached[at] || c.Allowed
		}
	}
	denied, routes := make(map[string]bool), make(map[string]bool)
	for at, ok := range reached {
		routes[at.route] = true
		if !ok {
			denied[at.route] = true
		}
	}
	switch {
	case len(denied) > 0:
		return answerNo("%s cannot reach %d of %d routes", client, len(denied), len(routes))
	case len(routes) == 0 && len(r.Unguarded) == 0:
		return answerNo("no route has a verify")
	}
	return nil
}
