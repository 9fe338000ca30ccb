package application

import (
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

const (
	longestName        = 255
	longestDescription = 1024
)

// resource reads
//
//	name: <scope-token characters>
//	resource: <absolute URI>        # optional
//	scopes:
//	  - name: <scope-token>
//	    description: <text>         # optional
//	introspection: [<client_id>, …] # optional
func (l *loader) resource(n *strictyaml.Node, index int) {
	m := l.mapping(n, l.NameOf("resource", n, "name", index), "name", "resource", "scopes", "introspection")
	if m == nil {
		return
	}
	r := &Resource{Source: m.At(n).String()}
	var at *strictyaml.Node
	if r.Name, at = m.Required("name"); at != nil {
		if !isScopeToken(r.Name) || len(r.Name) > longestName {
			m.FailField(at, "name", `must be 1 to %d visible ASCII characters without " and \`, longestName)
		} else {
			l.own(m.At(at), m.What, "resource", r.Name)
		}
	}
	if r.Identifier, at = m.Spelling("resource"); at != nil {
		if len(r.Identifier) > longestName {
			m.FailField(at, "resource", "must be at most %d bytes long", longestName)
		} else if err := weburl.CheckIndicator(r.Identifier); err != nil {
			m.FailField(at, "resource", "%v", err)
		} else if weburl.WithPath(r.Identifier) != weburl.WithPath(r.Name) {
			l.own(m.At(at), m.What, "resource", r.Identifier)
		}
	}
	l.scopes(m, r)
	l.introspectorsOf(m, r)
	l.resources = append(l.resources, r)
}

// own defines a name that only this resource may have, in all files.
func (l *loader) own(at strictyaml.Position, what, kind, name string) bool {
	if !l.define(at, what, kind, name) {
		return false
	}
	l.definitions = append(l.definitions, definition{at, what, kind, name})
	return true
}

func (l *loader) scopes(m *mapping, r *Resource) {
	nodes := m.List("scopes")
	if len(nodes) == 0 && (m.Field("scopes") != nil || !m.Has("scopes")) {
		m.Fail(m.Node, "scopes is missing or empty; a resource needs at least one scope")
	}
	for _, n := range nodes {
		if strictyaml.IsScalar(n) {
			m.Fail(n, "scopes must be a list of mappings; write `- name: %s`", strictyaml.Quote(n.Value))
			continue
		}
		fields := l.mapping(n, m.What+": scopes", "name", "description")
		if fields == nil {
			continue
		}
		name, at := fields.Required("name")
		description := fields.Label("description", longestDescription)
		switch {
		case at == nil:
		case !isScopeToken(name) || len(name) > longestName:
			fields.FailField(at, "name", `must be 1 to %d visible ASCII characters without " and \ (RFC 6749 section 3.3)`, longestName)
		case l.own(fields.At(at), m.What, "scope", name):
			r.Scopes = append(r.Scopes, Scope{name, description})
		}
	}
}
