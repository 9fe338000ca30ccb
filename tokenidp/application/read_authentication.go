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
	{[]string{"jwks", "jwks_file", "jwks_uri"}, []string{AuthMethodPrivateKeyJWT, AuthMethodSelfSignedTLS}, (*loader).keys},
	{[]string{"federated"}, []string{AuthMethodPrivateKeyJWT}, (*loader).federated},
	{certificateFields, []string{AuthMethodTLS}, (*loader).certificateName},
}

const noSecret = "secrets is missing or empty; it could never authenticate: add one, or write `active: false`"

// authentication reads how the Application authenticates. Only one way is allowed, because
// an attacker would choose the weaker of two.
func (l *loader) authentication(m *mapping, a *Application) {
	method, at := m.authMethod()
	field, w := l.wayOf(m)
	switch {
	case w == nil && !a.Active:
	case w == nil:
		m.Fail(m.Node, "%s", missing(method))
	case method != "" && !slices.Contains(w.methods, method):
		m.FailField(at, "token_endpoint_auth_method", "is %s, but %s in line %d is for %s; remove one of them",
			method, field, m.Key(field).Line, strings.Join(w.methods, " or "))
		method = ""
	}
	a.TokenEndpointAuthMethod = method
	if w != nil {
		if method == "" && !slices.Contains(w.methods, AuthMethodBasic) {
			a.TokenEndpointAuthMethod = w.methods[0]
		}
		w.read(l, m, a)
	}
	if _, at := m.Spelling("token_endpoint_auth_signing_alg"); at != nil && w != nil && !slices.Contains(w.fields, "jwks") {
		m.FailField(at, "token_endpoint_auth_signing_alg", "has no effect beside %s, which is no key of the client; remove it", field)
	}
}

// wayOf returns the way that a field declares, or nil. A second one is an error.
func (l *loader) wayOf(m *mapping) (field string, found *way) {
	for i := range ways {
		for _, f := range ways[i].fields {
			switch {
			case !m.Has(f):
			case found == nil:
				field, found = f, &ways[i]
			default:
				m.Fail(m.Key(f), "has both %s in line %d and %s in line %d; it authenticates in one way, so keep one of them",
					field, m.Key(field).Line, f, m.Key(f).Line)
			}
		}
	}
	return field, found
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
		return noSecret
	}
	return method + " needs one of " + strings.Join(fields, ", ") + "; it could never authenticate: add one, or write `active: false`"
}

func (m *mapping) authMethod() (string, *strictyaml.Node) {
	var methods []string
	for _, w := range ways {
		methods = append(methods, w.methods...)
	}
	slices.Sort(methods)
	methods = slices.Compact(methods)
	value, n := m.Spelling("token_endpoint_auth_method")
	if n != nil && !slices.Contains(methods, value) {
		m.FailField(n, "token_endpoint_auth_method", "is the unknown %s; %s", strictyaml.Quote(value), strictyaml.Known(value, methods))
		return "", nil
	}
	return value, n
}
