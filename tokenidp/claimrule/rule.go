package claimrule

import (
	"fmt"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// Rule requires that the claim at Path is one of Values or matches one of Patterns, or is
// an array with such an element. Strings are compared byte for byte, numbers as they are
// spelled in the token, and booleans as true and false. An absent claim, and one of
// another kind, does not meet the rule.
type Rule struct {
	Path     Path
	Values   []string
	Patterns []*Pattern
}

// String returns the path and the accepted values, for people.
func (r *Rule) String() string { return fmt.Sprintf("%s=%q", r.Path, r.Accepted()) }

// Accepted returns the values and the patterns, for people.
func (r *Rule) Accepted() []string {
	accepted := slices.Clone(r.Values)
	for _, p := range r.Patterns {
		accepted = append(accepted, p.String())
	}
	return accepted
}

// Accepts reports whether the claim, as strictjson decodes it, meets the rule.
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
