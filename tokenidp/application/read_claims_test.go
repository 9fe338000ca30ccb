package application

import (
	"fmt"
	"strings"
	"testing"
)

// RFC 9068 section 2.2.3: additional claims of its tokens.
func TestClaims(t *testing.T) {
	set := mustLoad(t, keyed("    jwks: {keys: ["+ecJWK+"]}\n    claims: {team: shop, tier: 2, ratio: 1.5, internal: true, roles: [a, b], org: {unit: {id: \"7\"}}, text: \"<&>\"}"))
	a, _ := set.Application("x")
	if got := string(a.Claims); got != `{"internal":true,"org":{"unit":{"id":"7"}},"ratio":1.5,"roles":["a","b"],"team":"shop","text":"<&>","tier":2}` {
		t.Error(got)
	}
	if got := fmt.Sprint(set.ClaimNames()); got != "[internal org ratio roles team text tier]" {
		t.Error(got)
	}
}

func TestClaimErrors(t *testing.T) {
	for _, row := range []struct{ name, claims, want string }{
		{"no mapping", "[a]", "claims must be a mapping"},
		{"null", "{team: ~}", `claims "team" is null; give it a value or leave it out`},
		{"null in a list", "{team: [a, ~]}", `claims "team" is null; give it a value or leave it out`},
		{"alias", "{team: &a b}", `claims "team" has an anchor (&), which is not accepted; write the value out where it is needed`},
		{"twice", "{team: a, team: b}", `field "team" is repeated; it was in line 6 already`},
		{"twice, deeper", "{team: {a: 1, a: 2}}", `field "a" is repeated; it was in line 6 already`},
		{"a day", "{since: 2026-11-23}", `claims "since" must be text, a number as JSON has it, true, false, a list or a mapping; quote text that YAML takes for something else`},
		{"an old boolean", "{on: yes}", `claims "on" must be text, a number as JSON has it, true, false, a list or a mapping; quote text that YAML takes for something else`},
		{"infinity", "{n: .inf}", `claims "n" must be text, a number as JSON has it, true, false, a list or a mapping; quote text that YAML takes for something else`},
		{"a number that is rounded", "{n: 9007199254740993}", `claims "n" is a number that not every reader of JSON keeps exactly; quote it`},
		{"empty name", `{"": a}`, "claims must have names of 1 to 255 printable characters"},
		{"too deep", "{a: " + strings.Repeat("[", 9) + strings.Repeat("]", 9) + "}", `claims "a" nests deeper than 8 lists and mappings`},
		{"too large", "{a: " + strings.Repeat("b", mostClaims) + "}", "claims have 4105 bytes as JSON; at most 4096 are accepted, since a token goes with every request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, _, failure := loadText(t, keyed("    jwks: {keys: ["+ecJWK+"]}\n    claims: "+row.claims))
			if want := "a.yaml:6: " + inX + row.want; failure != want {
				t.Errorf("got:\n%s\nwant:\n%s", failure, want)
			}
		})
	}
	for _, name := range append([]string{"SUB", "Scope", "\u017fcope"}, reservedClaims...) {
		_, _, failure := loadText(t, keyed("    jwks: {keys: ["+ecJWK+"]}\n    claims: {'"+name+"': a}"))
		if !strings.HasPrefix(failure, "a.yaml:6: "+inX+"claims must not have ") {
			t.Errorf("%s: %s", name, failure)
		}
	}
}
