package statuspage

import (
	"slices"
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

// collectUses finds what was counted of each client at each route, and of all clients of an
// issuer together: those have no client_id.
func (f *Facts) collectUses() map[pairOf]Use {
	if f.Usage == nil || f.Usage.Since == nil {
		return nil
	}
	uses := make(map[pairOf]Use)
	for _, r := range f.routesUsed() {
		for _, c := range r.Callers {
			for _, client := range andTogether(c.Issuer, c.ClientID) {
				uses[pairOf{r.Route, client}] = uses[pairOf{r.Route, client}].plusCalls(c.Times, f.moment(&c.Last))
			}
		}
		for _, g := range r.Refused {
			for _, client := range andTogether(g.Issuer, g.ClientID) {
				uses[pairOf{r.Route, client}] = uses[pairOf{r.Route, client}].plusRefused(g, f.moment(&g.Last))
			}
		}
	}
	return uses
}

// andTogether returns the client, and that for all clients of the issuer.
func andTogether(issuer, clientID string) []clientOf {
	return slices.Compact([]clientOf{{issuer, clientID}, {issuer: issuer}})
}

func (u Use) plusCalls(times uint64, last *Moment) Use {
	u.Times += times
	if u.Last == nil || last.at.After(u.Last.at) {
		u.Last = last
	}
	return u
}

func (u Use) plusRefused(g adminapi.RefusedGroup, last *Moment) Use {
	u.Refused += g.Times
	if u.LastRefused == nil || last.at.After(u.LastRefused.at) {
		u.LastRefused, u.Document = last, reasonDocument(g.Reason)
	}
	return u
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

// useAt returns what was counted of the client at the route.
func (f *Facts) useAt(a answer) Use {
	return f.uses[pairOf{a.at.Route, clientOf{a.at.Issuer, a.ClientID}}]
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
