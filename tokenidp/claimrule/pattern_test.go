package claimrule

import (
	"strings"
	"testing"
)

func TestPatternFits(t *testing.T) {
	for _, row := range []struct {
		pattern, text string
		want          bool
	}{
		{"repo:shop@11/orders@74:*", "repo:shop@11/orders@74:ref:refs/heads/main", true},
		{"repo:shop@11/*:ref:refs/heads/main", "repo:shop@11/orders@74:ref:refs/heads/main", true},
		{"repo:shop@11/orders@74:*", "repo:shop@11/orders@740:ref:refs/heads/main", false},
		{"repo:shop@11/orders@74:*", "repo:shop/orders:ref:refs/heads/main", false},
		{"repo:shop/orders:*", "repo:shop@11/orders@74:ref:refs/heads/main", false},
		{"repo:shop/orders:*", "repo:shop/orders:ref:refs/heads/main", true},
		{"repo:shop/orders:*", "repo:shop/orders:pull_request", true},
		{"repo:shop/orders:*", "repo:shop/orders:", false},
		{"repo:shop/orders:*", "repo:shop/orders", false},
		{"repo:shop/orders:*", "repo:shop/orders-evil:ref:refs/heads/main", false},
		{"repo:shop/orders:*", "xrepo:shop/orders:ref", false},
		{"repo:shop/orders:*", "Repo:shop/orders:ref", false},
		{"repo:shop/orders:*", "repo:shop/orders:a\nb", false},
		{"repo:shop/*:ref:refs/heads/main", "repo:shop/orders:ref:refs/heads/main", true},
		{"repo:shop/*:ref:refs/heads/main", "repo:shop/:ref:refs/heads/main", false},
		{"repo:shop/*:ref:refs/heads/main", "repo:shop/a:environment:x:ref:refs/heads/main", false},
		{"repo:shop/*:ref:refs/heads/main", "repo:shop/a/b:ref:refs/heads/main", false},
		{"repo:shop/*:ref:refs/heads/main", "repo:shop/orders:ref:refs/heads/main\n", false},
		{"repo:shop/*:ref:refs/heads/main", "repo:shop/orders:ref:refs/heads/main-2", false},
		{"repo:shop/*:ref:*", "repo:shop/orders:ref:refs/heads/a", true},
		{"spiffe://prod.example.com/ns/*/sa/worker", "spiffe://prod.example.com/ns/shop/sa/worker", true},
		{"spiffe://prod.example.com/ns/*/sa/worker", "spiffe://prod.example.com/ns/a/b/sa/worker", false},
		{"spiffe://prod.example.com/ns/*/sa/worker", "spiffe://prod-example.com/ns/shop/sa/worker", false},
		{"system:serviceaccount:shop:*", "system:serviceaccount:shop:worker", true},
		{"system:serviceaccount:shop:*", "system:serviceaccount:shopper:worker", false},
		{"a:(b|c).+*", "a:b", false},
		{"a:/*[b]", "a:/x[b]", true},
		{"a:*-*", "a:b-c", true},
		{"a:*", "a:" + strings.Repeat("é", 1000), true},
	} {
		p, err := ParsePattern(row.pattern)
		if row.pattern == "a:(b|c).+*" {
			if err == nil {
				t.Errorf("%s is a pattern", row.pattern)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", row.pattern, err)
		} else if p.Match(row.text) != row.want || p.String() != row.pattern {
			t.Errorf("%s fits %q: %v", row.pattern, row.text, !row.want)
		}
	}
}

// What fits more than its writer will think is no pattern.
func TestPatternsThatAreTooWide(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                "has no *",
		"repo:shop/a:b":   "has no *",
		"*":               "begins with *",
		"*:shop":          "begins with *",
		"repo:shop*":      "not at the beginning of a segment",
		"a*":              "not at the beginning of a segment",
		"repo:shop/**":    "has ** in it",
		"repo:shop/a:**b": "has ** in it",
	} {
		if _, err := ParsePattern(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", pattern, err, want)
		}
	}
}

// A rule with a pattern takes what fits it, text alone.
func TestRuleWithPattern(t *testing.T) {
	p, err := ParsePattern("repo:shop/*")
	if err != nil {
		t.Fatal(err)
	}
	rule := Rule{Path: Path{"sub"}, Values: []string{"exact"}, Patterns: []*Pattern{p}}
	for value, want := range map[any]bool{"repo:shop/a": true, "exact": true, "repo:other/a": false, true: false, nil: false} {
		if rule.Accepts(value) != want {
			t.Errorf("%v: %v", value, !want)
		}
	}
	if !rule.Accepts([]any{"x", "repo:shop/a"}) || rule.String() != `sub=["exact" "repo:shop/*"]` {
		t.Error(rule.String())
	}
}

// Whatever the pattern, what it fits begins with what is fixed in it.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{{"repo:shop/*", "repo:shop/a"}, {"a:*:b", "a:c:b"}, {"*", ""}, {"a:[*", "a:[b"}, {"a:\\Q*\\E", "a:\\Qb\\E"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		p, err := ParsePattern(pattern)
		if err != nil || !p.Match(text) {
			return
		}
		fixed, rest, _ := strings.Cut(pattern, "*")
		if !strings.HasPrefix(text, fixed) || !strings.HasSuffix(text, rest[strings.LastIndex(rest, "*")+1:]) || len(text) < len(strings.ReplaceAll(pattern, "*", "")) {
			t.Errorf("%q fits %q", pattern, text)
		}
	})
}
