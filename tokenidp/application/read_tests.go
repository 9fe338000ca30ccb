package application

import (
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

// Test says what must happen to the requests of one caller. Only `caddy tokenidp test` runs
// it, never a server.
type Test struct {
	// The caller is the Application ClientID, or has a token with the claims Token, or, if
	// Anonymous is true, has no token.
	ClientID  string
	Token     map[string]any
	Anonymous bool
	// Requests are the requests of the caller.
	Requests []TestedRequest
	// Source is the "file:line" of its definition.
	Source string
}

// TestedRequest is a request that must pass, or must be refused.
type TestedRequest struct {
	// Text is a method, or * for all, and a URL.
	Text  string
	Allow bool
	// Source is the "file:line" of the request.
	Source string
}

// Tests returns the tests of all files, in their order. The error has a line for each of
// the first 20 mistakes in tests.
func (s *Set) Tests() (all []*Test, err error) {
	var problems []strictyaml.Problems
	for _, d := range s.documents {
		all = append(all, d.tests...)
		problems = append(problems, d.testErrors.Clone())
	}
	return all, strictyaml.Error(problems...)
}

// tests reads the tests of a file, and removes them from the document. They do not decide
// who gets a token. So a mistake in them is an error of `caddy tokenidp test`, and only a
// warning here: it must not keep the file from being in force.
func (l *loader) tests(root *strictyaml.Node) (found bool) {
	taken := strictyaml.Take(root, "tests")
	if taken == nil {
		return false
	}
	t := testReader{newReader(l.file), l.Document}
	t.list(taken)
	l.testErrors = t.Errors
	l.Misshapen = l.Misshapen || t.Misshapen
	l.Warnings.Merge(string(warning.TestMistaken), t.Errors)
	return true
}

// testReader reads the tests of one file.
type testReader struct {
	*strictyaml.Reader
	document *Document
}

var testObject = &strictyaml.Object{
	Title:       "Test",
	Description: "What becomes of requests of one caller, for caddy tokenidp test.",
	Kind:        "test of", By: "client_id",
	Fields: []strictyaml.Field{
		{
			Name: "client_id", Type: strictyaml.Text{},
			Description: "An Application calls.", Examples: []any{"orders-worker"},
		},
		{
			Name: "token", Type: strictyaml.JSON{Object: "claims, as in: {iss: https://login.example.com, scope: orders.read}"},
			Description: "Somebody calls with a token that has these claims.",
			Examples:    []any{map[string]string{"iss": "https://login.example.com", "scope": "orders.read"}},
		},
		{
			Name: "anonymous", Type: strictyaml.Bool{True: "to test an application, write its client_id instead"},
			Description: "Somebody calls without a token.",
		},
		{
			Name: "allow", Type: strictyaml.List{Of: strictyaml.Text{}, NotEmpty: true, Unique: true},
			Description: "The requests that get through, each a method and a URL.", Examples: []any{[]string{"GET https://api.example.com/orders"}},
		},
		{
			Name: "deny", Type: strictyaml.List{Of: strictyaml.Text{}, NotEmpty: true, Unique: true},
			Description: "The requests that do not get through, each a method or *, and a URL.", Examples: []any{[]string{"* https://api.example.com/orders"}},
		},
	},
	Choices: []strictyaml.Choice{
		{
			Of:      []string{"client_id", "token", "anonymous"},
			None:    "must have one of client_id, token and anonymous, which says who calls",
			Several: "must have one of them, which says who calls",
		},
		{Of: []string{"allow", "deny"}, None: "has neither allow nor deny; write: deny: [GET https://api.example.com/orders]"},
	},
}

func (t testReader) list(n *strictyaml.Node) {
	all := t.Mapping(n, "", fileObject)
	if all == nil {
		return
	}
	for m := range all.Objects("tests") {
		t.test(m)
	}
}

func (t testReader) test(m *strictyaml.Mapping) {
	one := &Test{Source: m.At(m.Node).String(), Anonymous: m.Has("anonymous")}
	one.ClientID, _ = m.Text("client_id")
	if n := m.Field("token"); n != nil {
		value, _ := m.Value(n, "token")
		one.Token, _ = value.(map[string]any)
	}
	for _, field := range []string{"allow", "deny"} {
		texts, nodes := m.Texts(field)
		for i, text := range texts {
			one.Requests = append(one.Requests, TestedRequest{Text: text, Allow: field == "allow", Source: m.At(nodes[i]).String()})
		}
	}
	t.document.tests = append(t.document.tests, one)
}
