package statuspage

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html/atom"
)

// open returns a server on which each Application reaches each route, in two ways.
func open(applications, more int) Facts {
	f := well(applications)
	for i := range more {
		f.Routes = append(f.Routes, RouteAccess{Route: fmt.Sprintf("%d.example.com", i), Issuer: issuer})
	}
	var all []ClientAccess
	for _, a := range f.Applications {
		all = append(all, ClientAccess{ClientID: a.ClientID, Allowed: true})
	}
	answers := slices.Repeat(f.Routes, 2)
	for i := range answers {
		answers[i].Clients = all
	}
	f.Callers = func(route string) []RouteAccess {
		return slices.DeleteFunc(slices.Clone(answers), func(r RouteAccess) bool { return r.Route != route })
	}
	f.Reaches = func(id string) []RouteAccess {
		all := slices.Clone(answers)
		for i := range all {
			all[i].Clients = []ClientAccess{{ClientID: id, Allowed: true}}
		}
		return all
	}
	return f
}

// TestNoLineIsMissing in a picture that has more of them than the table.
func TestNoLineIsMissing(t *testing.T) {
	r := New(open(6, 2), Query{}).Reach
	if len(r.Lines) != 36 || len(r.Pairs) != mostPairs || r.PairsMore != 2*36-mostPairs {
		t.Errorf("%d lines, %d pairs and %d more", len(r.Lines), len(r.Pairs), r.PairsMore)
	}
}

// TestMoreNames counts a name once that has several answers.
func TestMoreNames(t *testing.T) {
	f := open(20, 14)
	for want, q := range map[string]Query{"8 more Applications.": {Route: routes[0].id}, "6 more routes.": {ClientID: "orders-worker"}} {
		text, _, err := New(f, q).HTML()
		if err != nil {
			t.Fatal(err)
		}
		if got := content(find(parse(t, string(text)), atom.Section, "")[2]); !strings.Contains(got, " "+want) {
			t.Errorf("%+v: %s, want %s", q, got, want)
		}
	}
}

// TestManyCallers of one route cost no more for each of them than to look at it.
func TestManyCallers(t *testing.T) {
	f := open(5000, 0)
	q := Query{Route: routes[0].id}
	if n := testing.AllocsPerRun(1, func() { f.reach(q) }); n > 1000 {
		t.Errorf("%.0f allocations for 5000 Applications", n)
	}
}

// TestCallsOfUnknownClients are counted together at their route.
func TestCallsOfUnknownClients(t *testing.T) {
	r := New(odd(), Query{Route: routes[1].id}).Reach
	i := slices.IndexFunc(r.Pairs, func(p Pair) bool { return p.Holders != "" })
	if use := r.Pairs[i].Use; use.Times != 7+8 || !use.Last.at.Equal(*in(-time.Hour)) {
		t.Errorf("%+v", use)
	}
}
