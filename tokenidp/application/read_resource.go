package application

import (
	"errors"
	"fmt"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

const (
	longestName        = 255
	longestDescription = 1024
)

var resourceObject = &strictyaml.Object{
	Title:       "Resource",
	Description: "An API that accepts access tokens, with its scopes.",
	Kind:        "resource", By: "name",
	Fields: []strictyaml.Field{
		{
			Name: "name", Type: strictyaml.Text{Format: scopeTokenFormat("")}, Required: true,
			Description: "The name of the API, which is the audience of its tokens unless resource is given.", Examples: []any{"orders-api"},
		},
		{
			Name: "resource", Type: strictyaml.Spelling{Format: indicatorFormat},
			Description: "The URI of the API (RFC 8707), which is then the audience of its tokens.", Examples: []any{"https://api.example.com/orders"},
		},
		{
			Name: "scopes", Type: strictyaml.List{Of: scopeObject, NotEmpty: true}, Required: true, Hint: "a resource needs at least one scope",
			Description: "The scopes of the API.",
		},
		{
			Name: "introspection", Type: strictyaml.List{Of: strictyaml.Text{}, Unique: true},
			Description: "The client_ids of the Applications that may introspect tokens for this API.", Examples: []any{[]string{"orders-api"}},
		},
	},
}

var scopeObject = &strictyaml.Object{
	Title:       "Scope",
	Description: "A permission at the API.",
	Short:       "name",
	Fields: []strictyaml.Field{
		{
			Name: "name", Type: strictyaml.Text{Format: scopeTokenFormat(" (RFC 6749 section 3.3)")}, Required: true,
			Description: "The name of the scope, which no other API has.", Examples: []any{"orders.read"},
		},
		{
			Name: "description", Type: strictyaml.Text{Format: strictyaml.Label(longestDescription, " in one line")},
			Description: "What the scope allows.", Examples: []any{"Read orders"},
		},
	},
}

// scopeTokenFormat has the characters of a scope-token. The explanation ends its error.
func scopeTokenFormat(explanation string) *strictyaml.Format {
	says := fmt.Sprintf(`must be 1 to %d visible ASCII characters without " and \%s`, longestName, explanation)
	return &strictyaml.Format{
		Check: func(s string) error {
			if !isScopeToken(s) || len(s) > longestName {
				return errors.New(says)
			}
			return nil
		},
		Pattern: `^[!#-\x5b\x5d-~]{1,255}$`,
		Says:    says,
	}
}

var indicatorFormat = &strictyaml.Format{
	Check: func(s string) error {
		if len(s) > longestName {
			return fmt.Errorf("must be at most %d bytes long", longestName)
		}
		return weburl.CheckIndicator(s)
	},
	Pattern: `^[A-Za-z][A-Za-z0-9+.-]*:[!"$-~]*$`,
	Longest: longestName,
	Says:    "must be an absolute URI without a fragment, such as https://api.example.com/orders",
	Loose:   "what is no URI",
}

func (l *loader) resource(m *mapping) {
	r := &Resource{Source: m.At(m.Node).String()}
	var at *strictyaml.Node
	if r.Name, at = m.Text("name"); at != nil {
		l.own(m.At(at), m.What, "resource", r.Name)
	}
	if r.Identifier, at = m.Text("resource"); at != nil && weburl.WithPath(r.Identifier) != weburl.WithPath(r.Name) {
		l.own(m.At(at), m.What, "resource", r.Identifier)
	}
	l.scopes(m, r)
	l.introspectorsOf(m, r)
	l.resources = append(l.resources, r)
}

// own defines a name that no other resource may have, in any file.
func (l *loader) own(at strictyaml.Position, what, kind, name string) bool {
	if !l.define(at, what, kind, name) {
		return false
	}
	l.definitions = append(l.definitions, definition{at, what, kind, name})
	return true
}

func (l *loader) scopes(m *mapping, r *Resource) {
	for fields := range m.Objects("scopes") {
		name, at := fields.Text("name")
		description, _ := fields.Text("description")
		if at != nil && l.own(fields.At(at), m.What, "scope", name) {
			r.Scopes = append(r.Scopes, Scope{name, description})
		}
	}
}
