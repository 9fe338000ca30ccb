// Package reachdiff finds out who gains and who loses access to which route between two
// configurations. It asks both about the same requests, which package route makes for the
// routes of either. The answers come from package reach: from Caddy's own router and from
// the code of /token and verify.
//
// The report ignores how a configuration is written: the order of routes that do not
// overlap, the names of snippets and files, lines, secrets.
package reachdiff

import (
	"cmp"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
)

// Report contains the differences between two configurations.
type Report struct {
	// Differences are sorted by danger: newly open routes come first, losses come last.
	Differences []*Difference
	// Unseen are the routes of both configurations for which no request was found. It is
	// not known what changes for them.
	Unseen []string
	// Asked is the number of requests that both were asked about. Each other request is
	// like one of these.
	Asked int
}

// Compare asks both configurations, and returns the differences.
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

// unseen returns the IDs of the routes without an example, each once.
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

// comparison collects the differences.
type comparison struct {
	older, newer *side
	found        map[string]*Difference // by a key that is the same for several requests
	order        []*Difference          // as found
}

// sorted returns the differences by danger. Differences of equal danger keep their order.
func (c *comparison) sorted() []*Difference {
	slices.SortStableFunc(c.order, func(a, b *Difference) int {
		return cmp.Or(cmp.Compare(a.danger(), b.danger()), cmp.Compare(a.order, b.order))
	})
	return c.order
}

// add adds a difference, or adds its requests to an equal difference.
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
