package verifier

import (
	"fmt"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// ClaimRule asks that the claim at Path is one of Values, or is an array with one
// of them. Strings are compared byte for byte, numbers as they are spelled in the
// token, and booleans as true and false. A claim of any other kind, and one that
// is not there, breaks the rule. A string that one of the Patterns fits will do, too.
type ClaimRule struct {
	Path     Path
	Values   []string
	Patterns []*Pattern
}

// String is for people.
func (r *ClaimRule) String() string { return fmt.Sprintf("%s=%q", r.Path, r.wanted()) }

// wanted is for people.
func (r *ClaimRule) wanted() []string {
	wanted := slices.Clone(r.Values)
	for _, p := range r.Patterns {
		wanted = append(wanted, p.String())
	}
	return wanted
}

func (c *Claims) obeys(rules []ClaimRule) bool { return c.broken(rules) == nil }

// broken is the first rule that the claims break, or nil.
func (c *Claims) broken(rules []ClaimRule) *ClaimRule {
	for i := range rules {
		if value, found := c.At(rules[i].Path); !found || !rules[i].accepts(value) {
			return &rules[i]
		}
	}
	return nil
}

// disobeyed says which rule is broken, and by what.
func (c *Claims) disobeyed(rules []ClaimRule) error {
	r := c.broken(rules)
	value, found := c.At(r.Path)
	if !found {
		return &Mismatch{fmt.Sprintf("the claim %s is missing", r.Path), fmt.Sprintf("%.200q", r.wanted())}
	}
	return &Mismatch{fmt.Sprintf("the claim %s is %.200q", r.Path, fmt.Sprint(value)), fmt.Sprintf("%.200q", r.wanted())}
}

func (r *ClaimRule) accepts(value any) bool {
	if list, ok := value.([]any); ok {
		return slices.ContainsFunc(list, r.acceptsOne)
	}
	return r.acceptsOne(value)
}

func (r *ClaimRule) acceptsOne(value any) bool {
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
