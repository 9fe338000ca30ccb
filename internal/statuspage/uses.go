package statuspage

import (
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// Use is what was counted of an Application at a route.
type Use struct {
	Times       uint64
	Last        *Moment // nil for never
	Refused     uint64
	LastRefused *Moment
	Document    Document // of the reason of the last refusal
}

// pairOf is an Application at a route.
type pairOf struct {
	route  string
	client clientOf
}

// recently is how long a refusal is shown though the Application gets in again.
const recently = 24 * time.Hour

// collectUses finds what was counted of each Application at each route.
func (f *Facts) collectUses() map[pairOf]Use {
	if f.Usage == nil || f.Usage.Since == nil {
		return nil
	}
	uses := make(map[pairOf]Use)
	for _, r := range f.routesUsed() {
		for _, c := range r.Callers {
			pair := pairOf{r.Route, clientOf{c.Issuer, c.ClientID}}
			u := uses[pair]
			u.Times += c.Times
			if u.Last == nil || c.Last.After(u.Last.at) {
				u.Last = f.moment(&c.Last)
			}
			uses[pair] = u
		}
		for _, g := range r.Refused {
			pair := pairOf{r.Route, clientOf{g.Issuer, g.ClientID}}
			u := uses[pair]
			u.Refused += g.Times
			if u.LastRefused == nil || g.Last.After(u.LastRefused.at) {
				u.LastRefused, u.Document = f.moment(&g.Last), reasonDocument(g.Reason)
			}
			uses[pair] = u
		}
	}
	return uses
}

// routesUsed returns what was counted of each route once. The answer has it for each verify
// of the route.
func (f *Facts) routesUsed() (all []adminapi.RouteUsage) {
	type kind struct {
		route      string
		reportOnly bool
	}
	seen := make(map[kind]bool)
	for _, r := range f.Usage.Routes {
		k := kind{r.Route, r.ReportOnly}
		if seen[k] {
			continue
		}
		if seen[kind{r.Route, !r.ReportOnly}] {
			r.Callers = nil
		}
		seen[k] = true
		all = append(all, r)
	}
	return all
}

// useAt returns what was counted of a client at a route.
func (f *Facts) useAt(r RouteAccess, clientID string) Use {
	return f.uses[pairOf{r.Route, clientOf{r.Issuer, clientID}}]
}

// Kind is the class of a line: used, refused, both or "". A refusal of long ago counts if
// nothing got in since.
func (u Use) Kind() string {
	kind := ""
	if u.Times > 0 {
		kind = "used"
	}
	if last := u.LastRefused; last != nil && (u.Last == nil || last.at.After(u.Last.at) || last.now.Sub(last.at) < recently) {
		kind += " refused"
	}
	return strings.TrimSpace(kind)
}
