// Package reachdiff finds out who gains and who loses which route between two
// configurations. It asks both for the same requests: those that package route makes for
// the routes of either. The answers are those of package reach, so of Caddy's own router
// and of the code of /token and verify.
//
// How something is written makes no difference: the order of routes that do not overlap,
// the names of snippets and files, lines, secrets.
package reachdiff

import (
	"cmp"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
)

// Report is what differs between two configurations.
type Report struct {
	// Differences are sorted by danger: what becomes open comes first, losses come last.
	Differences []*Difference
	// Unseen are the routes that no request was found for, of both configurations. What
	// changes for them is not known.
	Unseen []string
	// Asked is how many requests both were asked for; others are like one of these.
	Asked int
}

// Compare asks both configurations, and returns what differs in the new one.
func Compare(older, newer *probe.Probe) *Report {
	c := &comparison{older: newSide(older), newer: newSide(newer), found: make(map[string]*Difference)}
	report := &Report{Unseen: c.unseen()}
	requests := c.requests()
	report.Asked = len(requests)
	for _, p := range inParallel(requests, c.ask) {
		p.compare()
	}
	report.Differences = c.sorted()
	return report
}

// unseen are the IDs of the routes without an example, each once.
func (c *comparison) unseen() (all []string) {
	for _, s := range []*side{c.newer, c.older} {
		for _, e := range s.examples {
			text := e.Route.ID + ": " + e.Route.Handler.String()
			if len(e.Requests) == 0 && !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	return all
}

// comparison collects what differs.
type comparison struct {
	older, newer *side
	found        map[string]*Difference // by what is the same for several requests
	order        []*Difference          // as found
}

// sorted returns the differences by danger. Those of the same danger keep their order.
func (c *comparison) sorted() []*Difference {
	slices.SortStableFunc(c.order, func(a, b *Difference) int {
		return cmp.Or(cmp.Compare(a.danger(), b.danger()), cmp.Compare(a.order, b.order))
	})
	return c.order
}

// add adds a difference, or the requests to one that is the same otherwise.
func (c *comparison) add(d *Difference, requests []probe.Request) {
	key := d.key()
	if same := c.found[key]; same != nil {
		same.Requests = append(same.Requests, requests...)
		return
	}
	d.Requests, d.order = slices.Clone(requests), len(c.order)
	c.found[key] = d
	c.order = append(c.order, d)
}
