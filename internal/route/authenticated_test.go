package route_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
)

// A handler is authenticated if every way to it passes something that requires credentials.
func TestAuthenticated(t *testing.T) {
	const (
		page, verify, basic = `{"handler": "tokenidp_status"}`, `{"handler": "verify", "scopes": ["a"]}`, `{"handler": "authentication", "providers": {"http_basic": {}}}`
		forward             = `{"handler": "reverse_proxy", "rewrite": {"method": "GET"}, "upstreams": [{"dial": "up:1"}], "handle_response": [{"match": {"status_code": [2]}, "routes": [{"handle": [{"handler": "vars"}]}]}]}`
	)
	responses := func(all ...string) string {
		return `{"handler": "reverse_proxy", "rewrite": {"method": "GET"}, "upstreams": [{"dial": "up:1"}], "handle_response": [` + strings.Join(all, ",") + `]}`
	}
	response := func(codes, routes string) string {
		return fmt.Sprintf(`{"match": {"status_code": %s}, "routes": %s}`, codes, routes)
	}
	const passes = `[{"handle": [{"handler": "vars"}]}]`
	entry := func(handlers string) string { return `{"handle": [` + handlers + `]}` }
	matching := func(path, handlers string) string {
		return fmt.Sprintf(`{"match": [{"path": [%q]}], "handle": [%s]}`, path, handlers)
	}
	subroute := func(routes string) string { return `{"handler": "subroute", "routes": [` + routes + `]}` }
	for name, row := range map[string]struct {
		routes string
		want   bool
	}{
		"alone":                                   {entry(page), false},
		"behind verify":                           {entry(verify + "," + page), true},
		"behind basic_auth":                       {entry(basic + "," + page), true},
		"behind forward_auth":                     {entry(forward + "," + page), true},
		"behind a cache":                          {entry(responses(response(`[404]`, `[]`)) + "," + page), false},
		"behind a cache with a handler":           {entry(responses(response(`[2, 404]`, passes)) + "," + page), false},
		"behind one for any response":             {entry(responses(response(`[]`, `[]`)) + "," + page), false},
		"behind forward_auth that passes others":  {entry(responses(response(`[2]`, passes), response(`[401]`, `[]`)) + "," + page), false},
		"behind forward_auth that answers others": {entry(responses(response(`[2]`, passes), response(`[401]`, `[{"handle": [{"handler": "static_response"}]}]`)) + "," + page), true},
		"before basic_auth":                       {entry(page + "," + basic), false},
		"behind it in another route":              {entry(basic) + "," + entry(page), true},
		"behind it, where it matches":             {matching("/a", basic) + "," + entry(page), false},
		"in its route":                            {matching("/a", basic+","+page), true},
		"in a subroute behind it":                 {entry(basic + "," + subroute(entry(page))), true},
		"behind a subroute with it":               {entry(subroute(entry(basic)) + "," + page), true},
		"behind a verify that reports":            {entry(`{"handler": "verify", "report_only": true},` + page), false},
		"behind a verify that may":                {entry(`{"handler": "verify", "match": [{"path": ["/a"]}]},` + page), false},
		"behind both, where each matches":         {matching("/a", basic) + "," + matching("/a", verify) + "," + entry(page), false},
		"for errors of what asks for them":        {entry(`{"handler": "subroute", "routes": [` + entry(basic) + `], "errors": {"routes": [` + entry(page) + `]}}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := route.Read([]byte(`{"apps": {"http": {"servers": {"s": {"listen": [":80"], "routes": [` + row.routes + `]}}}}}`))
			if err != nil {
				t.Fatal(err)
			}
			found := c.To(route.StatusPage)
			if len(found) != 1 || found[0].Authenticated != row.want {
				t.Errorf("%d pages, authenticated %t", len(found), found[0].Authenticated)
			}
			for _, proxy := range c.To("reverse_proxy") {
				if asks := !proxy.Handler.Serves(); asks != row.want || asks != strings.HasPrefix(proxy.Handler.String(), "forward_auth") {
					t.Errorf("%s serves: %t", proxy.Handler, !asks)
				}
			}
		})
	}
}
