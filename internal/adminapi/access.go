package adminapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Access says which Application can reach which route: GET /tokenidp/access.
type Access struct {
	Routes []RouteAccess `json:"routes"`
	// Nowhere are the active Applications that reach no route of this server. It is absent
	// if the request names an Application.
	Nowhere []string `json:"nowhere,omitempty"`
	// Unguarded are the handlers that requests reach without a token. Only the command
	// sets it, if neither a client nor a route is given.
	Unguarded []Unguarded `json:"unguarded,omitempty"`
}

// RouteAccess is who can reach one route to a verify with tokens of one issuer.
type RouteAccess struct {
	// Route is host, path, method and further matchers, as in: api.example.com/orders*
	// GET,HEAD. No two routes have the same.
	Route string `json:"route,omitempty"`
	// Source is where the verify is configured, as file:line. Several routes may have
	// the same.
	Source string `json:"source,omitempty"`
	Issuer string `json:"issuer"`
	RequiredScopes
	// ReportOnly: it lets everybody through.
	ReportOnly bool `json:"report_only,omitempty"`
	// Conditional: there are requests that pass without a token, by its matcher or as
	// preflights.
	Conditional bool `json:"conditional,omitempty"`
	// Unknown: it is not known here which clients the issuer has.
	Unknown bool           `json:"unknown,omitempty"`
	Clients []ClientAccess `json:"clients"`
}

// ClientAccess is whether an Application can reach a route, and how, or why not.
type ClientAccess struct {
	ClientID string `json:"client_id"`
	Allowed  bool   `json:"allowed"`
	// Scope is the least to ask for.
	Scope      string   `json:"scope,omitempty"`
	Audience   string   `json:"audience,omitempty"`
	Conditions []string `json:"conditions,omitempty"`
	Reason     string   `json:"reason,omitempty"`
	Cause      string   `json:"cause,omitempty"`
}

// RequiredScopes is what a verify asks for of scopes.
type RequiredScopes struct {
	Audience []string `json:"audience,omitempty"`
	Scopes   []string `json:"scopes,omitempty"`
	AnyScope []string `json:"any_scope,omitempty"`
}

// String is for people.
func (r RequiredScopes) String() string {
	text := strings.Join(r.Scopes, " and ")
	if len(r.AnyScope) > 0 {
		text = strings.TrimPrefix(text+", and ", ", and ") + strings.Join(r.AnyScope, " or ")
	}
	return cmp.Or(text, "any scope") + " of " + strings.Join(r.Audience, " or ")
}

// Unguarded is a handler that requests can reach without a token.
type Unguarded struct {
	// At is the route to it, as in RouteAccess; empty for any request.
	At string `json:"at,omitempty"`
	// Handler is what it does, as in: reverse_proxy localhost:5002.
	Handler string `json:"handler"`
	// Conditional: it is behind a verify, but one that lets other requests through: by
	// its matcher, as preflights, or because it only reports.
	Conditional bool `json:"conditional,omitempty"`
}

// String is for people.
func (u Unguarded) String() string {
	text := fmt.Sprintf("without a token: %s", u.Handler)
	switch {
	case strings.HasPrefix(u.At, "after "):
		text += " " + u.At
	case u.At != "":
		text += " at " + u.At
	}
	if u.Conditional {
		text += ", where no verify before it matches"
	}
	return text
}

// Access returns which Application can reach which route; of one Application, unless
// clientID is "".
func (c *Client) Access(ctx context.Context, clientID string) (*Access, error) {
	query := url.Values{}
	if clientID != "" {
		query.Set("client_id", clientID)
	}
	var all *Access
	for page, err := range pages[*Access](ctx, c, "/tokenidp/access", query) {
		switch {
		case err != nil:
			return nil, err
		case all == nil:
			all = page
		case !all.add(page):
			return nil, errors.New("the configuration of the server changed meanwhile; ask again")
		}
	}
	return all, nil
}

// add takes the Applications of the next page over. It returns false if that is about
// other routes.
func (a *Access) add(page *Access) bool {
	same := slices.EqualFunc(a.Routes, page.Routes, func(a, b RouteAccess) bool {
		return a.Route == b.Route && a.Source == b.Source && a.Issuer == b.Issuer
	})
	if !same {
		return false
	}
	for i, r := range page.Routes {
		a.Routes[i].Clients = append(a.Routes[i].Clients, r.Clients...)
	}
	a.Nowhere = append(a.Nowhere, page.Nowhere...)
	return true
}
