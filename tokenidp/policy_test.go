package tokenidp

import (
	"reflect"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Whatever one of the two asks for, both together ask for.
func TestDemandsAddUp(t *testing.T) {
	const short, long = caddy.Duration(time.Minute), caddy.Duration(time.Hour)
	rule := func(value string) ClaimRule { return ClaimRule{Claim: "tenant", Values: []string{value}} }
	for name, row := range map[string]struct{ a, b, want Requirements }{
		"nothing":          {},
		"scopes":           {Requirements{Scopes: []string{"x", "y"}}, Requirements{Scopes: []string{"y", "z"}}, Requirements{Scopes: []string{"x", "y", "z"}}},
		"alternatives":     {Requirements{Scopes: []string{"x"}}, Requirements{AnyScope: []string{"y", "z"}}, Requirements{Scopes: []string{"x"}, AnyScope: []string{"y", "z"}}},
		"one audience":     {Requirements{}, Requirements{Audience: []string{"x"}}, Requirements{Audience: []string{"x"}}},
		"common audiences": {Requirements{Audience: []string{"x", "y", "z"}}, Requirements{Audience: []string{"z", "y", "w"}}, Requirements{Audience: []string{"y", "z"}}},
		"claims":           {Requirements{Claims: []ClaimRule{rule("a")}}, Requirements{Claims: []ClaimRule{rule("b")}}, Requirements{Claims: []ClaimRule{rule("a"), rule("b")}}},
		"required claims":  {Requirements{Require: []string{"x"}}, Requirements{Require: []string{"x", "y"}}, Requirements{Require: []string{"x", "y"}}},
		"expressions":      {Requirements{Expressions: []string{"true"}}, Requirements{Expressions: []string{"false"}}, Requirements{Expressions: []string{"true", "false"}}},
		"times":            {Requirements{MaxAge: short, MaxLifetime: long}, Requirements{MaxAge: long, MaxLifetime: short}, Requirements{MaxAge: short, MaxLifetime: short}},
		"one time":         {Requirements{MaxAge: long}, Requirements{MaxLifetime: long}, Requirements{MaxAge: long, MaxLifetime: long}},
		"a mistaken time":  {Requirements{MaxAge: -1}, Requirements{}, Requirements{MaxAge: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := row.a.merge(row.b)
			if err != nil || !reflect.DeepEqual(got, row.want) {
				t.Errorf("%+v, %v; want %+v", got, err, row.want)
			}
		})
	}
}

func TestDemandsThatExcludeEachOther(t *testing.T) {
	for name, row := range map[string]struct{ a, b Requirements }{
		"audiences":           {Requirements{Audience: []string{"x"}}, Requirements{Audience: []string{"y"}}},
		"alternatives of two": {Requirements{AnyScope: []string{"x"}}, Requirements{AnyScope: []string{"x"}}},
	} {
		if got, err := row.a.merge(row.b); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The route of one verify does not change what the policy asks of another.
func TestPoliciesStayAsTheyAre(t *testing.T) {
	p := &Policy{Name: "p", Requirements: Requirements{Scopes: append(make([]string, 0, 8), "x"), Require: append(make([]string, 0, 8), "r")}}
	a := &App{Policies: []*Policy{p, {Name: "q", Requirements: Requirements{Scopes: []string{"z"}, Require: []string{"s"}}}}}
	for range 2 {
		v := &Verify{Policies: []string{"p", "q"}}
		if err := v.applyPolicies(a); err != nil || !reflect.DeepEqual(v.Scopes, []string{"x", "z"}) || !reflect.DeepEqual(v.Require, []string{"r", "s"}) {
			t.Errorf("%+v, %v", v.Requirements, err)
		}
	}
	if len(p.Scopes) != 1 || p.Scopes[:2][1] != "" {
		t.Errorf("the policy asks for %q", p.Scopes[:2])
	}
}
