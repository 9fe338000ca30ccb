package tokenidp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// Policy is what several routes ask of a token, under one name.
type Policy struct {
	// The name of the policy in `verify`. Required.
	Name string `json:"name"`

	Requirements

	// Where this policy is configured, as file:line. Errors begin with it.
	Source string `json:"source,omitempty"`
}

// provisionPolicies checks all policies, also those that no route names.
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
	if p.isEmpty() {
		return fmt.Errorf("the policy %s asks for nothing; write into it: max_age 10m", p.Name)
	}
	return p.compile()
}

// policy returns the policy that a verify names.
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
	return nil, fmt.Errorf("unknown policy %q; known: %s", name, application.Shortened(names))
}
