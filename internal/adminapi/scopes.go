package adminapi

import (
	"cmp"
	"strings"
)

// RequiredScopes is what a verify asks for of scopes.
type RequiredScopes struct {
	Audience []string `json:"audience,omitempty"`
	Scopes   []string `json:"scopes,omitempty"`
	AnyScope []string `json:"any_scope,omitempty"`
}

// String is for people.
func (r RequiredScopes) String() string {
	text := strings.Join(r.Scopes, " and ")
	if len(r.AnyScope) > 0 {
		text = strings.TrimPrefix(text+", and ", ", and ") + strings.Join(r.AnyScope, " or ")
	}
	return cmp.Or(text, "any scope") + " of " + strings.Join(r.Audience, " or ")
}
