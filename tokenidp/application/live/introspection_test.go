package live

import (
	"strings"
	"testing"
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
