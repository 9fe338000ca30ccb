package application

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

// Rendering is the content of one file that is in force, or a part of it, in the format of
// Read. It has no secret and no hash of a secret. Each resource, Application and test is in
// its line of the file.
type Rendering struct {
	File    string `json:"file"`
	Content string `json:"content"`
	// TestProblem describes the mistakes in the tests of the file, or is "".
	TestProblem string `json:"test_problem,omitempty"`
}

// Render returns renderings of all files, each with a limited number of Applications.
func (s *Set) Render(most int) (all []Rendering) {
	for _, d := range s.documents {
		all = append(all, s.render(d, func(r *renderer) { r.resources(d.resources) }))
		for chunk := range slices.Chunk(d.applications, most) {
			all = append(all, s.render(d, func(r *renderer) { r.applications(chunk) }))
		}
		if len(d.tests) > 0 || d.testErrors.Any() {
			tests := s.render(d, func(r *renderer) { r.tests(d.tests) })
			if err := strictyaml.Error(d.testErrors.Clone()); err != nil {
				tests.TestProblem = err.Error()
			}
			all = append(all, tests)
		}
	}
	return all
}

func (s *Set) render(d *Document, write func(*renderer)) Rendering {
	r := renderer{set: s, line: 1}
	r.b.WriteString("{")
	write(&r)
	r.b.WriteString("}\n")
	return Rendering{File: d.file, Content: r.b.String()}
}

// ReadRendered returns the Set of renderings. Its secrets count as present, and match
// nothing.
func ReadRendered(all []Rendering) (*Set, error) {
	absent := Options{
		Expand:   func(string) (string, error) { return "", errNotRendered },
		ReadFile: func(string, int64) ([]byte, fs.FileInfo, error) { return nil, nil, fs.ErrNotExist },
		Absent:   func(string) {},
	}
	var parts []Part
	for _, one := range all {
		d := Read(one.File, []byte(one.Content), absent)
		if one.TestProblem != "" {
			d.testErrors.Add(strictyaml.Position{File: one.File}, "%s", one.TestProblem)
		}
		parts = append(parts, Part{Document: d})
	}
	return Union(parts)
}

var errNotRendered = errors.New("hashes are not rendered")

// notRendered replaces the hash of a secret.
const notRendered = "{not rendered}"

// renderer writes the content of a file.
type renderer struct {
	set  *Set
	b    strings.Builder
	line int
}

// list writes a field with a list.
func (r *renderer) list(name string, n int, write func(i int)) {
	r.b.WriteString(strconv.Quote(name) + ": [")
	for i := range n {
		if i > 0 {
			r.b.WriteString(", ")
		}
		write(i)
	}
	r.b.WriteString("]")
}

// at continues in the line of a source, unless the text is already past it.
func (r *renderer) at(source string) {
	line, err := strconv.Atoi(source[strings.LastIndexByte(source, ':')+1:])
	if err == nil && line > r.line {
		r.b.WriteString(strings.Repeat("\n", line-r.line))
		r.line = line
	}
}

// value writes JSON that YAML reads in the same way: it escapes unprintable characters.
func (r *renderer) value(v any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(fmt.Sprintf("rendering %T: %v", v, err)) // every value was read from text
	}
	for _, c := range strings.TrimSpace(text.String()) {
		switch {
		case unicode.IsPrint(c):
			r.b.WriteRune(c)
		case c > 0xffff:
			fmt.Fprintf(&r.b, `\U%08X`, c)
		default:
			fmt.Fprintf(&r.b, `\u%04X`, c)
		}
	}
}

func (r *renderer) resources(all []*Resource) {
	r.list("resources", len(all), func(i int) {
		one := all[i]
		form := resourceForm{Name: one.Name, Resource: one.Identifier, Introspection: one.Introspection}
		for _, s := range one.Scopes {
			form.Scopes = append(form.Scopes, scopeForm(s))
		}
		r.at(one.Source)
		r.value(form)
	})
}

type resourceForm struct {
	Name          string      `json:"name"`
	Resource      string      `json:"resource,omitempty"`
	Scopes        []scopeForm `json:"scopes"`
	Introspection []string    `json:"introspection,omitempty"`
}

type scopeForm struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

func (r *renderer) applications(all []*Application) {
	r.list("applications", len(all), func(i int) {
		one := all[i]
		if inForce := r.set.byClientID[one.ClientID]; inForce != nil {
			one = inForce // a newer version of the file may deactivate it
		}
		r.at(one.Source)
		r.value(formOf(one))
	})
}

type applicationForm struct {
	ClientID         string           `json:"client_id"`
	ClientName       string           `json:"client_name,omitempty"`
	Active           bool             `json:"active"`
	GrantTypes       []string         `json:"grant_types"`
	AuthMethod       string           `json:"token_endpoint_auth_method,omitempty"`
	SigningAlgorithm string           `json:"token_endpoint_auth_signing_alg,omitempty"`
	Secrets          []secretForm     `json:"secrets,omitempty"`
	JWKS             *keysForm        `json:"jwks,omitempty"`
	JWKSURI          string           `json:"jwks_uri,omitempty"`
	Federated        []federationForm `json:"federated,omitempty"`
	SubjectDN        string           `json:"tls_client_auth_subject_dn,omitempty"`
	SANDNS           string           `json:"tls_client_auth_san_dns,omitempty"`
	SANURI           string           `json:"tls_client_auth_san_uri,omitempty"`
	SANIP            string           `json:"tls_client_auth_san_ip,omitempty"`
	SANEmail         string           `json:"tls_client_auth_san_email,omitempty"`
	Scopes           []string         `json:"scopes,omitempty"`
	DefaultScopes    []string         `json:"default_scopes,omitempty"`
	TokenLifetime    string           `json:"token_lifetime,omitempty"`
	Claims           json.RawMessage  `json:"claims,omitempty"`
	Quota            *quotaForm       `json:"quota,omitempty"`
	Introspection    bool             `json:"introspection,omitempty"`
	CertificateBound bool             `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	DPoPBound        bool             `json:"dpop_bound_access_tokens,omitempty"`
}

type secretForm struct {
	ID      string `json:"id"`
	Hash    string `json:"hash"`
	Expires string `json:"expires,omitempty"`
}

type keysForm struct {
	Keys []jose.JSONWebKey `json:"keys"`
}

type quotaForm struct {
	Tokens int    `json:"tokens"`
	Per    string `json:"per"`
}

func formOf(a *Application) *applicationForm {
	f := &applicationForm{
		ClientID: a.ClientID, ClientName: a.ClientName, Active: a.Active, GrantTypes: a.GrantTypes, AuthMethod: a.TokenEndpointAuthMethod,
		SigningAlgorithm: a.PublishedKeys.Algorithm, JWKSURI: a.PublishedKeys.URL, Scopes: a.Scopes, DefaultScopes: a.DefaultScopes,
		Claims: claimsInOrder(a), Introspection: a.Introspection, CertificateBound: a.CertificateBound, DPoPBound: a.DPoPBound,
	}
	if a.TokenLifetime > 0 {
		f.TokenLifetime = a.TokenLifetime.String()
	}
	if a.Quota != (Quota{}) {
		f.Quota = &quotaForm{a.Quota.Tokens, a.Quota.Per.String()}
	}
	for _, s := range a.Secrets {
		form := secretForm{ID: s.ID, Hash: notRendered}
		if !s.Expires.IsZero() {
			form.Expires = s.Expires.UTC().Format(time.RFC3339Nano)
		}
		f.Secrets = append(f.Secrets, form)
	}
	if len(a.Keys) > 0 {
		f.JWKS = new(keysForm)
		for _, k := range a.Keys {
			f.JWKS.Keys = append(f.JWKS.Keys, k.JWK())
		}
	}
	for _, one := range a.Federated {
		f.Federated = append(f.Federated, federationFormOf(one))
	}
	f.certificate(a.Certificate)
	return f
}

func (f *applicationForm) certificate(n *CertificateName) {
	if n == nil {
		return
	}
	switch n.Field {
	case fieldSubjectDN:
		f.SubjectDN = n.Value
	case fieldSANDNS:
		f.SANDNS = n.Value
	case fieldSANURI:
		f.SANURI = n.Value
	case fieldSANIP:
		f.SANIP = n.Value
	case fieldSANEmail:
		f.SANEmail = n.Value
	}
}

// claimsInOrder returns the claims in the order of their definition.
func claimsInOrder(a *Application) json.RawMessage {
	if len(a.Claims) == 0 {
		return nil
	}
	var byName map[string]json.RawMessage
	if err := json.Unmarshal(a.Claims, &byName); err != nil { //nolint:forbidigo // as the reader has written it
		return a.Claims
	}
	b := bytes.NewBufferString("{")
	for i, name := range a.ClaimNames {
		key, _ := json.Marshal(name) // a string never fails
		if i > 0 {
			b.WriteString(", ")
		}
		b.Write(key)
		b.WriteString(": ")
		b.Write(byName[name])
	}
	b.WriteString("}")
	return b.Bytes()
}

type federationForm struct {
	Issuer         string              `json:"issuer"`
	Audience       string              `json:"audience,omitempty"`
	Subject        string              `json:"subject,omitempty"`
	SubjectPattern string              `json:"subject_pattern,omitempty"`
	Claims         map[string][]string `json:"claims,omitempty"`
	ClaimsPattern  map[string]string   `json:"claims_pattern,omitempty"`
}

func federationFormOf(f *Federation) federationForm {
	form := federationForm{Issuer: f.Issuer, Audience: f.Audience, Claims: make(map[string][]string), ClaimsPattern: make(map[string]string)}
	for i, rule := range f.Claims {
		isSubject := i == 0 && len(rule.Path) == 1 && rule.Path[0] == "sub"
		switch {
		case isSubject && len(rule.Patterns) > 0:
			form.SubjectPattern = rule.Patterns[0].String()
		case isSubject && len(rule.Values) == 1:
			form.Subject = rule.Values[0]
		case len(rule.Patterns) > 0:
			form.ClaimsPattern[pointer(rule.Path)] = rule.Patterns[0].String()
		default:
			form.Claims[pointer(rule.Path)] = rule.Values
		}
	}
	return form
}

// pointer returns the text that claimrule.ParsePath reads.
func pointer(p claimrule.Path) string {
	if len(p) == 1 && !strings.HasPrefix(p[0], "/") {
		return p[0]
	}
	var b strings.Builder
	for _, step := range p {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}

func (r *renderer) tests(all []*Test) {
	r.list("tests", len(all), func(i int) {
		one := all[i]
		r.at(one.Source)
		r.b.WriteString("{")
		switch {
		case one.Anonymous:
			r.b.WriteString(`"anonymous": true`)
		case one.Token != nil:
			r.b.WriteString(`"token": `)
			r.value(one.Token)
		default:
			r.b.WriteString(`"client_id": `)
			r.value(one.ClientID)
		}
		r.requests("allow", one.Requests, true)
		r.requests("deny", one.Requests, false)
		r.b.WriteString("}")
	})
}

func (r *renderer) requests(name string, all []TestedRequest, allow bool) {
	some := false
	for _, one := range all {
		if one.Allow != allow {
			continue
		}
		if !some {
			r.b.WriteString(", " + strconv.Quote(name) + ": [")
		} else {
			r.b.WriteString(", ")
		}
		some = true
		r.at(one.Source)
		r.value(one.Text)
	}
	if some {
		r.b.WriteString("]")
	}
}
