package command

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/testrun"
)

// tabulate prints each difference in a few lines.
func (r *diffReport) tabulate(t *table) {
	for _, d := range r.Differences {
		t.row(fmt.Sprintf("%s: %s: %s", d.title(), d.who(), d.route()))
		t.row("  " + d.request())
		t.row("  before: " + d.Before.text())
		t.row("  now:    " + d.After.text())
	}
	for _, what := range r.Unseen {
		t.row("no request was made for the route " + what)
	}
	for _, what := range r.Unknown {
		t.row("not here, and taken as present: " + what)
	}
	t.row(r.summary())
}

var diffTitles = map[string]string{
	"opened": "OPEN", "gained": "gain", "weakened": "asks less", "changed": "change", "closed": "closed", "lost": "loss", "tightened": "asks more",
}

func (d *diffRow) title() string { return diffTitles[d.Kind] }

// mostNames is the number of clients that are named.
const mostNames = 3

// who returns the names of some of the callers.
func (d *diffRow) who() string {
	switch {
	case d.Issuer == "":
		return "anybody"
	case len(d.Clients) == 0:
		return "tokens of " + d.Issuer
	}
	text := strings.Join(d.Clients[:min(len(d.Clients), mostNames)], ", ")
	if more := len(d.Clients) - mostNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	switch {
	case d.NewClients:
		text += " (new)"
	case d.GoneClients:
		text += " (removed)"
	}
	return text
}

func (d *diffRow) route() string {
	switch {
	case d.NewRoute && !d.GoneRoute:
		return d.Route + " (new route)"
	case d.GoneRoute && !d.NewRoute:
		return d.Route + " (removed route)"
	}
	return d.Route
}

// request returns the first request, with the methods of all requests that differ in
// nothing else. * means all methods.
func (d *diffRow) request() string {
	_, target, _ := strings.Cut(d.Requests[0], " ")
	var methods []string
	others := 0
	for _, r := range d.Requests {
		method, at, _ := strings.Cut(r, " ")
		if at != target {
			others++
		} else if !slices.Contains(methods, method) {
			methods = append(methods, method)
		}
	}
	text := strings.Join(methods, ",") + " " + target
	if len(methods) >= len(testrun.EveryMethod) {
		text = "* " + target // as in tests
	}
	if others > 0 {
		text += " and " + counted(others, "more request", "more requests")
	}
	return text
}

// text describes the result of a request in words.
func (o *diffOutcome) text() string {
	if !o.Allowed {
		return o.refused()
	}
	text := o.Handler
	switch {
	case o.Audience == "":
	case len(o.Scope) == 0:
		text += ", with any scope of " + o.Audience
	default:
		text += ", with " + strings.Join(o.Scope, " ")
	}
	for _, condition := range o.Conditions {
		text += ", " + condition
	}
	if len(o.ClaimHeaders) > 0 {
		text += ", gets " + strings.Join(o.ClaimHeaders, ", ")
	}
	if o.ReportOnly {
		text += " (what verify would refuse, it only reports)"
	}
	return text
}

func (o *diffOutcome) refused() string {
	text := "refused"
	if o.Status != 0 {
		text = fmt.Sprintf("answered with %d", o.Status)
	}
	for _, more := range []string{o.Reason, o.Cause} {
		if more != "" {
			text += ": " + more
		}
	}
	if o.Rule != "" {
		text += ", by " + o.Rule
	}
	return cmp.Or(text, "refused")
}
