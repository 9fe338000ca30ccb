package application

import (
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

// way is one way to authenticate: the fields that declare it, and the methods that it
// allows. An Application has only one way. For secrets, the method may be any of these;
// for other ways, it is the first.
type way struct {
	fields, methods []string
	read            func(*loader, *mapping, *Application)
}

var ways = []way{
	{[]string{"secrets"}, []string{AuthMethodBasic, AuthMethodPost}, (*loader).secrets},
	{[]string{"jwks", "jwks_file"}, []string{AuthMethodPrivateKeyJWT, AuthMethodSelfSignedTLS}, (*loader).keys},
	{[]string{"jwks_uri"}, []string{AuthMethodPrivateKeyJWT}, (*loader).publishedKeys},
	{[]string{"federated"}, []string{AuthMethodPrivateKeyJWT}, (*loader).federated},
	{certificateFields, []string{AuthMethodTLS}, (*loader).certificateName},
}

const noMethod = "; it could never authenticate: add one, or write `active: false`"

// wayFields returns the fields of all ways.
func wayFields() (fields []string) {
	for _, w := range ways {
		fields = append(fields, w.fields...)
	}
	return fields
}

// keyFields are the fields with which token_endpoint_auth_signing_alg has an effect.
var keyFields = []string{"jwks", "jwks_file", "jwks_uri"}

// wayConditions returns what authentication and needs check, as JSON Schemas.
func wayConditions() []strictyaml.Schema {
	notEmpty := strictyaml.Schema{"minItems": 1}
	all := []strictyaml.Schema{{
		"if": strictyaml.Schema{"properties": strictyaml.Schema{"active": strictyaml.Schema{"const": true}}},
		"then": strictyaml.HasAny(wayFields()).With(strictyaml.Schema{
			"properties": strictyaml.Schema{"scopes": notEmpty, "secrets": notEmpty, "federated": notEmpty},
		}),
	}}
	for _, w := range ways {
		method := strictyaml.Schema{"token_endpoint_auth_method": strictyaml.Schema{"enum": w.methods}}
		all = append(all, strictyaml.Schema{"if": strictyaml.HasAny(w.fields), "then": strictyaml.Schema{"properties": method}})
		if !slices.Contains(keyFields, w.fields[0]) {
			both := strictyaml.HasAny(w.fields).With(strictyaml.Has("token_endpoint_auth_signing_alg"))
			all = append(all, strictyaml.Schema{"not": both})
		}
	}
	return all
}

// authentication reads how the Application authenticates. It allows only one way, because
// an attacker would choose the weaker of two.
func (l *loader) authentication(m *mapping, a *Application) {
	method, at := m.Text("token_endpoint_auth_method")
	field, w := wayOf(m)
	if a.Active {
		m.needs(w, method)
	}
	if w == nil {
		a.TokenEndpointAuthMethod = method
		return
	}
	if method != "" && !slices.Contains(w.methods, method) {
		m.RefuseField(at, "token_endpoint_auth_method", "is %s, but %s in line %d is for %s; remove one of them",
			method, field, m.Key(field).Line, strings.Join(w.methods, " or "))
		method = ""
	}
	a.TokenEndpointAuthMethod = method
	if method == "" && !slices.Contains(w.methods, AuthMethodBasic) {
		a.TokenEndpointAuthMethod = w.methods[0]
	}
	w.read(l, m, a)
	if key := m.Key("token_endpoint_auth_signing_alg"); key != nil && !slices.Contains(keyFields, field) {
		m.RefuseField(key, "token_endpoint_auth_signing_alg", "has no effect beside %s, which is no key of the client; remove it", field)
	}
}

// wayOf returns the first way that a field declares, or nil.
func wayOf(m *mapping) (field string, found *way) {
	for i := range ways {
		for _, f := range ways[i].fields {
			if m.Has(f) {
				return f, &ways[i]
			}
		}
	}
	return "", nil
}

// needs reports what an active Application lacks.
func (m *mapping) needs(w *way, method string) {
	if w == nil {
		m.Refuse(m.Node, "%s", missing(method))
	}
	for _, field := range []string{"scopes", "secrets", "federated"} {
		switch n := m.Field(field); {
		case !strictyaml.IsEmptyList(n):
		case field == "scopes":
			m.RefuseField(n, field, "is empty")
		default:
			m.RefuseField(n, field, "is empty%s", noMethod)
		}
	}
}

// missing reports what an active Application lacks.
func missing(method string) string {
	var fields []string
	for _, w := range ways[1:] {
		if slices.Contains(w.methods, method) {
			fields = append(fields, w.fields...)
		}
	}
	if len(fields) == 0 {
		return "secrets is missing" + noMethod
	}
	return method + " needs one of " + strings.Join(fields, ", ") + noMethod
}

// authMethods returns the methods of all ways.
func authMethods() (methods []string) {
	for _, w := range ways {
		methods = append(methods, w.methods...)
	}
	slices.Sort(methods)
	return slices.Compact(methods)
}
