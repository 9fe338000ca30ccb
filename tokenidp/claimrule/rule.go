package claimrule

import (
	"fmt"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// Rule asks that the claim at Path is one of Values, or is an array with one
// of them. Strings are compared byte for byte, numbers as they are spelled in the
// token, and booleans as true and false. A claim of any other kind, and one that
// is not there, breaks the rule. A string that one of the Patterns fits will do, too.
type Rule struct {
	Path     Path
	Values   []string
	Patterns []*Pattern
}

// String returns the path and what is accepted there, for people.
func (r *Rule) String() string { return fmt.Sprintf("%s=%q", r.Path, r.Accepted()) }

// Accepted returns the values and the patterns, for people.
func (r *Rule) Accepted() []string {
	accepted := slices.Clone(r.Values)
	for _, p := range r.Patterns {
		accepted = append(accepted, p.String())
	}
	return accepted
}

// Accepts reports whether the claim, as strictjson decodes it, keeps the rule.
func (r *Rule) Accepts(value any) bool {
	if list, ok := value.([]any); ok {
		return slices.ContainsFunc(list, r.acceptsOne)
	}
	return r.acceptsOne(value)
}

func (r *Rule) acceptsOne(value any) bool {
	switch v := value.(type) {
	case string:
		return slices.Contains(r.Values, v) || slices.ContainsFunc(r.Patterns, func(p *Pattern) bool { return p.Match(v) })
	case strictjson.Number:
		return slices.Contains(r.Values, string(v))
	case bool:
		return slices.Contains(r.Values, fmt.Sprint(v))
	}
	return false
}
