package route_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
)

// unverified returns what a request reaches without a token, and where.
func unverified(c *route.Config) (all []string) {
	for _, r := range c.Unverified() {
		text := r.Handler.String()
		switch {
		case strings.HasPrefix(r.ID, "after "):
			text += " " + r.ID
		case r.ID != "":
			text += " at " + r.ID
		}
		if r.Guard == route.Conditional {
			text += ", sometimes"
		}
		all = append(all, text)
	}
	return all
}

// A handler is guarded if every way to it passes a verify that always requires a token.
func TestUnverified(t *testing.T) {
	const proxy, verify = `{"handler": "reverse_proxy", "upstreams": [{"dial": "up:1"}]}`, `{"handler": "verify", "scopes": ["a"]}`
	subroute := func(routes string) string { return `{"handler": "subroute", "routes": [` + routes + `]}` }
	handling := func(routes, errors string) string {
		return `{"handler": "subroute", "routes": [` + routes + `], "errors": {"routes": [` + errors + `]}}`
	}
	entry := func(handlers string) string { return `{"handle": [` + handlers + `]}` }
	matching := func(path, handlers string) string {
		return fmt.Sprintf(`{"match": [{"path": [%q]}], "handle": [%s]}`, path, handlers)
	}
	grouped := func(path, handlers string) string {
		return fmt.Sprintf(`{"group": "g", "match": [{"path": [%q]}], "handle": [%s]}`, path, handlers)
	}
	const openly, sometimes, answer = "reverse_proxy up:1", "reverse_proxy up:1, sometimes", `{"handler": "static_response"}`
	for name, row := range map[string]struct {
		routes string
		want   []string
	}{
		"alone":                               {entry(proxy), []string{openly}},
		"behind verify in one chain":          {entry(verify + "," + proxy), nil},
		"before it":                           {entry(proxy + "," + verify), []string{openly}},
		"behind it in another route":          {entry(verify) + "," + entry(proxy), nil},
		"behind it in a subroute":             {entry(subroute(entry(verify)) + "," + proxy), nil},
		"in a subroute behind it":             {entry(verify + "," + subroute(entry(subroute(entry(proxy))))), nil},
		"as the Caddyfile has it":             {`{"match": [{}], ` + entry(verify)[1:] + "," + entry(proxy), nil},
		"a route that may match":              {matching("/a", verify) + "," + entry(proxy), []string{sometimes}},
		"its own route":                       {matching("/a", verify+","+proxy), nil},
		"a handle block":                      {grouped("/a", verify+","+proxy) + "," + grouped("/b", proxy), []string{openly + " at /b"}},
		"a handle block guards no other":      {grouped("/a", verify) + "," + entry(proxy), []string{openly}},
		"every handle block does":             {grouped("/a", verify) + `,{"group": "g", ` + entry(verify)[1:] + "," + entry(proxy), nil},
		"every handle block but one does":     {grouped("/a", answer) + "," + grouped("/b", "") + `,{"group": "g", ` + entry(verify)[1:] + "," + entry(proxy), []string{openly}},
		"with a matcher":                      {entry(`{"handler": "verify", "match": [{"method": ["PUT"]}]},` + proxy), []string{sometimes}},
		"with preflights":                     {entry(`{"handler": "verify", "allow_preflight": true},` + proxy), []string{sometimes}},
		"only reporting":                      {entry(`{"handler": "verify", "report_only": true},` + proxy), []string{sometimes}},
		"a group that is left":                {grouped("/a", `{"handler": "headers"}`) + "," + entry(`{"handler": "vars"}`) + `,{"group": "g", "handle": [` + verify + `]},` + entry(proxy), []string{openly}},
		"a matcher, then none":                {entry(`{"handler": "verify", "match": [{"method": ["PUT"]}]},` + verify + "," + proxy), nil},
		"never reached":                       {`{"terminal": true, ` + entry(verify)[1:] + "," + entry(proxy), nil},
		"behind what answers":                 {entry(answer + "," + proxy), nil},
		"behind what answers, if it matches":  {matching("/a", answer) + "," + entry(proxy), []string{openly}},
		"behind what fails":                   {entry(`{"handler": "error"},` + proxy), nil},
		"behind early hints":                  {entry(`{"handler": "static_response", "status_code": 103},` + proxy), []string{openly}},
		"files":                               {matching("/s", `{"handler": "file_server", "root": "/srv"}`), []string{"file_server /srv at /s"}},
		"files, then a proxy":                 {entry(`{"handler": "file_server", "pass_thru": true},` + proxy), []string{"file_server", openly}},
		"answers by itself":                   {entry(answer), nil},
		"of a host":                           {`{"match": [{"host": ["a.example"]}], "terminal": true, "handle": [` + subroute(matching("/x*", proxy)) + `]}`, []string{openly + " at a.example/x*"}},
		"in a named route":                    {entry(`{"handler": "invoke", "name": "api"}`), []string{openly}},
		"behind a named route":                {entry(`{"handler": "invoke", "name": "guard"},` + proxy), nil},
		"a named route of itself":             {entry(`{"handler": "invoke", "name": "loop"}`), []string{"invoke loop"}},
		"a named route that is not there":     {entry(`{"handler": "invoke", "name": "none"}`), []string{"invoke none"}},
		"behind one that handles the refusal": {entry(handling(entry(verify), "") + "," + proxy), []string{sometimes}},
		"one that answers the refusal":        {entry(handling(entry(verify), entry(answer)) + "," + proxy), nil},
		"in what handles the refusal":         {entry(handling(entry(verify+","+proxy), entry(proxy))), []string{openly + " after an error"}},
		"in it, behind another verify":        {entry(verify + "," + handling(entry(verify+","+proxy), entry(proxy))), nil},
		"what is not understood":              {entry(`{"handler": "other", "routes": 1},` + proxy), []string{openly}},
		"in what is not understood":           {entry(`{"handler": "other", "x": {"y": [` + entry(proxy) + `,` + proxy + `]}}`), []string{openly, openly}},
		"behind a verify in that":             {entry(`{"handler": "other", "x": ` + entry(verify) + `},` + proxy), []string{openly}},
	} {
		c := read(t, []byte(`{"apps": {"http": {"servers": {"s": {"routes": [`+row.routes+`],
			"named_routes": {"api": `+entry(proxy)+`, "guard": `+entry(verify)+`, "loop": `+entry(`{"handler": "invoke", "name": "loop"}`)+`}}}}}}`))
		if got := unverified(c); !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}

// The JSON of directives of a Caddyfile.
func TestUnverifiedInACaddyfile(t *testing.T) {
	for name, row := range map[string]struct {
		site string
		want []string
	}{
		"a proxy":                              {"verify a\nreverse_proxy up:1", nil},
		"a catch-all":                          {"handle /a* {\nverify a\nreverse_proxy up:1\n}\nhandle {\nreverse_proxy up:2\n}", []string{"reverse_proxy up:2 at a.example"}},
		"what handles a refusal":               {"verify a\nreverse_proxy up:1\nhandle_errors {\nreverse_proxy up:2\n}", []string{"reverse_proxy up:2 at a.example after an error"}},
		"what answers a refusal":               {"verify a\nreverse_proxy up:1\nhandle_errors {\nrespond no\n}", nil},
		"what verifies once more":              {"verify a\nreverse_proxy up:1\nhandle_errors {\nverify a\nreverse_proxy up:2\n}", nil},
		"error pages":                          {"verify a\nreverse_proxy up:1\nhandle_errors 404 {\nroot /srv\nrewrite * /404.html\nfile_server\n}", []string{"file_server at a.example expression {http.error.status_code} in [404] after an error"}},
		"forward_auth":                         {"forward_auth auth:1 {\nuri /check\n}\nreverse_proxy up:1", []string{"forward_auth auth:1 at a.example", "reverse_proxy up:1 at a.example"}},
		"forward_auth, then verify":            {"route {\nforward_auth auth:1 {\nuri /check\n}\nverify a\nreverse_proxy up:1\n}", []string{"forward_auth auth:1 at a.example"}},
		"forward_auth behind verify":           {"verify a\nforward_auth auth:1 {\nuri /check\n}\nreverse_proxy up:1", nil},
		"a proxy behind a proxy":               {"route {\nreverse_proxy up:1\nreverse_proxy up:2\n}", []string{"reverse_proxy up:1 at a.example"}},
		"another status of a proxy":            {"route {\nreverse_proxy up:1 {\nreplace_status 201\n}\nreverse_proxy up:2\n}", []string{"reverse_proxy up:1 at a.example"}},
		"a response":                           {"reverse_proxy up:1 {\n@e status 404\nhandle_response @e {\nreverse_proxy up:2\n}\n}", []string{"reverse_proxy up:1 at a.example", "reverse_proxy up:2 at a.example after a response"}},
		"a response behind verify":             {"verify a\nreverse_proxy up:1 {\nhandle_response {\nreverse_proxy up:2\n}\n}", nil},
		"a response that is copied":            {"route {\nreverse_proxy up:1 {\nhandle_response {\ncopy_response\n}\n}\nreverse_proxy up:2\n}", []string{"reverse_proxy up:1 at a.example"}},
		"a response to what is verified":       {"route {\nintercept {\nhandle_response {\nreverse_proxy up:2\n}\n}\nverify a\nreverse_proxy up:1\n}", nil},
		"a response to what is not":            {"route {\nintercept {\nhandle_response {\nreverse_proxy up:2\n}\n}\nrespond /health ok\nverify a\nreverse_proxy up:1\n}", []string{"reverse_proxy up:2 at a.example after a response"}},
		"a response to what is not always":     {"route {\nintercept {\nhandle_response {\nreverse_proxy up:2\n}\n}\nverify /x a\nrespond ok\n}", []string{"reverse_proxy up:2 at a.example after a response, sometimes"}},
		"responses within one another":         {"route {\nintercept {\nhandle_response {\nreverse_proxy up:3\n}\n}\nverify a\nintercept {\nhandle_response {\nreverse_proxy up:2\n}\n}\nreverse_proxy up:1\n}", nil},
		"a response to an intercepted one":     {"route {\nintercept {\nhandle_response {\nreverse_proxy up:3\n}\n}\nroute /h {\nintercept {\nhandle_response {\nrespond ok\n}\n}\nrespond ok\n}\nverify a\nreverse_proxy up:1\n}", []string{"reverse_proxy up:3 at a.example after a response"}},
		"a response in a handle that verifies": {"handle /a {\nroute {\nintercept {\nhandle_response {\nreverse_proxy up:2\n}\n}\nverify a\nreverse_proxy up:1\n}\n}\nhandle {\nrespond ok\n}", nil},
		"php":                                  {"verify /x* a\nphp_fastcgi php:1", []string{"reverse_proxy php:1 at a.example *.php, sometimes"}},
		"invoke":                               {"handle /a {\ninvoke api\n}\nhandle /b {\nreverse_proxy up:2\n}", []string{"reverse_proxy up:2 at a.example/b"}},
	} {
		if got := unverified(read(t, adapt(t, "a.example {\n"+row.site+"\n}"))); !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}
