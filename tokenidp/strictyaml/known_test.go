package strictyaml

import (
	"strings"
	"testing"
)

func TestKnown(t *testing.T) {
	letters := strings.Split("aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii jjjj kkkk llll", " ")
	for _, row := range []struct {
		name, given string
		all         []string
		want        string
	}{
		{"one error", "scope", []string{"scopes", "secrets"}, `did you mean "scopes"? known: scopes, secrets`},
		{"two errors", "socpes", []string{"secrets", "scopes"}, `did you mean "scopes"? known: secrets, scopes`},
		{"the nearer of two", "orders.rea", []string{"orders.red1", "orders.read"}, `did you mean "orders.read"? known: orders.red1, orders.read`},
		{"three errors", "scpe", []string{"secrets"}, `known: secrets`},
		{"too short to tell", "x", []string{"id"}, `known: id`},
		{"none", "x", nil, `known: none`},
		{"many", "x", letters, `known: aaaa, bbbb, cccc, dddd, eeee, ffff, gggg, hhhh, iiii, jjjj and 2 more`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := Known(row.given, row.all); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func TestDistance(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1},
		{"abc", "acb", 2}, {"abc", "ab", 1}, {"abc", "xabc", 1}, {"kitten", "sitting", 3},
	} {
		if got := distance(row.a, row.b); got != row.want {
			t.Errorf("distance(%q, %q) = %d, want %d", row.a, row.b, got, row.want)
		}
	}
}

func TestQuoted(t *testing.T) {
	for given, want := range map[string]string{
		"a\nb":                        `"a\nb"`,
		strings.Repeat("a", 64):       `"` + strings.Repeat("a", 64) + `"`,
		strings.Repeat("a", 65):       `"` + strings.Repeat("a", 64) + `"…`,
		"a" + strings.Repeat("é", 50): `"a` + strings.Repeat("é", 31) + `"…`,
	} {
		if got := Quote(given); got != want {
			t.Errorf("Quote(%q) = %s, want %s", given, got, want)
		}
	}
}
