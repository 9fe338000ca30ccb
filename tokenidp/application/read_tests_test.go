package application_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

func readTests(t *testing.T, text string) (*application.Set, *application.Document) {
	t.Helper()
	d := application.Read("a.yaml", []byte(text), application.Options{})
	set, err := application.Union([]application.Part{{Document: d}})
	if err != nil {
		t.Fatalf("the tests hold up the file: %v", err)
	}
	return set, d
}

func TestTests(t *testing.T) {
	set, _ := readTests(t, `tests:
  - client_id: worker
    allow: [GET https://a.example/1, POST https://a.example]
    deny:
      - DELETE https://a.example/1
  - token: {iss: https://b.example, groups: [a, b], n: 1}
    allow: ["* https://a.example/2"]
  - anonymous: true
    deny: [GET https://a.example/3]
`)
	got, err := set.Tests()
	if err != nil || len(got) != 3 {
		t.Fatal(got, err)
	}
	want := []application.TestedRequest{
		{Text: "GET https://a.example/1", Allow: true, Source: "a.yaml:3"}, {Text: "POST https://a.example", Allow: true, Source: "a.yaml:3"},
		{Text: "DELETE https://a.example/1", Source: "a.yaml:5"},
	}
	if got[0].ClientID != "worker" || got[0].Source != "a.yaml:2" || !reflect.DeepEqual(got[0].Requests, want) {
		t.Errorf("%+v", got[0])
	}
	if groups, _ := got[1].Token["groups"].([]any); len(groups) != 2 || got[1].Token["iss"] != "https://b.example" {
		t.Errorf("%+v", got[1])
	}
	if !got[2].Anonymous {
		t.Errorf("%+v", got[2])
	}
}

// A mistake in a test is an error of the tests, and a warning of the file: it must not
// delay a deactivation.
func TestMistakesInTestsOnlyWarn(t *testing.T) {
	const file = `applications:
  - client_id: retired
    active: false
tests:
`
	for tests, want := range map[string]string{
		"  - {client_id: a, allow: [x], dany: [y]}":       `a.yaml:5: test of "a": unknown field "dany"; did you mean "deny"?`,
		"  - {allow: [x]}":                                "a.yaml:5: test of 1: must have one of client_id, token and anonymous",
		"  - {client_id: a, anonymous: true, allow: [x]}": "has both client_id in line 5 and anonymous in line 5; must have one of them",
		"  - {anonymous: false, allow: [x]}":              "anonymous must be true",
		"  - {anonymous: yes, allow: [x]}":                "must be true or false",
		"  - {client_id: a}":                              "has neither allow nor deny",
		"  - {client_id: a, deny: []}":                    "deny is empty",
		"  - {client_id: a, deny: [x, x]}":                `deny has "x" twice`,
		"  - {client_id: 7, deny: [x]}":                   "client_id must be a string",
		"  - {client_id: &a b, deny: [x]}":                "has an anchor",
		"  - {token: [1], deny: [x]}":                     "token must be a mapping",
		"  - {token: {iss: 2026-01-01}, deny: [x]}":       "must be text, a number",
		"  text":   "tests must be a list",
		"":         "tests is null",
		"  - null": "is null",
		"  - {client_id: a, deny: [x]}\ntests: []":                 "field \"tests\" is repeated",
		"  - {client_id: a, deny: [x], client_secret: dont-do-it}": `field "client_secret" is not accepted`,
	} {
		set, d := readTests(t, file+tests+"\n")
		_, err := set.Tests()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", tests, err, want)
			continue
		}
		if warnings := fmt.Sprint(set.Warnings()); !strings.Contains(warnings, want) {
			t.Errorf("%s: the warnings are %q", tests, warnings)
		}
		if d.Broken() || len(d.Inactive()) != 1 {
			t.Errorf("%s: the file is broken", tests)
		}
	}
}
