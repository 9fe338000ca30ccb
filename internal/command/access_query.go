package command

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/tokenidp/caddy-tokenidp/internal/adminendpoint"
	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/reach"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/internal/testrun"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// accessQuery says whose access to show.
type accessQuery struct {
	client string // "" for all
	denied bool   // include those that get in nowhere
}

// check returns an error if no Application has the name.
func (q accessQuery) check(p *probe.Probe) error {
	names := p.Names()
	if _, found := slices.BinarySearch(names, q.client); q.client == "" || found {
		return nil
	}
	return fmt.Errorf("no Application has this client_id: %.255s%s", q.client, nearest.DidYouMean(q.client, slices.Values(names)))
}

// ofRequest answers for one request, and assumes nothing about it.
func (q accessQuery) ofRequest(p *probe.Probe, r probe.Request) (*accessReport, error) {
	a, err := reach.New(p).Ask(context.Background(), r)
	if err != nil {
		return nil, fmt.Errorf("--request: %w", err)
	}
	report := newAccessReport(p)
	switch {
	case a.Open():
		report.Unguarded = []unguarded{{Handler: a.Anonymous.Handler, Request: r.String()}}
	case a.First == nil:
		report.Nobody = &nobody{Request: r.String(), Status: a.Anonymous.Status, Reason: a.Anonymous.Reason, Cause: a.Anonymous.Cause}
	default:
		v := a.First.Verify
		shown := routeAccess{Route: routeIDOf(a.First), Source: a.First.Source, Requests: []string{r.String()}, ReportOnly: a.ReportOnly()}
		report.Routes = q.ofIssuers(shown, v, a)
	}
	return report, nil
}

func routeIDOf(s *probe.Step) string {
	if s.Route == nil {
		return ""
	}
	return s.Route.ID
}

// ofRoutes answers for the routes with these IDs. nil means all routes, and the handlers
// that requests reach without a token.
func (q accessQuery) ofRoutes(p *probe.Probe, named map[string]bool) (*accessReport, error) {
	report, m := newAccessReport(p), reach.New(p)
	var asked []probe.Example
	var open []unguarded
	for _, e := range p.Examples() {
		switch {
		case e.Route.Handler.Name != "verify":
			if named == nil && q.client == "" {
				open = append(open, findOpen(p, e)...)
			}
		case named == nil || named[e.Route.ID]:
			asked = append(asked, e)
		}
	}
	answers, err := askAll(m, asked)
	if err != nil {
		return nil, err
	}
	reached := make(map[string]map[string]bool) // by issuer and client_id
	for i, e := range asked {
		report.Routes = append(report.Routes, q.ofRoute(e, answers[i], reached)...)
	}
	slices.SortStableFunc(report.Routes, func(a, b routeAccess) int { return route.CompareSources(a.Source, b.Source) })
	report.Unguarded = open
	if named == nil && q.client == "" {
		report.Nowhere = nowhere(p, reached)
	}
	return report, nil
}

// askAll asks about the requests of all routes, in parallel.
func askAll(m *reach.Map, examples []probe.Example) ([][]reach.Group, error) {
	all, errs := make([][]reach.Group, len(examples)), make([]error, len(examples))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				all[i], errs[i] = m.AskExample(context.Background(), examples[i])
			}
		})
	}
	for i := range examples {
		next <- i
	}
	close(next)
	workers.Wait()
	return all, cmp.Or(errs...)
}

// ofRoute answers for a route to a verify, for each issuer that it accepts and each group
// of requests.
func (q accessQuery) ofRoute(e probe.Example, groups []reach.Group, reached map[string]map[string]bool) (all []routeAccess) {
	v, ok := e.Route.Handler.Module().(*tokenidp.Verify)
	if !ok {
		return nil
	}
	shown := routeAccess{
		Route: e.Route.ID, Source: e.Route.Handler.Source, ReportOnly: e.Route.Handler.ReportOnly(), Conditional: v.IsConditional(),
	}
	if len(groups) == 0 {
		shown.Unjudged = true
		return q.ofIssuers(shown, v, nil)
	}
	for _, g := range groups {
		shown.Requests, shown.several = textsOf(g.Requests), len(groups) > 1
		note(reached, g.Answer)
		all = append(all, q.ofIssuers(shown, v, g.Answer)...)
	}
	return all
}

func textsOf(requests []probe.Request) (all []string) {
	for _, r := range requests {
		all = append(all, r.String())
	}
	return all
}

// ofIssuers completes the answer for each issuer whose tokens the verify accepts.
func (q accessQuery) ofIssuers(shown routeAccess, v *tokenidp.Verify, a *reach.Answer) (all []routeAccess) {
	for _, issuer := range v.AcceptedIssuers() {
		one := shown
		one.Issuer, one.RequiredScopes = issuer, adminendpoint.RequiredScopes(v.Requirement(issuer))
		if a != nil {
			q.addClasses(&one, a)
		}
		all = append(all, one)
	}
	return all
}

func (q accessQuery) addClasses(one *routeAccess, a *reach.Answer) {
	if a.Open() {
		one.Open = a.Anonymous.Handler
		return
	}
	for _, c := range a.Classes {
		switch {
		case c.Issuer != one.Issuer:
		case c.Holders:
			one.Unknown, one.Holders = true, newClientAccess("", c, one)
		case q.client != "" && !c.Has(q.client), !c.Allowed && !q.denied:
		default:
			one.classes = append(one.classes, c)
		}
	}
	one.only = q.client
}

// note adds the Applications that get through.
func note(reached map[string]map[string]bool, a *reach.Answer) {
	for _, c := range a.Classes {
		if !c.Allowed && !a.ReportOnly() {
			continue
		}
		if reached[c.Issuer] == nil {
			reached[c.Issuer] = make(map[string]bool)
		}
		for id := range c.Clients() {
			reached[c.Issuer][id] = true
		}
	}
}

// nowhere returns the active Applications that reach no route.
func nowhere(p *probe.Probe, reached map[string]map[string]bool) (found []string) {
	for _, issuer := range p.TokenIssuers() {
		if issuer.Applications == nil {
			continue
		}
		for _, one := range issuer.Applications.Applications() {
			if one.Active && !reached[issuer.URL][one.ClientID] {
				found = append(found, one.ClientID)
			}
		}
	}
	return found
}

// findOpen returns the handler if a request reaches it without a token. It is unproven if
// no known request takes its route, or if a verify that lets other requests through refuses
// each.
func findOpen(p *probe.Probe, e probe.Example) []unguarded {
	r := e.Route
	if !r.Handler.Serves() {
		return nil
	}
	found := unguarded{At: r.ID, Handler: r.Handler.String(), Conditional: r.Guard == route.Conditional}
	requests := e.Requests
	if found.Conditional {
		requests = withEveryMethod(requests)
	}
	for _, request := range requests {
		v, err := p.AskWith(request, nil)
		if err == nil && v.Handler == found.Handler {
			found.Request = request.String()
			return []unguarded{found}
		}
	}
	// What an upstream answers is not known here, and so is what the routes of its responses
	// get.
	known := r.After != route.AfterResponse && len(requests) > 0
	if r.Guard == route.Guarded || !found.Conditional && known {
		return nil
	}
	found.Unproven = true
	return []unguarded{found}
}

// withEveryMethod adds the same requests with other methods.
func withEveryMethod(requests []probe.Request) []probe.Request {
	all := slices.Clone(requests)
	for _, r := range requests {
		for _, method := range testrun.EveryMethod {
			r.Method = method
			all = append(all, r)
		}
	}
	return all
}
