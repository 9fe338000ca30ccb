package reachdiff

import (
	"maps"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/reach"
)

// pair has the answers of both sides to the same requests.
type pair struct {
	*comparison

	requests      []probe.Request
	before, after answer
}

// ask asks both sides about requests that get the same answers.
func (c *comparison) ask(requests []probe.Request) *pair {
	return &pair{comparison: c, requests: requests, before: c.older.ask(requests[0]), after: c.newer.ask(requests[0])}
}

func (p *pair) compare() {
	if p.compareAnybody() {
		return
	}
	for _, issuer := range p.issuers() {
		p.compareIssuer(issuer)
	}
}

// compareAnybody compares requests without a token. It returns false if neither side lets
// them through, so that tokens decide.
func (p *pair) compareAnybody() bool {
	before, after := p.before.anonymous(), p.after.anonymous()
	d := &Difference{Before: before, After: after}
	switch {
	case !before.Allowed && !after.Allowed:
		return false
	case !before.Allowed:
		d.Kind = Opened
	case !after.Allowed:
		d.Kind = Closed
	case before.Handler == after.Handler && slices.Equal(before.ClaimHeaders, after.ClaimHeaders):
		return true
	default:
		d.Kind = Changed
	}
	p.add(d, nil, nil)
	return true
}

// add completes the difference with facts about the side on which they get through.
func (p *pair) add(d *Difference, before, after *reach.Class) {
	a, class := p.before, before
	if d.After.Allowed {
		a, class = p.after, after
	}
	v := a.Anonymous
	if class != nil && class.Verdict != nil {
		v = class.Verdict
	}
	d.Route = placeOf(v, p.requests[0])
	d.NewRoute, d.GoneRoute = !p.older.routes[d.Route], !p.newer.routes[d.Route]
	p.comparison.add(d, p.requests)
}

// issuers returns the issuers of both answers, in the order of the newer configuration.
func (p *pair) issuers() (all []string) {
	for _, a := range []answer{p.after, p.before} {
		for _, class := range a.classes() {
			if !slices.Contains(all, class.Issuer) {
				all = append(all, class.Issuer)
			}
		}
	}
	return all
}

func (p *pair) compareIssuer(issuer string) {
	before, after := p.before.among(issuer), p.after.among(issuer)
	if before.holders != nil || after.holders != nil {
		p.compareClasses(&Difference{Issuer: issuer}, before.holders, after.holders)
	}
	if maps.Equal(before.fingerprints(), after.fingerprints()) {
		return
	}
	for _, group := range p.groups(issuer, before, after) {
		d := &Difference{Issuer: issuer, Clients: group.clients, NewClients: !group.old, GoneClients: !group.new}
		p.compareClasses(d, group.before, group.after)
	}
}

// group has clients that get the same answer on each side.
type group struct {
	alike
	clients []string
}

type alike struct {
	before, after *reach.Class
	old, new      bool // the side has the Application
}

// groups returns the groups of the clients that get through on at least one side.
func (p *pair) groups(issuer string, before, after among) (all []*group) {
	found := make(map[alike]*group)
	clients := before.allowed()
	for client := range after.allowed() {
		clients[client] = true
	}
	for _, client := range slices.Sorted(maps.Keys(clients)) {
		key := alike{before.classOf(client), after.classOf(client), p.older.clients[issuer][client], p.newer.clients[issuer][client]}
		if found[key] == nil {
			found[key] = &group{alike: key}
			all = append(all, found[key])
		}
		found[key].clients = append(found[key].clients, client)
	}
	return all
}

// compareClasses compares the outcomes of the same callers.
func (p *pair) compareClasses(d *Difference, before, after *reach.Class) {
	d.Before, d.After = p.before.outcomeOf(before), p.after.outcomeOf(after)
	if !d.Before.Allowed || !d.After.Allowed {
		if d.Kind = Gained; d.Before.Allowed {
			d.Kind = Lost
		}
		if d.Before.Allowed != d.After.Allowed {
			p.add(d, before, after)
		}
		return
	}
	if kind := d.asking(); kind != "" {
		more := *d
		more.Kind = kind
		p.add(&more, before, after)
	}
	if d.Before.Handler != d.After.Handler || !slices.Equal(d.Before.ClaimHeaders, d.After.ClaimHeaders) {
		d.Kind = Changed
		p.add(d, before, after)
	}
}

// asking compares the requirements for those who get through. Scopes do not
// count for Clients, which have them.
func (d *Difference) asking() Kind {
	before, after := d.Before.Conditions, d.After.Conditions
	if len(d.Clients) == 0 {
		before, after = d.Before.asked(), d.After.asked()
	}
	switch {
	case slices.ContainsFunc(before, func(one string) bool { return !slices.Contains(after, one) }):
		return Weakened
	case slices.ContainsFunc(after, func(one string) bool { return !slices.Contains(before, one) }):
		return Tightened
	}
	return ""
}
