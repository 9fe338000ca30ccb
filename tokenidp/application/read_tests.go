package application

import (
	"slices"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

// Test says what is to become of requests of one caller. `caddy tokenidp test` runs it;
// nothing that serves does.
type Test struct {
	// ClientID is the Application that calls, or Token the claims of a token that it has,
	// or Anonymous: it has none.
	ClientID  string
	Token     map[string]any
	Anonymous bool
	// Requests are what it asks for.
	Requests []TestedRequest
	// Source is the "file:line" of its definition.
	Source string
}

// TestedRequest is a request that is to be let through, or not.
type TestedRequest struct {
	// Text is a method, or * for all, and a URL.
	Text  string
	Allow bool
	// Source is the "file:line" where it stands.
	Source string
}

// Tests returns those of all files, in their order. The error has a line for each of the
// first 20 mistakes in tests.
func (s *Set) Tests() (all []*Test, err error) {
	var problems []strictyaml.Problems
	for _, d := range s.documents {
		all = append(all, d.tests...)
		problems = append(problems, d.testErrors.Clone())
	}
	return all, strictyaml.Error(problems...)
}

// tests reads the tests of a file, and takes them from the document. They decide nothing
// about who gets a token, so a mistake in them is an error of `caddy tokenidp test`, and
// only a warning here: it must not hold up what is to be in force.
func (l *loader) tests(root *strictyaml.Node) (found bool) {
	taken := strictyaml.Take(root, "tests")
	if taken == nil {
		return false
	}
	t := testReader{newReader(l.file), l.Document}
	t.list(taken)
	l.testErrors = t.Errors
	l.Warnings.Merge(t.Errors)
	return true
}

// testReader reads the tests of one file.
type testReader struct {
	*strictyaml.Reader
	document *Document
}

var testFields = []string{"client_id", "token", "anonymous", "allow", "deny"}

func (t testReader) list(n *strictyaml.Node) {
	all := t.Mapping(n, "", "tests")
	if all == nil {
		return
	}
	for i, one := range all.List("tests") {
		if m := t.Mapping(one, t.NameOf("test of", one, "client_id", i), testFields...); m != nil {
			t.test(m)
		}
	}
}

// test reads
//
//	client_id: <an Application>      # or token, or anonymous
//	token: {iss: <issuer>, <claim>: <value>}
//	anonymous: true
//	allow: [<method> <URL>, …]
//	deny: [<method> <URL>, …]
func (t testReader) test(m *strictyaml.Mapping) {
	one := &Test{Source: m.At(m.Node).String()}
	one.ClientID, _ = m.Text("client_id")
	one.Anonymous = m.Boolean("anonymous", false)
	if n := m.Field("token"); n != nil {
		value, read := m.Value(n, "token")
		claims, isMapping := value.(map[string]any)
		if one.Token = claims; read && !isMapping {
			m.FailField(n, "token", "must be a mapping of claims, as in: {iss: https://login.example.com, scope: orders.read}")
		}
	}
	callers := slices.DeleteFunc([]string{"client_id", "token", "anonymous"}, func(name string) bool { return !m.Has(name) })
	switch {
	case len(callers) != 1:
		m.Fail(m.Node, "must have one of client_id, token and anonymous, which says who calls")
	case m.Has("anonymous") && !one.Anonymous:
		m.Fail(m.Node, "anonymous must be true; to test an application, write its client_id instead")
	case !m.Has("allow") && !m.Has("deny"):
		m.Fail(m.Node, "has neither allow nor deny; write: deny: [GET https://api.example.com/orders]")
	}
	for _, field := range []string{"allow", "deny"} {
		texts, nodes := m.Texts(field)
		if n := m.Field(field); strictyaml.IsEmptyList(n) {
			m.FailField(n, field, "is empty")
		}
		for i, text := range texts {
			one.Requests = append(one.Requests, TestedRequest{Text: text, Allow: field == "allow", Source: m.At(nodes[i]).String()})
		}
	}
	t.document.tests = append(t.document.tests, one)
}
