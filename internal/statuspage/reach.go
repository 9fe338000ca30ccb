package statuspage

import (
	"cmp"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Reach is the access map: Applications left, routes right, and a line if a token gets in.
type Reach struct {
	Query
	Drawing             Drawing
	Left, Right         []Node
	LeftMore, RightMore int // not shown
	Lines               []Line
	// Known reports whether something counts the use.
	Known bool
	// Drawn reports whether there are lines for what is shown.
	Drawn bool
	// Pairs describe the lines. For a chosen Application or route, they include pairs that
	// do not get in.
	Pairs     []Pair
	PairsMore int
	Unknown   bool // the chosen one does not exist

	Applications, Routes int // all, shown or not
}

// Node is an Application or a route.
type Node struct {
	Name, Link, Note string
	Chosen           bool
}

// Line goes from a node on the left to one on the right.
type Line struct {
	Left, Right int
	Kind        string // that of the use
	Path        template.HTMLAttr
}

// Pair is an Application and a route.
type Pair struct {
	ClientLink       string
	Holders          string // or, instead of an Application, the issuer of unknown clients
	Route, RouteLink string
	Source           string
	Request          string // if other requests have another answer
	ClientAccess
	Use Use

	ReportOnly bool
	Document   Document // of the reason
}

const (
	// mostNodes is how many names a person can see side by side.
	mostNodes = 12
	// mostPairs limits the table.
	mostPairs = 24
	// mostConditions limits the conditions of one pair.
	mostConditions = 3
	// rowHeight is the height of a node in pixels. The style has the same value.
	rowHeight = 44
)

func clientLink(id string) string { return "?" + url.Values{"client": {key(id)}}.Encode() + "#reach" }
func routeLink(id string) string  { return "?" + url.Values{"route": {key(id)}}.Encode() + "#reach" }

func (f *Facts) reach(q Query) Reach {
	r := Reach{Query: q, Drawing: f.drawing(), Applications: len(f.Applications), Routes: len(f.routeIDs()), Known: f.uses != nil}
	switch {
	case q.ClientID != "":
		r.choose(f, f.accessOf(q.ClientID), func(a Application) bool { return a.ClientID == q.ClientID })
		r.Unknown = len(r.Left) == 0
	case q.Route != "":
		r.choose(f, f.accessTo(q.Route), func(a Application) bool { return a.matches(q.Search) })
		r.Unknown = !slices.Contains(f.routeIDs(), q.Route)
	default:
		r.overview(f, q)
	}
	r.connect()
	return r
}

// matches reports whether the name of an Application contains a text.
func (a Application) matches(text string) bool {
	return contains(a.ClientID, text) || contains(a.ClientName, text)
}

func contains(name, text string) bool {
	return strings.Contains(strings.ToLower(name), strings.ToLower(text))
}

// choose shows the pairs of one Application, or of one route: first who gets in, then who
// tries.
func (r *Reach) choose(f *Facts, access []RouteAccess, shown func(Application) bool) {
	var ids []string
	for _, a := range f.Applications {
		if shown(a) {
			ids = append(ids, a.ClientID)
		}
	}
	r.Pairs = f.pairs(access, func(id string) bool { _, ok := slices.BinarySearch(ids, id); return ok })
	slices.SortStableFunc(r.Pairs, func(a, b Pair) int { return cmp.Compare(refused(a), refused(b)) })
	if r.ClientID != "" && len(ids) > 0 {
		r.Left = []Node{f.client(r.ClientID, true)}
	}
	if r.Route != "" {
		r.Right = []Node{f.route(r.Route, true)}
	}
	for _, p := range r.Pairs {
		if p.Holders == "" && (p.Allowed || p.ReportOnly || p.Use.Refused > 0) {
			r.addNodes(f, p)
		}
	}
	r.Drawn = r.Drawing.Ready
	r.Pairs, r.PairsMore = bounded(r.Pairs, mostPairs)
}

func refused(p Pair) int {
	switch {
	case p.Allowed:
		return 0
	case p.Use.Refused > 0:
		return 1
	}
	return 2
}

func bounded[T any](all []T, most int) ([]T, int) {
	n := min(len(all), most)
	return all[:n], len(all) - n
}

// addNodes adds the Application and the route of a pair to the picture, once.
func (r *Reach) addNodes(f *Facts, p Pair) {
	if r.ClientID == "" && !hasNode(r.Left, p.ClientID) {
		if len(r.Left) == mostNodes {
			r.LeftMore++
			return
		}
		r.Left = append(r.Left, f.client(p.ClientID, false))
	}
	if r.Route == "" && !hasNode(r.Right, p.Route) {
		if len(r.Right) == mostNodes {
			r.RightMore++
			return
		}
		r.Right = append(r.Right, f.route(p.Route, false))
	}
}

func hasNode(nodes []Node, name string) bool {
	return slices.ContainsFunc(nodes, func(n Node) bool { return n.Name == name })
}

// overview shows all Applications and routes, or those that a search finds. It draws lines
// only if there are few enough for a person to see.
func (r *Reach) overview(f *Facts, q Query) {
	var ids, routes []string
	for _, a := range f.Applications {
		if a.matches(q.Search) {
			ids = append(ids, a.ClientID)
		}
	}
	for _, id := range f.routeIDs() {
		if contains(id, q.Search) {
			routes = append(routes, id)
		}
	}
	found := q.Search != "" && len(ids)+len(routes) > 0
	r.Unknown = q.Search != "" && !found
	if found && len(routes) == 0 && len(ids) <= mostNodes { // the routes that these reach
		r.Pairs = f.pairsOf(ids)
		for _, p := range r.Pairs {
			routes = append(routes, p.Route)
		}
		routes = slices.Compact(slices.Sorted(slices.Values(routes)))
	}
	r.Drawn = r.Drawing.Ready && len(ids) <= mostNodes && len(routes) <= mostNodes
	if r.Drawn && r.Pairs == nil {
		r.Pairs = f.pairsOf(ids)
	}
	ids = f.urgentFirst(ids)
	ids, r.LeftMore = bounded(ids, mostNodes)
	routes, r.RightMore = bounded(routes, mostNodes)
	for _, id := range ids {
		r.Left = append(r.Left, f.client(id, false))
	}
	for _, id := range routes {
		r.Right = append(r.Right, f.route(id, false))
	}
	r.Pairs = slices.DeleteFunc(r.Pairs, func(p Pair) bool { return !hasNode(r.Left, p.ClientID) || !hasNode(r.Right, p.Route) })
	r.Pairs, r.PairsMore = bounded(r.Pairs, mostPairs)
}

// pairsOf are the pairs of a few Applications where a token gets in, or was refused.
func (f *Facts) pairsOf(ids []string) []Pair {
	all := []Pair{}
	for _, id := range ids {
		all = append(all, f.pairs(f.accessOf(id), func(string) bool { return true })...)
	}
	return slices.DeleteFunc(all, func(p Pair) bool { return !p.Allowed && p.Use.Refused == 0 })
}

// pairs are those of the answers that are about an Application of the issuer, or, in the
// answers for one route, about unknown clients.
func (f *Facts) pairs(access []RouteAccess, shown func(clientID string) bool) (all []Pair) {
	for _, r := range access {
		for _, c := range r.Clients {
			if shown(c.ClientID) {
				all = append(all, f.pair(r, c))
			}
		}
		if r.Holders != nil {
			p := f.pair(r, *r.Holders)
			p.Holders = r.Issuer
			all = append(all, p)
		}
	}
	return all
}

func (f *Facts) pair(r RouteAccess, c ClientAccess) Pair {
	c.Conditions, _ = bounded(c.Conditions, mostConditions)
	p := Pair{
		ClientLink: clientLink(c.ClientID), Route: r.Route, RouteLink: routeLink(r.Route), Source: r.Source, Request: r.Request,
		ClientAccess: c, Use: f.useAt(r, c.ClientID), ReportOnly: r.ReportOnly, Document: reasonDocument(c.Reason),
	}
	if p.NotKnown() {
		p.Document = Document{"not known", "access.md#what-it-does-not-tell"}
	}
	return p
}

// NotKnown reports whether it is not known if the client gets in.
func (p Pair) NotKnown() bool { return p.Reason == Unjudged }

// Unjudged is the reason if no request was found that takes the route.
const Unjudged = "unjudged"

func (f *Facts) client(id string, chosen bool) Node {
	n := Node{Name: id, Link: clientLink(id), Chosen: chosen}
	if i, ok := slices.BinarySearchFunc(f.Applications, id, func(a Application, id string) int { return strings.Compare(a.ClientID, id) }); ok {
		n.Note = f.Applications[i].ClientName
		if !f.Applications[i].Active {
			n.Note = "not active"
		}
	}
	return n
}

func (f *Facts) route(id string, chosen bool) Node {
	n := Node{Name: id, Link: routeLink(id), Chosen: chosen}
	for _, r := range f.Routes {
		if r.Route == id {
			n.Note = noteOf(r)
			break
		}
	}
	return n
}

func noteOf(r RouteAccess) string {
	switch {
	case r.ReportOnly:
		return "lets everybody through"
	case r.Unknown:
		return "clients of " + r.Issuer
	case r.Conditional:
		return r.String() + ", where it matches"
	}
	return r.String()
}

// routeIDs returns the IDs of the routes, each once, in the order of the configuration.
func (f *Facts) routeIDs() (ids []string) {
	seen := make(map[string]bool)
	for _, r := range f.Routes {
		if !seen[r.Route] {
			seen[r.Route] = true
			ids = append(ids, r.Route)
		}
	}
	return ids
}

// connect draws the lines of the pairs that get in, or were refused.
func (r *Reach) connect() {
	if !r.Drawn {
		return
	}
	for _, p := range r.Pairs {
		left := slices.IndexFunc(r.Left, func(n Node) bool { return n.Name == p.ClientID })
		right := slices.IndexFunc(r.Right, func(n Node) bool { return n.Name == p.Route })
		if left < 0 || right < 0 || !p.Allowed && p.Use.Refused == 0 {
			continue
		}
		if slices.ContainsFunc(r.Lines, func(l Line) bool { return l.Left == left && l.Right == right }) {
			continue // requests with other answers, on the same route
		}
		r.Lines = append(r.Lines, Line{left, right, p.Use.Kind(), curve(r.middle(left, len(r.Left)), r.middle(right, len(r.Right)))})
	}
}

// RouteKey identifies the chosen route in a form.
func (r Reach) RouteKey() string { return key(r.Route) }

// Height returns the height of the picture in pixels.
func (r Reach) Height() int { return max(len(r.Left), len(r.Right)) * rowHeight }

// middle returns where the line of a node begins. The shorter side is centred.
func (r Reach) middle(i, of int) int {
	return (r.Height()-of*rowHeight)/2 + i*rowHeight + rowHeight/2
}

func curve(from, to int) template.HTMLAttr {
	a, b := strconv.Itoa(from), strconv.Itoa(to)
	return template.HTMLAttr(`d="M0 ` + a + ` C50 ` + a + ` 50 ` + b + ` 100 ` + b + `"`) //nolint:gosec // two numbers
}
