package command

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// access prints the report as one table for each route, because there may be many clients.
func (p *printer) access(r *accessReport) error {
	for i := range r.Routes {
		if err := p.table(r.Routes[i].tabulate); err != nil {
			return err
		}
	}
	return p.table(r.tabulateRest)
}

func (r *accessReport) tabulateRest(t *table) {
	if len(r.Routes) == 0 && r.Nobody == nil {
		t.row("no route has a verify")
	}
	if r.Nobody != nil {
		t.row(r.Nobody.String())
	}
	for _, client := range r.Nowhere {
		t.row(client + " reaches no route of this server")
	}
	for _, u := range r.Unguarded {
		t.row(u.String())
	}
	for _, what := range r.Unknown {
		t.row("not here, and taken as present: " + what)
	}
}

// title describes what the verify requires.
func (r *routeAccess) title() string {
	return fmt.Sprintf("%s: %s, with a token of %s", titleOf(r.Route, r.Source), r.RequiredScopes, r.Issuer)
}

// remark returns a warning about the route, or "".
func (r *routeAccess) remark() string {
	var all []string
	switch {
	case r.ReportOnly:
		all = append(all, "it only reports, and lets everybody through")
	case r.Conditional:
		all = append(all, "where it matches; it lets other requests through")
	}
	if r.several {
		all = append(all, "as in: "+r.Requests[0])
	}
	return strings.Join(all, "; ")
}

func (r *routeAccess) tabulate(t *table) {
	title := r.title()
	if remark := r.remark(); remark != "" {
		title += " (" + remark + ")"
	}
	t.row(title)
	shown := false
	for c := range r.clients() {
		shown = true
		t.row("  "+c.ClientID, c.outcome())
	}
	switch {
	case r.only != "" || shown:
	case r.Open != "":
		t.row("  everybody", "without a token: "+r.Open)
	case r.Unjudged:
		t.row("  not known", "no request was found that takes this route")
	case r.Holders != nil:
		t.row("  its clients", r.Holders.outcome()+"; who they are is not known here")
	default:
		t.row("  nobody")
	}
}

// outcome says in words how a client gets through, or why not.
func (c *clientAccess) outcome() string {
	if !c.Allowed {
		text := "NO: " + c.Reason + ": " + c.Cause
		if c.By != "" {
			text += ", at " + c.By
		}
		return text
	}
	scope := "scope=" + c.Scope
	if c.Scope == "" {
		scope = "with any scope"
	}
	return strings.Join(append([]string{scope}, c.Conditions...), ", ")
}

// accessJSON prints the report as JSON in one line, route by route.
func (p *printer) accessJSON(r *accessReport) error {
	rest := *r
	rest.Routes = []routeAccess{}
	frame, err := encodeJSON(&rest)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(p.stdout)
	const empty = `{"routes":[`
	_, _ = w.WriteString(empty) // an error stays until Flush
	for i := range r.Routes {
		one := r.Routes[i]
		one.Clients = slices.AppendSeq([]*clientAccess{}, one.clients())
		text, err := encodeJSON(&one)
		if err != nil {
			return err
		}
		if i > 0 {
			_ = w.WriteByte(',')
		}
		_, _ = w.WriteString(text)
	}
	_, _ = io.WriteString(w, strings.TrimPrefix(frame, empty)+"\n")
	return w.Flush()
}
