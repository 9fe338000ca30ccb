package tokenidp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Policy is what several routes ask of a token, under one name.
type Policy struct {
	// The name by which `verify` takes it up. Required.
	Name string `json:"name"`

	Demands

	// Where this policy is configured, as file:line. Errors begin with it.
	Source string `json:"source,omitempty"`
}

// provisionPolicies finds mistakes also in policies that no route takes up.
func (a *App) provisionPolicies() error {
	for i, p := range a.Policies {
		before := slices.IndexFunc(a.Policies[:i], func(other *Policy) bool { return other.Name == p.Name })
		if before >= 0 {
			return placed(p.Source, fmt.Errorf("the policy %s is already defined at %s", p.Name, a.Policies[before].Source))
		}
		if err := p.provision(); err != nil {
			return placed(p.Source, err)
		}
	}
	return nil
}

func (p *Policy) provision() error {
	if p.Name == "" {
		return errors.New("a policy without a name")
	}
	if p.asksNothing() {
		return fmt.Errorf("the policy %s asks for nothing; write into it: max_age 10m", p.Name)
	}
	return p.compile()
}

// policy finds the policy that a verify names.
func (a *App) policy(name string) (*Policy, error) {
	var names []string
	for _, p := range a.Policies {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("unknown policy %q: none is defined; add to the global option tokenidp: policy %s { … }", name, name)
	}
	return nil, fmt.Errorf("unknown policy %q; known: %s", name, shortened(names))
}

// takeUp adds what the policies ask to what the route asks itself.
func (v *Verify) takeUp(a *App) error {
	for i, name := range v.Policies {
		if slices.Contains(v.Policies[:i], name) {
			return fmt.Errorf("the policy %s is named twice", name)
		}
		p, err := a.policy(name)
		if err != nil {
			return err
		}
		if v.Demands, err = v.and(p.Demands); err != nil {
			return fmt.Errorf("taking up the policy %s: %w", name, err)
		}
	}
	return nil
}

// and is what asks for all that both ask for. Alternatives stay one group, so only
// one of them may have some; audiences that only one accepts are not enough.
func (d Demands) and(other Demands) (Demands, error) {
	if len(d.AnyScope) > 0 && len(other.AnyScope) > 0 {
		return d, errors.New("any_scope is asked for more than once; write it in one place")
	}
	audience, err := inBoth("audience", d.Audience, other.Audience)
	if err != nil {
		return d, err
	}
	means, err := inBoth("means of sender_constrained", d.SenderConstrained, other.SenderConstrained)
	return Demands{
		Scopes:            union(d.Scopes, other.Scopes),
		AnyScope:          slices.Concat(d.AnyScope, other.AnyScope),
		Audience:          audience,
		Claims:            slices.Concat(d.Claims, other.Claims),
		Require:           union(d.Require, other.Require),
		MaxAge:            shorter(d.MaxAge, other.MaxAge),
		MaxLifetime:       shorter(d.MaxLifetime, other.MaxLifetime),
		SenderConstrained: means,
		Expressions:       union(d.Expressions, other.Expressions),
	}, err
}

// inBoth are the audiences, or the like, that both accept, of which none given means
// any.
func inBoth(what string, a, b []string) ([]string, error) {
	if len(a) == 0 || len(b) == 0 {
		return slices.Concat(a, b), nil
	}
	both := slices.DeleteFunc(slices.Clone(a), func(one string) bool { return !slices.Contains(b, one) })
	if len(both) == 0 {
		return nil, fmt.Errorf("no %s is accepted by all: %s, and %s", what, strings.Join(a, ", "), strings.Join(b, ", "))
	}
	return both, nil
}

func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// shorter is the stricter of two limits, of which 0 is none.
func shorter[D ~int64](a, b D) D {
	switch {
	case a == 0:
		return b
	case b == 0:
		return a
	}
	return min(a, b)
}
