package application

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

const pathless = `
resources:
  - name: mcp
    resource: https://mcp.example.com%s
    scopes: [{name: mcp.use}]
    introspection: [worker]
applications:
  - {client_id: worker, active: false, scopes: [mcp.use]}
`

// RFC 3986 section 6.2.3: an empty path is a slash. Either spelling finds the API, and
// the audience is the one that is declared.
func TestResourceWithAnEmptyPath(t *testing.T) {
	for _, declared := range []string{"", "/"} {
		set := mustLoad(t, strings.Replace(pathless, "%s", declared, 1))
		worker, _ := set.Application("worker")
		audience := "https://mcp.example.com" + declared
		for _, asked := range []string{"https://mcp.example.com", "https://mcp.example.com/"} {
			grant, err := set.Grant(worker, "mcp.use", []string{asked}, time.Hour)
			if err != nil || grant.Audience != audience {
				t.Errorf("%s for %s: %+v, %v", asked, audience, grant, err)
			}
			if may := set.MayIntrospect(worker, []string{asked}); may != (asked == audience) {
				t.Errorf("%s for %s: %v", asked, audience, may)
			}
		}
		for _, other := range []string{"https://mcp.example.com//", "https://mcp.example.com/x", "https://mcp.example.com?", "mcp/"} {
			if _, err := set.Grant(worker, "mcp.use", []string{other}, time.Hour); !errors.Is(err, ErrUnknownResource) {
				t.Errorf("%s: %v", other, err)
			}
		}
	}
}

// Two spellings of one URI are one resource, also when they are in two files.
func TestResourceDeclaredInBothSpellings(t *testing.T) {
	const other = `resources:
  - name: other
    resource: https://mcp.example.com/
    scopes: [{name: other.use}]
`
	one := strings.Replace(pathless, "%s", "", 1)
	for name, files := range map[string]map[string]string{
		"one file":  {"a.yaml": strings.Replace(one, "resources:\n", other, 1)},
		"two files": {"a.yaml": one, "b.yaml": other},
	} {
		paths := slices.Sorted(maps.Keys(files))
		_, _, failure := loadFrom(write(t, files), paths...)
		if !strings.Contains(failure, `resource "https://mcp.example.com`) || !strings.Contains(failure, "is already defined at a.yaml") {
			t.Errorf("%s: %s", name, failure)
		}
	}
}
