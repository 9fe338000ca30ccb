package command

import (
	"fmt"
	"slices"
	"strings"
)

// markdown returns a table of who gets in where, for a review.
func (r *accessReport) markdown() string {
	var b strings.Builder
	if len(r.Routes) > 0 {
		b.WriteString("| route | who | scope | condition | verify |\n| --- | --- | --- | --- | --- |\n")
	}
	for i := range r.Routes {
		one := &r.Routes[i]
		for _, g := range one.together() {
			row(&b, name(one.Route)+remarked(one), g.who, g.scope, g.conditions, name(one.Source))
		}
	}
	if len(r.Unguarded) > 0 {
		b.WriteString("\n| reached without a token | at | as in |\n| --- | --- | --- |\n")
	}
	for _, u := range r.Unguarded {
		row(&b, name(u.Handler), name(u.At), openAs(u))
	}
	if r.Nobody != nil {
		b.WriteString(cell(r.Nobody.String()) + "\n")
	}
	for _, client := range r.Nowhere {
		b.WriteString("\n" + code(client) + " reaches no route of this server.\n")
	}
	for _, what := range r.Unknown {
		b.WriteString("\nNot here, and taken as present: " + code(what) + "\n")
	}
	return b.String()
}

func openAs(u unguarded) string {
	switch {
	case u.Request != "":
		return name(u.Request)
	case u.Conditional:
		return "perhaps: every request that was tried is refused"
	}
	return "perhaps: no request was found to try"
}

func remarked(r *routeAccess) string {
	if remark := r.remark(); remark != "" {
		return " (" + cell(remark) + ")"
	}
	return ""
}

// row writes cells that are already escaped.
func row(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// together has the clients with the same answer, in one row.
type together struct{ who, scope, conditions string }

func (r *routeAccess) together() (all []together) {
	add := func(who, scope, conditions string) {
		i := slices.IndexFunc(all, func(t together) bool { return t.scope == scope && t.conditions == conditions })
		if i < 0 {
			all = append(all, together{who, scope, conditions})
			return
		}
		all[i].who += ", " + who
	}
	for c := range r.clients() {
		scope, conditions := c.cells()
		add(name(c.ClientID), scope, conditions)
	}
	switch {
	case len(all) > 0:
	case r.Open != "":
		add("everybody, without a token", "", "")
	case r.Unjudged:
		add("not known: no request was found that takes this route", "", "")
	case r.Holders != nil:
		scope, conditions := r.Holders.cells()
		add("clients of "+name(r.Issuer), scope, conditions)
	default:
		add("nobody", "", "")
	}
	return all
}

func (c *clientAccess) cells() (scope, conditions string) {
	switch {
	case !c.Allowed:
		return "**no**", fmt.Sprintf("%s: %s", name(c.Reason), cell(c.Cause))
	case c.Scope == "":
		return "any", name(strings.Join(c.Conditions, ", "))
	}
	return name(c.Scope), name(strings.Join(c.Conditions, ", "))
}

// name returns a name in a cell of a table, or nothing.
func name(text string) string {
	if text == "" {
		return ""
	}
	return cell(text)
}
