package application

import (
	"testing"
	"time"
)

// asking has Applications that may introspect tokens, declared in two files.
var asking = map[string]string{
	"apis.yaml": `
resources:
  - name: orders-api
    introspection: [orders-api]
    scopes: [{name: orders.read}]
  - name: billing-api
    resource: https://billing.example.com
    introspection: [orders-api, billing-api]
    scopes: [{name: billing.read}]
`,
	"apps.yaml": `
applications:
  - {client_id: gateway, introspection: true, secrets: [{id: a, hash: ` + validHash + `}]}
  - {client_id: orders-api, secrets: [{id: a, hash: ` + validHash + `}]}
  - {client_id: billing-api, secrets: [{id: a, hash: ` + validHash + `}], scopes: [orders.read]}
  - {client_id: worker, secrets: [{id: a, hash: ` + validHash + `}], scopes: [orders.read], quota: {tokens: 600, per: 1d}}
`,
}

// RFC 7662 section 4: who may introspect which token.
func TestMayIntrospect(t *testing.T) {
	set, _, failure := loadFrom(write(t, asking), "apis.yaml", "apps.yaml")
	if failure != "" {
		t.Fatal(failure)
	}
	for _, row := range []struct {
		name, clientID string
		audience       []string
		want           bool
	}{
		{"about any", "gateway", []string{"orders-api"}, true},
		{"about any, for an audience that is gone", "gateway", []string{"stock-api"}, true},
		{"about its own", "orders-api", []string{"orders-api"}, true},
		{"about another that names it", "orders-api", []string{"https://billing.example.com"}, true},
		{"about one that does not name it", "billing-api", []string{"orders-api"}, false},
		{"one of several audiences", "billing-api", []string{"orders-api", "https://billing.example.com"}, true},
		{"by the name of an audience that is a URI", "billing-api", []string{"billing-api"}, false},
		{"no audience", "orders-api", nil, false},
		{"an unknown audience", "orders-api", []string{"ORDERS-API", "stock-api"}, false},
		{"a client of the API", "worker", []string{"orders-api"}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, ok := set.Application(row.clientID)
			if !ok {
				t.Fatal("no such application")
			}
			if got := set.MayIntrospect(a, row.audience); got != row.want {
				t.Errorf("got %v", got)
			}
		})
	}
	if a, _ := set.Application("worker"); a.Quota != (Quota{600, 24 * time.Hour}) {
		t.Errorf("quota %+v", a.Quota)
	}
	if a, _ := set.Application("gateway"); a.Quota != (Quota{}) || len(a.Scopes) != 0 {
		t.Errorf("got %+v", a)
	}
}
