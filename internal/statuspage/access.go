package statuspage

import (
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// Map is the state of the access map, which a server computes beside its requests.
type Map struct {
	// At is when Caddy's router was asked, or nil if there is no map.
	At *time.Time
	// Version is that of the Applications that the map is about.
	Version string
	// Changed reports whether another map may say something else.
	Changed bool
	// Next is when the next map can be computed. It is nil if there is no need, or if the
	// computation runs.
	Next *time.Time
	// Problem is why there is no map.
	Problem string
}

// computing reports whether another map is there soon.
func (m Map) computing() bool { return m.Problem == "" && m.Next == nil && (m.At == nil || m.Changed) }

// RouteAccess says who reaches a route to a verify with tokens of one issuer.
type RouteAccess struct {
	// Route is host, path, method and further matchers. No two routes have the same.
	Route string
	// Source is where the verify is configured, as file:line.
	Source string
	Issuer string
	adminapi.RequiredScopes
	// ReportOnly: it lets everybody through.
	ReportOnly bool
	// Conditional: some requests pass without a token, by its matcher or as preflights.
	Conditional bool
	// Unknown: it is not known here which clients the issuer has.
	Unknown bool

	// Request is an example of the requests with this answer, if other requests that take
	// the route have another answer.
	Request string
	Clients []ClientAccess
	// Holders are the clients of an issuer whose clients are not known, or nil.
	Holders *ClientAccess
}

// ClientAccess says whether an Application reaches a route, and how, or why not.
type ClientAccess struct {
	ClientID string
	Allowed  bool
	// Scope is the least scope to ask for.
	Scope      string
	Audience   string
	Conditions []string
	Reason     string
	Cause      string
	// By is the verify that refuses, as file:line, if it is not that of the route.
	By string
}

// accessOf returns what the map knows of an Application.
func (f *Facts) accessOf(clientID string) []RouteAccess {
	if f.Map.At == nil {
		return nil
	}
	return f.Reaches(clientID)
}

// accessTo returns what the map knows of a route.
func (f *Facts) accessTo(route string) []RouteAccess {
	if f.Map.At == nil {
		return nil
	}
	return f.Callers(route)
}

// Drawing is the state of the map for people.
type Drawing struct {
	Map

	Ready bool
	Soon  bool // it changes in a moment
	At    *Moment
	Next  *Moment
}

func (f *Facts) drawing() Drawing {
	return Drawing{f.Map, f.Map.At != nil, f.Map.computing(), f.moment(f.Map.At), f.moment(f.Map.Next)}
}
