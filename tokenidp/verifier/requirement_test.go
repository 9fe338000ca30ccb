package verifier

import (
	"errors"
	"reflect"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// RFC 9068 section 4, RFC 6750 section 3.1.
func TestAuthorize(t *testing.T) {
	orders := &Claims{Audience: []string{"orders-api"}, Scope: []string{"orders.read", "orders.write"}}
	both := &Claims{Audience: []string{"orders-api", "billing-api"}, Scope: []string{"orders.read"}}
	bare := &Claims{Audience: []string{"orders-api"}}
	anyOf := []Alternative{{"orders.admin", "orders-api"}, {"billing.read", "billing-api"}, {"orders.read", "orders-api"}}
	audience := []string{"orders-api"}
	for name, row := range map[string]struct {
		claims      *Claims
		requirement *Requirement
		reason      Reason
		scope       []string
	}{
		"audience alone":           {bare, &Requirement{Audiences: audience}, "", nil},
		"one of the audiences":     {orders, &Requirement{Audiences: []string{"x", "orders-api"}}, "", nil},
		"one scope":                {orders, &Requirement{Audiences: audience, Scopes: []string{"orders.read"}}, "", nil},
		"both scopes":              {orders, &Requirement{Audiences: audience, Scopes: []string{"orders.write", "orders.read"}}, "", nil},
		"an alternative":           {orders, &Requirement{Alternatives: anyOf}, "", nil},
		"alternative of two":       {both, &Requirement{Alternatives: anyOf}, "", nil},
		"alternative and scope":    {orders, &Requirement{Audiences: audience, Scopes: []string{"orders.write"}, Alternatives: anyOf}, "", nil},
		"another audience":         {orders, &Requirement{Audiences: []string{"billing-api"}, Scopes: []string{"orders.read"}}, WrongAudience, nil},
		"audience before scope":    {orders, &Requirement{Audiences: []string{"billing-api"}, Scopes: []string{"x"}}, WrongAudience, nil},
		"audience as a prefix":     {orders, &Requirement{Audiences: []string{"orders-api-2"}}, WrongAudience, nil},
		"audience as a part":       {orders, &Requirement{Audiences: []string{"orders"}}, WrongAudience, nil},
		"audience in another case": {orders, &Requirement{Audiences: []string{"Orders-API"}}, WrongAudience, nil},
		"audience with a slash":    {orders, &Requirement{Audiences: []string{"orders-api/"}}, WrongAudience, nil},
		"empty audience":           {orders, &Requirement{Audiences: []string{""}}, WrongAudience, nil},
		"no audience in the token": {&Claims{Scope: orders.Scope}, &Requirement{Audiences: audience}, WrongAudience, nil},
		"one scope missing":        {both, &Requirement{Audiences: audience, Scopes: []string{"orders.read", "orders.write"}}, MissingScope, []string{"orders.read", "orders.write"}},
		"no scope in the token":    {bare, &Requirement{Audiences: audience, Scopes: []string{"orders.read"}}, MissingScope, []string{"orders.read"}},
		"scope as a part":          {orders, &Requirement{Audiences: audience, Scopes: []string{"orders"}}, MissingScope, []string{"orders"}},
		"scope in another case":    {orders, &Requirement{Audiences: audience, Scopes: []string{"Orders.Read"}}, MissingScope, []string{"Orders.Read"}},
		"empty scope":              {orders, &Requirement{Audiences: audience, Scopes: []string{""}}, MissingScope, []string{""}},
		"two scopes in one":        {orders, &Requirement{Audiences: audience, Scopes: []string{"orders.read orders.write"}}, MissingScope, []string{"orders.read orders.write"}},
		"no alternative's audience": {
			orders, &Requirement{Alternatives: []Alternative{{"orders.read", "billing-api"}}}, WrongAudience, nil,
		},
		"alternative of an audience the token has not": {
			bare, &Requirement{Alternatives: append(anyOf[1:2:2], anyOf[0])}, MissingScope, []string{"billing.read", "orders.admin"},
		},
		"scope held, but under the other's audience": {
			&Claims{Audience: []string{"orders-api"}, Scope: []string{"billing.read"}},
			&Requirement{Alternatives: anyOf}, MissingScope, []string{"orders.admin", "billing.read", "orders.read"},
		},
		"alternative held, scope missing": {
			both, &Requirement{Audiences: audience, Scopes: []string{"orders.write"}, Alternatives: anyOf},
			MissingScope, []string{"orders.write", "orders.admin", "billing.read", "orders.read"},
		},
		"repeats are named once": {
			bare, &Requirement{Audiences: audience, Scopes: []string{"a", "a"}, Alternatives: []Alternative{{"a", "orders-api"}}},
			MissingScope, []string{"a"},
		},
		"empty alternative":          {orders, &Requirement{Alternatives: []Alternative{{}}}, WrongAudience, nil},
		"audience not, alternatives": {orders, &Requirement{Audiences: []string{"x"}, Alternatives: anyOf}, WrongAudience, nil},
		"nothing required":           {orders, &Requirement{}, WrongAudience, nil},
		"scopes without audience":    {orders, &Requirement{Scopes: []string{"orders.read"}}, WrongAudience, nil},
		"no requirement":             {orders, nil, WrongAudience, nil},
		"no claims":                  {nil, &Requirement{Audiences: audience}, NoToken, nil},
		"neither":                    {nil, nil, NoToken, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := row.claims.Authorize(row.requirement, clock, nil)
			if row.reason == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantRefusal(t, err, row.reason, "")
			var refusal *Refusal
			if errors.As(err, &refusal); !reflect.DeepEqual(refusal.Scope, row.scope) {
				t.Errorf("scope %q, want %q", refusal.Scope, row.scope)
			}
		})
	}
}

// One token on two routes: the result of the first does not affect the second.
func TestAuthorizeRemembersNothing(t *testing.T) {
	c := &Claims{Audience: []string{"orders-api"}, Scope: []string{"orders.read"}}
	read := &Requirement{Audiences: []string{"orders-api"}, Scopes: []string{"orders.read"}}
	write := &Requirement{Audiences: []string{"orders-api"}, Scopes: []string{"orders.write"}}
	for range 2 {
		if err := c.Authorize(read, clock, nil); err != nil {
			t.Error(err)
		}
		wantRefusal(t, c.Authorize(write, clock, nil), MissingScope, "")
	}
}

// Only a present value of the right type, equal byte for byte, meets a claim rule.
func TestAuthorizeByClaims(t *testing.T) {
	c := &Claims{Audience: []string{"orders-api"}, all: claimsOf(object{
		"repository": "my-org/my-repo", "run": strictjson.Number("7"), "prod": true, "nothing": nil,
		"groups": []any{"staff", strictjson.Number("7"), map[string]any{"x": "y"}}, "none": []any{},
		"kubernetes.io": map[string]any{"namespace": "shop"},
	})}
	for name, row := range map[string]struct {
		rule claimrule.Rule
		ok   bool
	}{
		"equal":             {claimrule.Rule{Path: claimrule.Path{"repository"}, Values: []string{"my-org/my-repo"}}, true},
		"one of several":    {claimrule.Rule{Path: claimrule.Path{"repository"}, Values: []string{"other", "my-org/my-repo"}}, true},
		"another":           {claimrule.Rule{Path: claimrule.Path{"repository"}, Values: []string{"my-org/other"}}, false},
		"a part":            {claimrule.Rule{Path: claimrule.Path{"repository"}, Values: []string{"my-org"}}, false},
		"another case":      {claimrule.Rule{Path: claimrule.Path{"repository"}, Values: []string{"My-Org/my-repo"}}, false},
		"missing":           {claimrule.Rule{Path: claimrule.Path{"owner"}, Values: []string{""}}, false},
		"number":            {claimrule.Rule{Path: claimrule.Path{"run"}, Values: []string{"7"}}, true},
		"number, otherwise": {claimrule.Rule{Path: claimrule.Path{"run"}, Values: []string{"7.0"}}, false},
		"boolean":           {claimrule.Rule{Path: claimrule.Path{"prod"}, Values: []string{"true"}}, true},
		"null":              {claimrule.Rule{Path: claimrule.Path{"nothing"}, Values: []string{"", "null", "<nil>"}}, false},
		"in a list":         {claimrule.Rule{Path: claimrule.Path{"groups"}, Values: []string{"staff"}}, true},
		"not in the list":   {claimrule.Rule{Path: claimrule.Path{"groups"}, Values: []string{"admins"}}, false},
		"an empty list":     {claimrule.Rule{Path: claimrule.Path{"none"}, Values: []string{""}}, false},
		"nested":            {claimrule.Rule{Path: claimrule.Path{"kubernetes.io", "namespace"}, Values: []string{"shop"}}, true},
		"an object":         {claimrule.Rule{Path: claimrule.Path{"kubernetes.io"}, Values: []string{"map[namespace:shop]"}}, false},
		"no values":         {claimrule.Rule{Path: claimrule.Path{"repository"}}, false},
		"no path":           {claimrule.Rule{Values: []string{""}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			always := claimrule.Rule{Path: claimrule.Path{"prod"}, Values: []string{"true"}}
			err := c.Authorize(&Requirement{Audiences: []string{"orders-api"}, Claims: []claimrule.Rule{always, row.rule}}, clock, nil)
			if row.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantRefusal(t, err, ClaimNotAccepted, "")
		})
	}
}
