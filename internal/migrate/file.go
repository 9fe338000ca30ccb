// Package migrate reads what other servers export of their clients, and writes it as a
// file of Applications. What does not come along is in a note of its own.
package migrate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// File is a file of Applications, and the notes on what is not in it.
type File struct {
	From         string // the server that it comes from
	Resources    []*Resource
	Applications []*Application
	// Notes say what does not come along, one line each. No note quotes a secret.
	Notes []string
}

// Resource is an API.
type Resource struct {
	Audience string
	Scopes   []Scope
}

// Scope is a scope of a Resource.
type Scope struct{ Name, Description string }

// Application is a client.
type Application struct {
	ClientID, ClientName string
	Inactive             bool
	// Method is its token_endpoint_auth_method, or "" for either way of a secret.
	Method        string
	SecretID      string
	Hash          string // of its secret
	Expires       string // the last day of its secret
	JWKS          string // JSON
	JWKSURI       string
	SubjectDN     string
	BoundToTLS    bool
	BoundToDPoP   bool
	Scopes        []string
	DefaultScopes []string
	TokenLifetime string
}

func (f *File) note(format string, args ...any) {
	f.Notes = append(f.Notes, fmt.Sprintf(format, args...))
}

// owner returns the Resource that owns a scope, or nil.
func (f *File) owner(scope string) *Resource {
	for _, r := range f.Resources {
		if slices.ContainsFunc(r.Scopes, func(s Scope) bool { return s.Name == scope }) {
			return r
		}
	}
	return nil
}

// own makes a scope one of the audience, and returns the Resource that owns it: another
// one, if that had it before.
func (f *File) own(audience string, scope Scope) *Resource {
	if r := f.owner(scope.Name); r != nil {
		return r
	}
	i := slices.IndexFunc(f.Resources, func(r *Resource) bool { return r.Audience == audience })
	if i < 0 {
		i = len(f.Resources)
		f.Resources = append(f.Resources, &Resource{Audience: audience})
	}
	f.Resources[i].Scopes = append(f.Resources[i].Scopes, scope)
	return f.Resources[i]
}

// complete deactivates what could not be active, and checks that the file loads.
func (f *File) complete() error {
	for _, a := range f.Applications {
		switch {
		case a.Inactive:
		case a.Hash == "" && a.JWKS == "" && a.JWKSURI == "" && a.SubjectDN == "":
			a.Inactive = true
			f.note("client %q: it has no credentials here, so it is inactive; add some, and remove `active: false`", a.ClientID)
		case len(a.Scopes) == 0:
			a.Inactive = true
			f.note("client %q: it has no scope here, so it is inactive; add one, and remove `active: false`", a.ClientID)
		}
	}
	_, err := application.Union([]application.Part{{Document: application.Read("imported", []byte(f.YAML()), application.Options{})}})
	if err != nil {
		return fmt.Errorf("what was read makes no file that loads: %w", err)
	}
	return nil
}

// YAML returns the content of the file.
func (f *File) YAML() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Imported from %s.\n", f.From)
	if len(f.Resources) > 0 {
		b.WriteString("resources:\n")
	}
	for _, r := range f.Resources {
		r.write(&b)
	}
	if len(f.Applications) == 0 {
		b.WriteString("applications: []\n")
		return b.String()
	}
	b.WriteString("\napplications:\n")
	for _, a := range f.Applications {
		a.write(&b)
	}
	return b.String()
}

func (r *Resource) write(b *strings.Builder) {
	fmt.Fprintf(b, "  - name: %s\n", quoted(r.Audience))
	b.WriteString("    scopes:\n")
	for _, s := range r.Scopes {
		fmt.Fprintf(b, "      - name: %s\n", quoted(s.Name))
		writeField(b, "        description", s.Description)
	}
}

func (a *Application) write(b *strings.Builder) {
	fmt.Fprintf(b, "  - client_id: %s\n", quoted(a.ClientID))
	writeField(b, "    client_name", a.ClientName)
	if a.Inactive {
		b.WriteString("    active: false\n")
	}
	writeField(b, "    token_endpoint_auth_method", a.Method)
	if a.Hash != "" {
		fmt.Fprintf(b, "    secrets:\n      - id: %s\n        hash: %s\n", quoted(a.SecretID), quoted(a.Hash))
		writePlain(b, "        expires", a.Expires)
	}
	writePlain(b, "    jwks", a.JWKS)
	writeField(b, "    jwks_uri", a.JWKSURI)
	writeField(b, "    tls_client_auth_subject_dn", a.SubjectDN)
	if a.BoundToTLS {
		b.WriteString("    tls_client_certificate_bound_access_tokens: true\n")
	}
	if a.BoundToDPoP {
		b.WriteString("    dpop_bound_access_tokens: true\n")
	}
	writeList(b, "    scopes", a.Scopes)
	writeList(b, "    default_scopes", a.DefaultScopes)
	writePlain(b, "    token_lifetime", a.TokenLifetime)
}

func writeField(b *strings.Builder, name, value string) {
	if value != "" {
		fmt.Fprintf(b, "%s: %s\n", name, quoted(value))
	}
}

func writePlain(b *strings.Builder, name, value string) {
	if value != "" {
		fmt.Fprintf(b, "%s: %s\n", name, value)
	}
}

func writeList(b *strings.Builder, name string, values []string) {
	if len(values) == 0 {
		return
	}
	each := make([]string, len(values))
	for i, v := range values {
		each[i] = quoted(v)
	}
	fmt.Fprintf(b, "%s: [%s]\n", name, strings.Join(each, ", "))
}

// quoted returns a text as JSON, which is YAML too.
func quoted(s string) string {
	encoded, _ := json.Marshal(s) // a string has no error
	return string(encoded)
}
