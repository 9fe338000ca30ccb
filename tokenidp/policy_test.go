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
	for name, row := range map[string]struct{ a, b, want Demands }{
		"nothing":          {},
		"scopes":           {Demands{Scopes: []string{"x", "y"}}, Demands{Scopes: []string{"y", "z"}}, Demands{Scopes: []string{"x", "y", "z"}}},
		"alternatives":     {Demands{Scopes: []string{"x"}}, Demands{AnyScope: []string{"y", "z"}}, Demands{Scopes: []string{"x"}, AnyScope: []string{"y", "z"}}},
		"one audience":     {Demands{}, Demands{Audience: []string{"x"}}, Demands{Audience: []string{"x"}}},
		"common audiences": {Demands{Audience: []string{"x", "y", "z"}}, Demands{Audience: []string{"z", "y", "w"}}, Demands{Audience: []string{"y", "z"}}},
		"claims":           {Demands{Claims: []ClaimRule{rule("a")}}, Demands{Claims: []ClaimRule{rule("b")}}, Demands{Claims: []ClaimRule{rule("a"), rule("b")}}},
		"required claims":  {Demands{Require: []string{"x"}}, Demands{Require: []string{"x", "y"}}, Demands{Require: []string{"x", "y"}}},
		"expressions":      {Demands{Expressions: []string{"true"}}, Demands{Expressions: []string{"false"}}, Demands{Expressions: []string{"true", "false"}}},
		"times":            {Demands{MaxAge: short, MaxLifetime: long}, Demands{MaxAge: long, MaxLifetime: short}, Demands{MaxAge: short, MaxLifetime: short}},
		"one time":         {Demands{MaxAge: long}, Demands{MaxLifetime: long}, Demands{MaxAge: long, MaxLifetime: long}},
		"a mistaken time":  {Demands{MaxAge: -1}, Demands{}, Demands{MaxAge: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := row.a.and(row.b)
			if err != nil || !reflect.DeepEqual(got, row.want) {
				t.Errorf("%+v, %v; want %+v", got, err, row.want)
			}
		})
	}
}

func TestDemandsThatExcludeEachOther(t *testing.T) {
	for name, row := range map[string]struct{ a, b Demands }{
		"audiences":           {Demands{Audience: []string{"x"}}, Demands{Audience: []string{"y"}}},
		"alternatives of two": {Demands{AnyScope: []string{"x"}}, Demands{AnyScope: []string{"x"}}},
	} {
		if got, err := row.a.and(row.b); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The route of one verify does not change what the policy asks of another.
func TestPoliciesStayAsTheyAre(t *testing.T) {
	p := &Policy{Name: "p", Demands: Demands{Scopes: append(make([]string, 0, 8), "x"), Require: append(make([]string, 0, 8), "r")}}
	a := &App{Policies: []*Policy{p, {Name: "q", Demands: Demands{Scopes: []string{"z"}, Require: []string{"s"}}}}}
	for range 2 {
		v := &Verify{Policies: []string{"p", "q"}}
		if err := v.takeUp(a); err != nil || !reflect.DeepEqual(v.Scopes, []string{"x", "z"}) || !reflect.DeepEqual(v.Require, []string{"r", "s"}) {
			t.Errorf("%+v, %v", v.Demands, err)
		}
	}
	if len(p.Scopes) != 1 || p.Scopes[:2][1] != "" {
		t.Errorf("the policy asks for %q", p.Scopes[:2])
	}
}
