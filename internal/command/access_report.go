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

// accessReport is the result of access.
type accessReport struct {
	Routes []routeAccess `json:"routes"`
	// Nowhere are the active Applications that reach no route. It is absent unless the
	// report shows all routes for all Applications.
	Nowhere []string `json:"nowhere,omitempty"`
	// Unguarded are the handlers that requests reach without a token. It is absent if the
	// operator names a client or a route.
	Unguarded []unguarded `json:"unguarded,omitempty"`
	// Nobody is set if no token lets the one request through.
	Nobody *nobody `json:"nobody,omitempty"`
	// Unknown is what is missing here and counts as present.
	Unknown []string `json:"unknown,omitempty"`
}

func newAccessReport(p *probe.Probe) *accessReport {
	return &accessReport{Routes: []routeAccess{}, Unknown: p.Unknown()}
}

// routeAccess says who gets through a route to one verify with tokens of one issuer.
type routeAccess struct {
	// Route is host, path, method and further matchers, such as: api.example.com/orders*
	// GET,HEAD. No two routes have the same.
	Route string `json:"route,omitempty"`
	// Source is the place of the verify's configuration, as file:line. Several routes may
	// have the same.
	Source string `json:"source,omitempty"`
	Issuer string `json:"issuer"`
	adminapi.RequiredScopes

	// Requests are examples of the requests with this answer. Other requests that take the
	// route may have another answer, in an entry of their own.
	Requests []string `json:"requests,omitempty"`
	// Unjudged: no request was found that takes the route, so it is not known who gets
	// through.
	Unjudged bool `json:"unjudged,omitempty"`
	// ReportOnly: the verify lets every request through.
	ReportOnly bool `json:"report_only,omitempty"`
	// Conditional: some requests pass without a token, by its matcher or as preflights.
	Conditional bool `json:"conditional,omitempty"`
	// Open is the handler that these requests reach without a token.
	Open string `json:"open,omitempty"`
	// Unknown: the clients of the issuer are not known here. Holders is true if any client
	// with such a token gets through.
	Unknown bool            `json:"unknown,omitempty"`
	Holders *clientAccess   `json:"holders,omitempty"`
	Clients []*clientAccess `json:"clients"` // see clients

	classes []*reach.Class
	only    string // the one Application to show
	several bool   // other requests that take the route have another answer
}

// clientAccess says whether an Application gets through, and how, or why not.
type clientAccess struct {
	ClientID string `json:"client_id,omitempty"`
	Allowed  bool   `json:"allowed"`
	// Scope is the least scope to request.
	Scope      string   `json:"scope,omitempty"`
	Audience   string   `json:"audience,omitempty"`
	Conditions []string `json:"conditions,omitempty"`
	Reason     string   `json:"reason,omitempty"`
	Cause      string   `json:"cause,omitempty"`
	// By is the verify that refuses, as file:line, if it differs from the verify of the
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

// clients returns the clients to show, sorted.
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
	// At is the route to it, as in routeAccess. Empty means any request.
	At string `json:"at,omitempty"`
	// Handler describes what it does, such as: reverse_proxy localhost:5002.
	Handler string `json:"handler"`
	// Request is a request that reaches it.
	Request string `json:"request,omitempty"`
	// Conditional: it has a verify, but one that lets other requests through: by its
	// matcher, as preflights, or because it only reports.
	Conditional bool `json:"conditional,omitempty"`
	// Unproven: no request was found that reaches it, although one may exist.
	Unproven bool `json:"unproven,omitempty"`
}

// String returns a text for people.
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

// nobody says why nobody gets through.
type nobody struct {
	Request string `json:"request"`
	Status  int    `json:"status"`
	Reason  string `json:"reason"`
	Cause   string `json:"cause"`
}

func (n *nobody) String() string {
	return fmt.Sprintf("nobody: %s gets %d: %s: %s", n.Request, n.Status, n.Reason, n.Cause)
}

// open returns the handlers that requests reach without a token, and handlers about which
// it is only known that they have no verify.
func (r *accessReport) open() (found []unguarded) {
	for _, u := range r.Unguarded {
		if u.Request != "" || !u.Conditional {
			found = append(found, u)
		}
	}
	return found
}

// deniedTo returns an error unless the Application gets through everywhere in the report,
// each time with a token of some issuer.
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
