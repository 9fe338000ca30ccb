package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// mermaid returns a diagram of who gets in where. Clients that get in at the same routes
// share one node.
func (r *accessReport) mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	edges := make(map[string][]string) // by clients: their ends
	var who []string
	connect := func(name, end string) {
		if edges[name] == nil {
			who = append(who, name)
		}
		edges[name] = append(edges[name], end)
	}
	routes := make(map[string]string) // the node of each
	for i := range r.Routes {
		one := &r.Routes[i]
		node := routes[one.Route]
		if node == "" {
			node = fmt.Sprintf("r%d", len(routes)+1)
			routes[one.Route] = node
			fmt.Fprintf(&b, "  %s[\"%s\"]\n", node, label(titleOf(one.Route, one.Source)))
		}
		one.connect(node, connect)
	}
	for i, u := range r.Unguarded {
		node := fmt.Sprintf("u%d", i+1)
		fmt.Fprintf(&b, "  %s[\"%s\"]:::open\n", node, label(strings.TrimSpace(u.Handler+" "+u.At)))
		if u.Unproven {
			connect("perhaps anybody", "--> "+node)
		} else {
			connect("anybody", "--> "+node)
		}
	}
	drawClients(&b, who, edges)
	if len(r.Unguarded) > 0 {
		b.WriteString("  classDef open stroke:#c00,stroke-width:3px\n")
	}
	return b.String()
}

// connect draws the clients to the node. Each end has the scope before it.
func (r *routeAccess) connect(node string, to func(name, end string)) {
	for c := range r.clients() {
		if c.Allowed {
			to(c.ClientID, edge(c)+" "+node)
		}
	}
	switch {
	case r.Open != "" || r.ReportOnly:
		to("anybody", "--> "+node)
	case r.Holders != nil && r.Holders.Allowed:
		to("clients of "+r.Issuer, edge(r.Holders)+" "+node)
	}
}

func edge(c *clientAccess) string {
	text := strings.Join(append([]string{c.Scope}, c.Conditions...), ", ")
	if text = strings.TrimPrefix(text, ", "); text == "" {
		return "-->"
	}
	return `-->|"` + label(text) + `"|`
}

// mostInNode is the number of names in one node.
const mostInNode = 10

// drawClients draws clients with the same ends as one node.
func drawClients(b *strings.Builder, who []string, edges map[string][]string) {
	var ends []string
	alike := make(map[string][]string)
	for _, name := range who {
		key := strings.Join(edges[name], "\n")
		if alike[key] == nil {
			ends = append(ends, key)
		}
		alike[key] = append(alike[key], name)
	}
	for i, key := range ends {
		names := alike[key]
		slices.Sort(names)
		var shown []string
		for _, name := range names[:min(len(names), mostInNode)] {
			shown = append(shown, label(name))
		}
		if more := len(names) - len(shown); more > 0 {
			shown = append(shown, fmt.Sprintf("and %d more", more))
		}
		fmt.Fprintf(b, "  c%d([\"%s\"])\n", i+1, strings.Join(shown, "<br/>"))
		for _, end := range edges[names[0]] {
			fmt.Fprintf(b, "  c%d %s\n", i+1, end)
		}
	}
}

// label escapes text for a label of a diagram.
func label(text string) string {
	var b strings.Builder
	for _, c := range ascii.Escape(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune(" ./:,=-", c):
			b.WriteRune(c)
		default:
			fmt.Fprintf(&b, "#%d;", c)
		}
	}
	return b.String()
}
