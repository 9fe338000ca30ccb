package statuspage

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// Counted is what the nodes have counted: of the chosen Application or route, or of all.
type Counted struct {
	Query
	Off          bool    // by the configuration, no usage is counted
	Known        bool    // some node counts
	Since        *Moment // when that began
	Nodes        int
	Problem      string   // why that of other nodes is not known, or ""
	History      *History // or nil
	Callers      []Caller
	CallersMore  int
	Refusals     []Refusal
	RefusalsMore int
	Routes       int
	NotToldApart uint64
}

// Caller is a client that a route let through.
type Caller struct {
	Issuer, ClientID string
	Link             string // of an Application, or ""
	Route, RouteLink string
	Scopes           string
	Times            uint64
	Last             *Moment
}

// Refusal is a reason for which requests were refused.
type Refusal struct {
	Document   Document
	ReportOnly bool // they would have been
	Times      uint64
	Last       *Moment
	Route      string // where that was most frequent
	RouteLink  string
	Routes     int // more of them
}

const (
	mostCallers  = 8
	mostRefusals = 8
)

func (f *Facts) counted(q Query) Counted {
	c := Counted{Query: q, Routes: len(f.Routes), Off: f.UsageOff}
	if f.Usage == nil || f.Usage.Since == nil {
		return c
	}
	c.Known, c.Since, c.Nodes, c.Problem, c.NotToldApart = true, f.moment(f.Usage.Since), f.Usage.Nodes, f.Usage.Problem, f.Usage.NotToldApart
	refusals := f.refusals(q)
	c.History = f.history(q, refusals)
	c.Callers, c.CallersMore = bounded(f.callers(q), mostCallers)
	c.Refusals, c.RefusalsMore = bounded(refusals, mostRefusals)
	return c
}

// callers are the pairs of a client and a route, the most frequent first.
func (f *Facts) callers(q Query) (all []Caller) {
	for _, r := range f.routesUsed() {
		for _, c := range r.Callers {
			if f.covers(q, r.Route, clientOf{c.Issuer, c.ClientID}) {
				all = append(all, Caller{Issuer: c.Issuer, ClientID: c.ClientID, Route: r.Route, Scopes: c.Scopes, Times: c.Times, Last: f.moment(&c.Last)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Caller) int { return -cmp.Compare(a.Times, b.Times) })
	for i := range all[:min(len(all), mostCallers)] {
		c := &all[i]
		if c.RouteLink = routeLink(c.Route); f.declares(clientOf{c.Issuer, c.ClientID}) {
			c.Link, c.Issuer = clientLink(c.ClientID), ""
		}
	}
	return all
}

// covers reports whether a reader who has chosen this wants to know of the pair.
func (f *Facts) covers(q Query, route string, c clientOf) bool {
	return (q.Route == "" || q.Route == route) && (q.ClientID == "" || q.ClientID == c.clientID && f.declares(c))
}

// declares reports whether a client is an Application of an issuer of this server.
func (f *Facts) declares(c clientOf) bool {
	first, _ := slices.BinarySearchFunc(f.Applications, c.clientID, func(a Application, id string) int { return strings.Compare(a.ClientID, id) })
	for _, a := range f.Applications[first:] {
		if a.ClientID != c.clientID {
			return false
		}
		if a.Issuer == c.issuer {
			return true
		}
	}
	return false
}

// refusalKind is what refusals are joined by.
type refusalKind struct {
	reason     string
	reportOnly bool
}

// refusals join what was refused for the same reason, the most frequent first.
func (f *Facts) refusals(q Query) (all []Refusal) {
	found, most := make(map[refusalKind]*Refusal), make(map[refusalKind]uint64)
	for _, r := range f.routesUsed() {
		for k, here := range f.refusedAt(r, q) {
			one := found[k]
			if one == nil {
				found[k], most[k] = &here, here.Times
				continue
			}
			if one.Routes++; here.Times > most[k] {
				most[k], one.Route, one.RouteLink = here.Times, here.Route, here.RouteLink
			}
			if one.Times += here.Times; here.Last.at.After(one.Last.at) {
				one.Last = here.Last
			}
		}
	}
	for _, one := range found {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b Refusal) int {
		return cmp.Or(-cmp.Compare(a.Times, b.Times), strings.Compare(a.Document.Title, b.Document.Title), strings.Compare(a.Route, b.Route))
	})
	return all
}

// refusedAt are the refusals of one route.
func (f *Facts) refusedAt(r adminapi.RouteUsage, q Query) map[refusalKind]Refusal {
	found := make(map[refusalKind]Refusal)
	for _, g := range r.Refused {
		if !f.covers(q, r.Route, clientOf{g.Issuer, g.ClientID}) {
			continue
		}
		k := refusalKind{g.Reason, r.ReportOnly}
		one := Refusal{Document: reasonDocument(g.Reason), ReportOnly: r.ReportOnly, Last: f.moment(&g.Last), Route: r.Route, RouteLink: routeLink(r.Route)}
		if before, ok := found[k]; ok && before.Last.at.After(one.Last.at) {
			one.Last = before.Last
		}
		one.Times = found[k].Times + g.Times
		found[k] = one
	}
	return found
}
