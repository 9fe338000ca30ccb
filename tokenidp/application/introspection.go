package application

import (
	"slices"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// MayIntrospect reports whether the Application may introspect a token for these audiences
// (RFC 7662): it may introspect every token, or those of a Resource that names it.
func (s *Set) MayIntrospect(a *Application, audience []string) bool {
	if a.Introspection {
		return true
	}
	for _, name := range audience {
		r := s.byAudience[weburl.WithPath(name)]
		if r != nil && r.Audience() == name && slices.Contains(r.Introspection, a.ClientID) {
			return true
		}
	}
	return false
}

// introspectorsOf reads the client_ids that a Resource names.
func (l *loader) introspectorsOf(m *mapping, r *Resource) {
	clientIDs, nodes := m.Texts("introspection")
	for i, clientID := range clientIDs {
		r.Introspection = append(r.Introspection, clientID)
		l.introspectors = append(l.introspectors, introspector{r, clientID, m.At(nodes[i])})
	}
}

// checkIntrospectors returns errors for Resources that name an unknown Application, and
// for Applications that can neither get a token nor introspect one.
func (s *Set) checkIntrospectors(errs []strictyaml.Problems) {
	named := make(map[string]bool)
	for i, d := range s.documents {
		for _, in := range d.introspectors {
			named[in.clientID] = true
			if s.byClientID[in.clientID] == nil {
				errs[i].Add(in.at, "resource %s: introspection names %s, which no application has as its client_id; %s",
					strictyaml.Quote(in.resource.Name), strictyaml.Quote(in.clientID), strictyaml.Known(in.clientID, s.clientIDs()))
			}
		}
	}
	for i, d := range s.documents {
		for _, a := range d.scopeless {
			if a.at.Line != 0 && !named[a.ClientID] {
				errs[i].Add(a.at, "%s: scopes is missing; without any, it can never get a token", a.what())
			}
		}
	}
}

func (s *Set) clientIDs() (clientIDs []string) {
	for _, a := range s.sorted() {
		clientIDs = append(clientIDs, a.ClientID)
	}
	return clientIDs
}
