package tokenidp

import (
	"fmt"
	"slices"
	"testing"
)

// A handler is guarded if every way to it leads through a verify that lets nobody else
// through.
func TestUnguarded(t *testing.T) {
	const proxy, verify = `{"handler": "reverse_proxy", "upstreams": [{"dial": "up:1"}]}`, `{"handler": "verify", "scopes": ["a"]}`
	subroute := func(routes string) string { return `{"handler": "subroute", "routes": [` + routes + `]}` }
	route := func(handlers string) string { return `{"handle": [` + handlers + `]}` }
	matching := func(path, handlers string) string {
		return fmt.Sprintf(`{"match": [{"path": [%q]}], "handle": [%s]}`, path, handlers)
	}
	grouped := func(path, handlers string) string {
		return fmt.Sprintf(`{"group": "g", "match": [{"path": [%q]}], "handle": [%s]}`, path, handlers)
	}
	const openly, sometimes = "without a token: reverse_proxy up:1", "without a token: reverse_proxy up:1, where no verify before it matches"
	for name, row := range map[string]struct {
		routes string
		want   []string
	}{
		"alone":                               {route(proxy), []string{openly}},
		"behind verify in one chain":          {route(verify + "," + proxy), nil},
		"before it":                           {route(proxy + "," + verify), []string{openly}},
		"behind it in another route":          {route(verify) + "," + route(proxy), nil},
		"behind it in a subroute":             {route(subroute(route(verify)) + "," + proxy), nil},
		"in a subroute behind it":             {route(verify + "," + subroute(route(subroute(route(proxy))))), nil},
		"as the Caddyfile has it":             {`{"match": [{}], ` + route(verify)[1:] + "," + route(proxy), nil},
		"a route that may match":              {matching("/a", verify) + "," + route(proxy), []string{sometimes}},
		"its own route":                       {matching("/a", verify+","+proxy), nil},
		"a handle block":                      {grouped("/a", verify+","+proxy) + "," + grouped("/b", proxy), []string{openly + " at /b"}},
		"a handle block guards no other":      {grouped("/a", verify) + "," + route(proxy), []string{openly}},
		"with a matcher":                      {route(`{"handler": "verify", "match": [{"method": ["PUT"]}]},` + proxy), []string{sometimes}},
		"with preflights":                     {route(`{"handler": "verify", "allow_preflight": true},` + proxy), []string{sometimes}},
		"only reporting":                      {route(`{"handler": "verify", "report_only": true},` + proxy), []string{sometimes}},
		"a matcher, then none":                {route(`{"handler": "verify", "match": [{"method": ["PUT"]}]},` + verify + "," + proxy), nil},
		"never reached":                       {`{"terminal": true, ` + route(verify)[1:] + "," + route(proxy), nil},
		"files":                               {matching("/s", `{"handler": "file_server", "root": "/srv"}`), []string{"without a token: file_server /srv at /s"}},
		"answers by itself":                   {route(`{"handler": "static_response"}`), nil},
		"of a host":                           {`{"match": [{"host": ["a.example"]}], "terminal": true, "handle": [` + subroute(matching("/x*", proxy)) + `]}`, []string{openly + " at a.example /x*"}},
		"in a named route":                    {route(`{"handler": "invoke", "name": "api"}`), []string{openly}},
		"behind a named route":                {route(`{"handler": "invoke", "name": "guard"},` + proxy), nil},
		"a named route of itself":             {route(`{"handler": "invoke", "name": "loop"}`), []string{"without a token: invoke loop"}},
		"behind one that handles the refusal": {route(`{"handler": "subroute", "routes": [` + route(verify) + `], "errors": {"routes": []}},` + proxy), []string{sometimes}},
		"what is not understood":              {route(`{"handler": "other", "routes": 1},` + proxy), []string{openly}},
	} {
		found, err := Unguarded([]byte(`{"apps": {"http": {"servers": {"s": {"routes": [` + row.routes + `],
			"named_routes": {"api": ` + route(proxy) + `, "guard": ` + route(verify) + `, "loop": ` + route(`{"handler": "invoke", "name": "loop"}`) + `}}}}}}`))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, u := range found {
			got = append(got, u.String())
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}
