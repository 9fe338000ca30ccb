package statuspage

import (
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
	Holders string // or, instead of an Application, the issuer of unknown clients
	Route   string
	Source  string
	Request string // if other requests have another answer
	ClientAccess
	Use Use

	ReportOnly bool
	Document   Document // of the reason
}

// ClientLink chooses the Application.
func (p Pair) ClientLink() string { return clientLink(p.ClientID) }

// RouteLink chooses the route.
func (p Pair) RouteLink() string { return routeLink(p.Route) }

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
	var all []answer
	switch {
	case q.ClientID != "":
		all = r.choose(f, f.accessOf(q.ClientID), func(a Application) bool { return a.ClientID == q.ClientID })
		r.Unknown = len(r.Left) == 0
	case q.Route != "":
		all = r.choose(f, f.accessTo(q.Route), func(a Application) bool { return a.matches(q.Search) })
		r.Unknown = !slices.Contains(f.routeIDs(), q.Route)
	default:
		all = r.overview(f, q)
	}
	r.connect(f, all)
	all, r.PairsMore = bounded(all, mostPairs)
	for _, a := range all {
		r.Pairs = append(r.Pairs, f.pair(a))
	}
	return r
}

// matches reports whether the name of an Application contains a text.
func (a Application) matches(text string) bool {
	return contains(a.ClientID, text) || contains(a.ClientName, text)
}

func contains(name, text string) bool {
	return strings.Contains(strings.ToLower(name), strings.ToLower(text))
}

// choose shows one Application, or one route. It returns all answers about it: first who gets
// in, then who tries.
func (r *Reach) choose(f *Facts, access []RouteAccess, shown func(Application) bool) []answer {
	var ids []string
	for _, a := range f.Applications {
		if shown(a) {
			ids = append(ids, a.ClientID)
		}
	}
	all := f.answers(access, func(id string) bool { _, ok := slices.BinarySearch(ids, id); return ok })
	var ranked [ranks][]answer
	for _, a := range all {
		ranked[f.rank(a)] = append(ranked[f.rank(a)], a)
	}
	all = slices.Concat(ranked[:]...)
	if r.ClientID != "" && len(ids) > 0 {
		r.Left = []Node{f.client(r.ClientID, true)}
	}
	if r.Route != "" {
		r.Right = []Node{f.route(r.Route, true)}
	}
	r.addNodes(f, all)
	r.Drawn = r.Drawing.Ready
	return all
}

// The ranks of answers, the most interesting first.
const (
	getsIn = iota
	tries
	staysAway
	ranks
)

func (f *Facts) rank(a answer) int {
	switch {
	case a.Allowed:
		return getsIn
	case f.useAt(a).Refused > 0:
		return tries
	}
	return staysAway
}

func bounded[T any](all []T, most int) ([]T, int) {
	n := min(len(all), most)
	return all[:n], len(all) - n
}

// addNodes adds the other side of the picture: each name once.
func (r *Reach) addNodes(f *Facts, all []answer) {
	var ids, routes []string
	seen := make(map[[2]string]bool)
	for _, a := range all {
		name := [2]string{a.ClientID}
		if r.ClientID != "" {
			name = [2]string{"", a.at.Route}
		}
		if a.holders() || seen[name] || f.rank(a) == staysAway && !a.at.ReportOnly {
			continue
		}
		seen[name] = true
		ids, routes = append(ids, a.ClientID), append(routes, a.at.Route)
	}
	if r.ClientID == "" {
		r.addClients(f, ids)
	} else {
		r.addRoutes(f, routes)
	}
}

func (r *Reach) addClients(f *Facts, ids []string) {
	ids, r.LeftMore = bounded(ids, mostNodes)
	for _, id := range ids {
		r.Left = append(r.Left, f.client(id, false))
	}
}

func (r *Reach) addRoutes(f *Facts, ids []string) {
	ids, r.RightMore = bounded(ids, mostNodes)
	for _, id := range ids {
		r.Right = append(r.Right, f.route(id, false))
	}
}

func hasNode(nodes []Node, name string) bool {
	return slices.ContainsFunc(nodes, func(n Node) bool { return n.Name == name })
}

// overview shows all Applications and routes, or those that a search finds. It draws lines
// only if there are few enough for a person to see. It returns the answers about what is shown.
func (r *Reach) overview(f *Facts, q Query) []answer {
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
	var all []answer
	if found && len(routes) == 0 && len(ids) <= mostNodes { // the routes that these reach
		all = f.answersOf(ids)
		for _, a := range all {
			routes = append(routes, a.at.Route)
		}
		routes = slices.Compact(slices.Sorted(slices.Values(routes)))
	}
	r.Drawn = r.Drawing.Ready && len(ids) <= mostNodes && len(routes) <= mostNodes
	if r.Drawn && all == nil {
		all = f.answersOf(ids)
	}
	r.addClients(f, f.urgentFirst(ids))
	r.addRoutes(f, routes)
	return slices.DeleteFunc(all, func(a answer) bool { return !hasNode(r.Left, a.ClientID) || !hasNode(r.Right, a.at.Route) })
}

// answersOf are those about a few Applications that get in, or were refused.
func (f *Facts) answersOf(ids []string) []answer {
	all := []answer{}
	for _, id := range ids {
		all = append(all, f.answers(f.accessOf(id), func(string) bool { return true })...)
	}
	return slices.DeleteFunc(all, func(a answer) bool { return f.rank(a) == staysAway })
}

// answer is what the map says of a client at a route. It is small, because there can be one
// for each of a hundred thousand Applications.
type answer struct {
	at *RouteAccess
	*ClientAccess
}

// holders reports whether the answer is about unknown clients of an issuer.
func (a answer) holders() bool { return a.ClientAccess == a.at.Holders }

// answers are those about an Application of the issuer, or, in the answers for one route,
// about unknown clients.
func (f *Facts) answers(access []RouteAccess, shown func(clientID string) bool) (all []answer) {
	for i := range access {
		r := &access[i]
		for j := range r.Clients {
			if c := &r.Clients[j]; shown(c.ClientID) {
				all = append(all, answer{r, c})
			}
		}
		if r.Holders != nil {
			all = append(all, answer{r, r.Holders})
		}
	}
	return all
}

func (f *Facts) pair(a answer) Pair {
	c, r := *a.ClientAccess, a.at
	c.Conditions, _ = bounded(c.Conditions, mostConditions)
	p := Pair{
		Route: r.Route, Source: r.Source, Request: r.Request,
		ClientAccess: c, Use: f.useAt(a), ReportOnly: r.ReportOnly, Document: reasonDocument(c.Reason),
	}
	if a.holders() {
		p.Holders = r.Issuer
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

// connect draws the lines of those that get in, or were refused: one for each Application
// and route, though requests with other answers are on the same route.
func (r *Reach) connect(f *Facts, all []answer) {
	if !r.Drawn {
		return
	}
	left, right, seen := places(r.Left), places(r.Right), make(map[Line]bool)
	for _, a := range all {
		from, onLeft := left[a.ClientID]
		to, onRight := right[a.at.Route]
		place := Line{Left: from, Right: to}
		if !onLeft || !onRight || seen[place] || f.rank(a) == staysAway {
			continue
		}
		seen[place] = true
		r.Lines = append(r.Lines, Line{from, to, f.useAt(a).Kind(), curve(r.middle(from, len(r.Left)), r.middle(to, len(r.Right)))})
	}
}

// places are the positions of the nodes by their names.
func places(nodes []Node) map[string]int {
	at := make(map[string]int)
	for i, n := range nodes {
		at[n.Name] = i
	}
	return at
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
