package application

import (
	"fmt"
	"slices"
	"strings"
)

// OwnerOfAll returns the resource that owns all the scopes. Scopes of two resources are an
// error, because a token is for one resource.
func (s *Set) OwnerOfAll(scopes []string) (*Resource, error) {
	var owner *Resource
	for _, scope := range scopes {
		resource, ok := s.Resource(scope)
		if !ok {
			return nil, s.unknownScope(scope)
		}
		if owner != nil && owner != resource {
			return nil, fmt.Errorf("no token can have both scopes: %s belongs to %s, and %s to %s; write `any_scope` for alternatives",
				scopes[0], owner.Name, scope, resource.Name)
		}
		owner = resource
	}
	return owner, nil
}

func (s *Set) unknownScope(scope string) error {
	return fmt.Errorf("unknown scope %q: no resource in %s owns it; known: %s",
		scope, strings.Join(s.Files(), ", "), Shortened(s.ScopeNames()))
}

// CheckAudience returns an error if no resource has this audience.
func (s *Set) CheckAudience(audience string) error {
	if slices.ContainsFunc(s.Resources(), func(resource *Resource) bool { return resource.Audience() == audience }) {
		return nil
	}
	return s.UnknownAudience(audience)
}

// UnknownAudience returns an error that names the known audiences.
func (s *Set) UnknownAudience(audience string) error {
	var names []string
	for _, resource := range s.Resources() {
		names = append(names, resource.Audience())
	}
	return fmt.Errorf("unknown audience %q; known: %s", audience, Shortened(names))
}

// Shortened returns at most 20 names, for an error message.
func Shortened(names []string) string {
	const most = 20
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
