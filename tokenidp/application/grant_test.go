package application

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

const grantFile = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}, {name: orders.write}, {name: orders.admin}]
  - name: billing-api
    resource: https://api.example.com/billing
    scopes: [{name: billing.read}]
  - name: stock-api
    scopes: [{name: stock.read}]
applications:
  - client_id: both
    active: false
    scopes: [orders.read, orders.write, billing.read]
    default_scopes: [orders.write, orders.read]
    token_lifetime: 5m
  - client_id: plain
    active: false
    scopes: [orders.read, billing.read]
`

func TestGrant(t *testing.T) {
	set := mustLoad(t, grantFile)
	for _, row := range []struct {
		name, clientID, requested string
		resources                 []string
		want                      string // the scopes
		audience                  string
		err                       error
	}{
		{"one scope", "both", "orders.read", nil, "orders.read", "orders-api", nil},
		{"the order of the request", "both", "orders.write orders.read", nil, "orders.write orders.read", "orders-api", nil},
		{"repeats collapse", "both", "orders.write orders.read orders.write", nil, "orders.write orders.read", "orders-api", nil},
		{"the audience is the identifier", "both", "billing.read", nil, "billing.read", "https://api.example.com/billing", nil},

		{"omitted: the default", "both", "", nil, "orders.write orders.read", "orders-api", nil},
		{"omitted, no default", "plain", "", nil, "", "", ErrNoScope},

		{"two spaces", "both", "orders.read  orders.write", nil, "orders.read orders.write", "orders-api", nil},
		{"a space in front", "both", " orders.read", nil, "orders.read", "orders-api", nil},
		{"a space behind", "both", "orders.read ", nil, "orders.read", "orders-api", nil},

		{"blank", "both", " ", nil, "", "", ErrMalformedScope},
		{"a space of another width", "both", "orders.read\u2003orders.write", nil, "", "", ErrMalformedScope},
		{"a tab", "both", "orders.read\torders.write", nil, "", "", ErrMalformedScope},
		{"a line break", "both", "orders.read\n", nil, "", "", ErrMalformedScope},
		{"a quote", "both", `orders"read`, nil, "", "", ErrMalformedScope},
		{"a backslash", "both", `orders\read`, nil, "", "", ErrMalformedScope},
		{"not ASCII", "both", "örders.read", nil, "", "", ErrMalformedScope},

		{"not granted", "both", "orders.admin", nil, "", "", ErrScopeNotGranted},
		{"unknown", "both", "nonsense", nil, "", "", ErrScopeNotGranted},
		{"another case", "both", "Orders.Read", nil, "", "", ErrScopeNotGranted},
		{"nothing is narrowed", "both", "orders.read orders.admin", nil, "", "", ErrScopeNotGranted},
		{"not granted, of another resource", "both", "orders.read stock.read", nil, "", "", ErrScopeNotGranted},

		{"two resources", "both", "orders.read billing.read", nil, "", "", ErrScopeOfSeveralResources},
		{"two resources, one named", "both", "orders.read billing.read", []string{"orders-api"}, "", "", ErrScopeOfSeveralResources},

		{"resource by name", "both", "orders.read", []string{"orders-api"}, "orders.read", "orders-api", nil},
		{"resource by identifier", "both", "billing.read", []string{"https://api.example.com/billing"}, "billing.read", "https://api.example.com/billing", nil},
		{"resource by name, with an identifier", "both", "billing.read", []string{"billing-api"}, "billing.read", "https://api.example.com/billing", nil},
		{"resource twice", "both", "billing.read", []string{"billing-api", "https://api.example.com/billing"}, "billing.read", "https://api.example.com/billing", nil},
		{"another resource", "both", "orders.read", []string{"billing-api"}, "", "", ErrWrongResource},
		{"another resource beside", "both", "orders.read", []string{"orders-api", "billing-api"}, "", "", ErrWrongResource},
		{"another resource than the default's", "both", "", []string{"billing-api"}, "", "", ErrWrongResource},
		{"unknown resource", "both", "orders.read", []string{"https://evil.example.com"}, "", "", ErrUnknownResource},
		{"resource without a scope for it", "both", "orders.read", []string{"stock-api"}, "", "", ErrUnknownResource},
		{"empty resource", "both", "orders.read", []string{""}, "", "", ErrUnknownResource},
		{"resource with a fragment", "both", "billing.read", []string{"https://api.example.com/billing#a"}, "", "", ErrUnknownResource},
		{"resource with a slash more", "both", "billing.read", []string{"https://api.example.com/billing/"}, "", "", ErrUnknownResource},
		{"resource in another case", "both", "billing.read", []string{"HTTPS://api.example.com/billing"}, "", "", ErrUnknownResource},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, _ := set.Application(row.clientID)
			grant, err := set.Grant(a, row.requested, row.resources, time.Hour)
			if !errors.Is(err, row.err) {
				t.Fatalf("Grant = %v, %v; want %v", grant, err, row.err)
			}
			if err != nil {
				if grant != nil {
					t.Errorf("a grant with the error: %v", grant)
				}
				return
			}
			if got := strings.Join(grant.Scopes, " "); got != row.want {
				t.Errorf("scopes %q, want %q", got, row.want)
			}
			if grant.Audience != row.audience || grant.Resource.Audience() != row.audience {
				t.Errorf("audience %q of %v, want %q", grant.Audience, grant.Resource, row.audience)
			}
		})
	}
}

func TestGrantErrorsNameTheCause(t *testing.T) {
	set := mustLoad(t, grantFile)
	a, _ := set.Application("both")
	for _, row := range []struct {
		requested string
		resources []string
		want      string
	}{
		{"orders.admin", nil, `scope not granted: application "both" may not have "orders.admin"`},
		{"orders.read billing.read", nil, `scopes of several resources: "orders.read" is of "orders-api", "billing.read" of "billing-api"`},
		{"orders.read", []string{"billing-api"}, `scopes are not of the requested resource: they are of "orders-api", not of "billing-api"`},
		{"orders.read", []string{"a\nb"}, `unknown resource: application "both" has no scope of "a\nb"`},
		{strings.Repeat("a", 1000), nil, `scope not granted: application "both" may not have "` + strings.Repeat("a", 64) + `"…`},
	} {
		if _, err := set.Grant(a, row.requested, row.resources, 0); err == nil || err.Error() != row.want {
			t.Errorf("got  %v\nwant %s", err, row.want)
		}
	}
}

func TestGrantLifetime(t *testing.T) {
	set := mustLoad(t, grantFile)
	for clientID, want := range map[string]time.Duration{"both": 5 * time.Minute, "plain": time.Hour} {
		a, _ := set.Application(clientID)
		grant, err := set.Grant(a, "orders.read", nil, time.Hour)
		if err != nil || grant.Lifetime != want {
			t.Errorf("%s: %v, %v; want %v", clientID, grant, err, want)
		}
	}
}

func TestGrantDoesNotShareTheDefault(t *testing.T) {
	set := mustLoad(t, grantFile)
	a, _ := set.Application("both")
	grant, err := set.Grant(a, "", nil, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	grant.Scopes[0] = "orders.admin"
	if !slices.Equal(a.DefaultScopes, []string{"orders.write", "orders.read"}) {
		t.Errorf("the default became %v", a.DefaultScopes)
	}
}
