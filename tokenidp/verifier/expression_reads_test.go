package verifier

import (
	"reflect"
	"testing"
)

func TestExpressionReads(t *testing.T) {
	for source, want := range map[string]Reads{
		`claims.tenant == 'a' && claims['tenant'] != 'b'`:         {Claims: []string{"tenant"}},
		`has(claims.groups) && claims.groups.exists(g, g == 'x')`: {Claims: []string{"groups"}},
		`claims.act.sub == 'x'`:                                   {Claims: []string{"act"}},
		`claims[request.method] == 'a'`:                           {AllClaims: true},
		`'tenant' in claims`:                                      {AllClaims: true},
		`claims.exists(name, name == 'x')`:                        {AllClaims: true},
		`'orders.read' in scopes`:                                 {Scopes: true},
		`request.path.startsWith('/' + client_id)`:                {ClientID: true},
		`issuer == 'x' && 'y' in audience`:                        {},
	} {
		e, err := NewExpression(source)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Reads(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", source, got, want)
		}
	}
}
