package application

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// Part is the contribution of one file to a Set: a version of the file, and the client_ids
// that a newer, unusable version deactivates.
type Part struct {
	*Document
	Deactivated map[string]bool
}

// Union returns a Set of the parts, in the order of the files. The error has a line
// "file:line: …" for each of the first 20 mistakes, in one file or between two.
func Union(parts []Part) (*Set, error) {
	applications, errs, warnings := 0, make([]strictyaml.Problems, len(parts)), make([]strictyaml.Problems, len(parts))
	incomplete := false
	for i, p := range parts {
		applications += len(p.applications)
		incomplete = incomplete || p.incomplete
		errs[i], warnings[i] = p.errors.Clone(), p.warnings.Clone()
	}
	s := &Set{
		byClientID: make(map[string]*Application, applications),
		byScope:    make(map[string]*Resource),
		byAudience: make(map[string]*Resource),
	}
	s.sorted = sync.OnceValue(s.sort)

	defined := make(map[string]strictyaml.Position)
	for i, p := range parts {
		s.documents = append(s.documents, p.Document)
		s.hashingTime = min(max(s.hashingTime, p.hashingTime), mostHashingTime)
		for _, d := range p.definitions {
			key := definitionKey(d.kind, d.name)
			if first, ok := defined[key]; ok {
				errs[i].Add(d.at, alreadyDefined, d.what, d.kind, d.name, first)
			} else {
				defined[key] = d.at
			}
		}
		s.addResources(p)
		s.addApplications(p, &errs[i])
	}
	if !incomplete {
		s.checkReferences(errs)
		s.checkIntrospectors(errs)
	}
	if err := strictyaml.Error(errs...); err != nil {
		return nil, err
	}
	s.warnOfShared(warnings, applications)
	s.warnings = strictyaml.Sorted(warnings, strictyaml.MaxProblems)
	return s, nil
}

func (s *Set) addResources(p Part) {
	for _, r := range p.resources {
		s.resources = append(s.resources, r)
		s.byAudience[weburl.WithPath(r.Name)] = r
		if r.Identifier != "" {
			s.byAudience[weburl.WithPath(r.Identifier)] = r
		}
		for _, scope := range r.Scopes {
			s.byScope[scope.Name] = r
		}
	}
}

func (s *Set) addApplications(p Part, errs *strictyaml.Problems) {
	for _, a := range p.applications {
		if a.at.Line == 0 {
			continue // its client_id is wrong, which has been reported
		}
		if first, ok := s.byClientID[a.ClientID]; ok {
			errs.Add(a.at, alreadyDefined, a.what(), "client_id", a.ClientID, first.at)
			continue
		}
		if a.Active && p.Deactivated[a.ClientID] {
			inactive := *a
			inactive.Active = false
			a = &inactive
			s.deactivated = append(s.deactivated, a.ClientID)
		}
		s.byClientID[a.ClientID] = a
	}
}

// checkReferences returns errors for scopes without an owner, and for default_scopes with
// several owners.
func (s *Set) checkReferences(errs []strictyaml.Problems) {
	hints := make(map[string]string) // a search over all names takes time
	hint := func(scope string) string {
		if _, ok := hints[scope]; !ok {
			if len(hints) == strictyaml.MaxReported {
				return "correct those above first"
			}
			hints[scope] = strictyaml.Known(scope, s.ScopeNames())
		}
		return hints[scope]
	}
	for i, d := range s.documents {
		for _, ref := range d.references {
			owner, owned := s.byScope[ref.scope]
			at, what := strictyaml.Position{File: d.file, Line: int(ref.line)}, ref.application.what
			switch {
			case !owned && ref.byDefault: // already reported for scopes
			case !owned:
				errs[i].Add(at, "%s: scope %s is owned by no resource; %s", what(), strictyaml.Quote(ref.scope), hint(ref.scope))
			case ref.byDefault:
				if first := s.byScope[ref.application.DefaultScopes[0]]; first != nil && first != owner {
					errs[i].Add(at, "%s: default_scopes has scopes of several resources, %q and %q; a token is for one",
						what(), first.Name, owner.Name)
				}
			}
		}
	}
}

// ScopeNames returns the names of all scopes, in order of definition.
func (s *Set) ScopeNames() (names []string) {
	for _, r := range s.resources {
		for _, scope := range r.Scopes {
			names = append(names, scope.Name)
		}
	}
	return names
}

// warnOfShared warns of Applications that share a secret or a key, or that the same
// certificate or token can authenticate. A thief of one can use both, and they cannot be
// deactivated separately.
func (s *Set) warnOfShared(warnings []strictyaml.Problems, applications int) {
	owners := make(owners, applications)
	for i, d := range s.documents {
		for _, a := range d.applications {
			for _, s := range a.Secrets {
				if s.Stored() == (secret.Tag{}) {
					continue
				}
				if other := owners.of(s.Stored(), a); other != "" {
					warnings[i].Warn(string(warning.SharedSecret), strictyaml.Position{File: d.file, Line: s.Line}, "%s: secret %s: application %q has the same secret; give each its own",
						a.what(), strictyaml.Quote(s.ID), other)
				}
			}
			for _, shared := range a.shareables() {
				if other := owners.of(secret.NewTag([]byte(shared.what+" "+shared.value)), a); other != "" {
					warnings[i].Warn(string(warning.SharedKey), a.at, "%s: application %q has the same %s; give each its own", a.what(), other, shared.what)
				}
			}
		}
	}
}

// owners has the client_ids for everything that only one Application should have.
type owners map[secret.Tag]string

// of returns another Application with the same value, or "".
func (o owners) of(t secret.Tag, a *Application) string {
	other, found := o[t]
	if !found {
		o[t] = a.ClientID
	}
	if other == a.ClientID {
		return ""
	}
	return other
}

// shareable is something with which an Application authenticates.
type shareable struct{ what, value string }

// shareables returns everything but secrets with which the Application authenticates.
func (a *Application) shareables() (all []shareable) {
	for _, key := range a.Keys {
		all = append(all, shareable{"key", key.Thumbprint()})
	}
	if url := a.PublishedKeys.URL; url != "" {
		all = append(all, shareable{"jwks_uri", url})
	}
	if a.Certificate != nil {
		all = append(all, shareable{"name in its certificate", a.Certificate.String()})
	}
	for _, f := range a.Federated {
		all = append(all, shareable{"rule in federated", f.String()})
	}
	return all
}

func (s *Set) sort() []*Application {
	sorted := make([]*Application, 0, len(s.byClientID))
	for _, a := range s.byClientID {
		sorted = append(sorted, a)
	}
	slices.SortFunc(sorted, func(a, b *Application) int { return strings.Compare(a.ClientID, b.ClientID) })
	return sorted
}

// what returns the name of the Application in errors.
func (a *Application) what() string {
	if a.ClientID == "" {
		return "an application"
	}
	return fmt.Sprintf("application %s", strictyaml.Quote(a.ClientID))
}
