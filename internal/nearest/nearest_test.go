package nearest

import (
	"slices"
	"strings"
	"testing"
)

func TestName(t *testing.T) {
	known := []string{"orders-worker", "orders-report", "reader", "status", "secret", "secrets", "Caddyfile:12", "https://idp.example.com", "a", "größe"}
	for given, want := range map[string]string{
		"orders-worke":             "orders-worker",
		"orders-wroker":            "orders-worker",
		"ORDERS-WORKER":            "orders-worker",
		"raeder":                   "reader",
		"statsu":                   "status",
		"secert":                   "secret",
		"secretss":                 "secrets",
		"Caddyfile:13":             "Caddyfile:12",
		"http://idp.example.com":   "https://idp.example.com",
		"grösse":                   "größe",
		"b":                        "a",
		"billing":                  "",
		"":                         "",
		strings.Repeat("x", 1_000): "",
	} {
		if got := Name(given, slices.Values(known)); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
	if got := DidYouMean("raeder", slices.Values(known)); got != "; did you mean reader?" {
		t.Error(got)
	}
	if got := DidYouMean("reader", slices.Values([]string{})); got != "" {
		t.Error(got)
	}
}

func TestDistance(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"abc", "bc", 1},
		{"kitten", "sitting", 3}, {"ca", "abc", 3},
	} {
		if got := distance([]rune(row.a), []rune(row.b)); got != row.want {
			t.Errorf("%q and %q: %d, want %d", row.a, row.b, got, row.want)
		}
	}
}
