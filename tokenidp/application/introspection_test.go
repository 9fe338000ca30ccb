package application

import (
	"strings"
	"testing"
	"time"
)

// asking has Applications that may ask about tokens, declared in two files.
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

// RFC 7662 section 4: who may ask about which token.
func TestMayIntrospect(t *testing.T) {
	set := newFolder(t, asking, "*.yaml").set
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

// An Application without scopes, and a Resource that names an Application, are
// judged by all files together: before, and while they change.
func TestIntrospectionAcrossFiles(t *testing.T) {
	for _, row := range []struct{ name, file, old, new, want string }{
		{"nobody names it any more", "apis.yaml", "    introspection: [orders-api]\n", "    introspection: [worker]\n", "resource \"orders-api\" may be asked about by worker\nresource \"orders-api\" may no longer be asked about by orders-api"},
		{"no resource names it", "apis.yaml", "introspection: [orders-api", "introspection: [worker", `rejected apis.yaml: apps.yaml:4: application "orders-api": scopes is missing; without any, it can never get a token`},
		{"it is removed", "apps.yaml", "  - {client_id: billing-api,", "  - {client_id: billing,", `rejected apps.yaml: apis.yaml:8: resource "billing-api": introspection names "billing-api", which no application has as its client_id; known: billing, gateway, orders-api, worker`},
		{"it is deactivated", "apps.yaml", "{client_id: billing-api,", "{client_id: billing-api, active: false,", `application "billing-api" deactivated`},
		{"it may not ask any more", "apps.yaml", "introspection: true, ", "", `rejected apps.yaml: apps.yaml:3: application "gateway": scopes is missing; without any, it can never get a token`},
	} {
		t.Run(row.name, func(t *testing.T) {
			changed := map[string]string{"apis.yaml": asking["apis.yaml"], "apps.yaml": asking["apps.yaml"]}
			changed[row.file] = strings.ReplaceAll(changed[row.file], row.old, row.new)
			if changed[row.file] == asking[row.file] {
				t.Fatal("nothing changed")
			}
			f := newFolder(t, asking, "*.yaml")
			f.save(row.file, changed[row.file])
			if got := f.refresh(nil); got != row.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, row.want)
			}
		})
	}
}
