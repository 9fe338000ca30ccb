package route_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/tokenidp/caddy-tokenidp/caddyfile"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
)

// adapt adapts sites, together with a snippet and a named route.
func adapt(t *testing.T, sites string) []byte {
	t.Helper()
	const shared = "{\n\tauto_https off\n}\n(guard) {\n\tverify orders.read\n}\n&(api) {\n\tverify orders.read\n\treverse_proxy up:1\n}\n"
	return adaptAll(t, shared+sites+"\n")
}

func adaptAll(t *testing.T, caddyfile string) []byte {
	t.Helper()
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatalf("%v\n%s", err, caddyfile)
	}
	return adapted
}

func read(t *testing.T, config []byte) *route.Config {
	t.Helper()
	c, err := route.Read(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// withoutSources returns the same configuration as if written by hand as JSON.
func withoutSources(config []byte) []byte {
	return bytes.ReplaceAll(regexp.MustCompile(`"source":"[^"]*",?`).ReplaceAll(config, nil), []byte(",}"), []byte("}"))
}

func ids(routes []*route.Route) (all []string) {
	for _, r := range routes {
		all = append(all, r.ID)
	}
	return all
}

// The matchers identify a route to a verify, in a Caddyfile and in JSON.
func TestRoutesAreKnownByHostPathAndMethod(t *testing.T) {
	for name, row := range map[string]struct {
		sites string
		want  []string
	}{
		"a site":                     {"api.example.com {\nverify a\n}", []string{"api.example.com"}},
		"another port":               {"localhost:5001 {\nverify a\n}", []string{"localhost:5001"}},
		"any host":                   {":5001 {\nverify a\n}", []string{":5001"}},
		"any host, and a path":       {":5001 {\nverify /a* a\n}", []string{":5001/a*"}},
		"any host, and a method":     {":5001 {\n@w method POST\nverify @w a\n}", []string{":5001 POST"}},
		"several hosts":              {"a.example, b.example {\nverify a\n}", []string{"a.example,b.example"}},
		"addresses with paths":       {"a.example/x/*, b.example/y/* {\nverify a\n}", []string{"a.example/x/* or b.example/y/*"}},
		"handle":                     {"a.example {\nhandle /orders* {\nverify a\n}\n}", []string{"a.example/orders*"}},
		"handle_path":                {"a.example {\nhandle_path /api/* {\nverify /orders a\n}\n}", []string{"a.example/api/* /orders"}},
		"route":                      {"a.example {\nroute /orders* {\nverify a\n}\n}", []string{"a.example/orders*"}},
		"methods":                    {"a.example {\n@change {\nmethod POST PUT\npath /orders*\n}\nverify @change a\n}", []string{"a.example/orders* POST,PUT"}},
		"the same matcher twice":     {"a.example {\nhandle /orders* {\nverify /orders* a\n}\n}", []string{"a.example/orders*"}},
		"a path in a path":           {"a.example {\nhandle /api/* {\nverify /api/orders* a\n}\n}", []string{"a.example/api/* /api/orders*"}},
		"the end of another path":    {"a.example {\nhandle /api/x {\nverify /x a\n}\n}", []string{"a.example/api/x /x"}},
		"not":                        {"a.example {\n@w not method GET HEAD\nverify @w a\n}", []string{"a.example not (GET,HEAD)"}},
		"an expression":              {"a.example {\n@w `path('/x*')`\nverify @w a\n}", []string{"a.example expression path('/x*')"}},
		"a regular expression":       {"a.example {\n@w path_regexp num ^/[0-9]+$\nverify @w a\n}", []string{"a.example path_regexp ^/[0-9]+$"}},
		"an address":                 {"a.example {\n@w remote_ip 10.0.0.0/8\nverify @w a\n}", []string{"a.example remote_ip 10.0.0.0/8"}},
		"never what may be secret":   {"a.example {\n@w {\nheader X-Key s3cret\nquery k=s3cret\nheader_regexp X-R s3cret\n}\nverify @w a\n}", []string{"a.example header X-Key header_regexp X-R query k"}},
		"two that look alike":        {"a.example {\nroute {\nverify a\nverify b\n}\n}", []string{"a.example", "a.example #2"}},
		"three imports":              {"a.example {\nimport guard\n}\nb.example {\nimport guard\n}\nc.example {\nhandle /x {\nimport guard\n}\n}", []string{"c.example/x", "a.example", "b.example"}},
		"a named route thrice":       {"a.example {\ninvoke api\n}\nb.example {\nhandle /x {\ninvoke api\n}\nhandle /y {\ninvoke api\n}\n}", []string{"b.example/x", "b.example/y", "a.example"}},
		"an error":                   {"a.example {\nhandle_errors {\nverify a\n}\n}", []string{"a.example after an error"}},
		"an error of a kind":         {"a.example {\nhandle_errors 5xx {\nverify a\n}\n}", []string{"a.example expression {http.error.status_code} >= 500 && {http.error.status_code} <= 599 after an error"}},
		"a response of a proxy":      {"a.example {\nreverse_proxy up:1 {\nhandle_response {\nverify a\n}\n}\n}", []string{"a.example after a response"}},
		"an intercepted response":    {"a.example {\nintercept {\nhandle_response {\nverify a\n}\n}\n}", []string{"a.example after a response"}},
		"two servers":                {"a.example {\nverify a\n}\na.example:8443 {\nverify a\n}\nhttp://a.example {\nverify a\n}", []string{"a.example", "a.example:80", "a.example:8443"}},
		"a host within a site":       {"*.example.com {\n@a host a.example.com\nhandle @a {\nverify a\n}\n}", []string{"*.example.com a.example.com"}},
		"what no verify is on":       {"a.example {\nrespond fine\n}", nil},
		"a socket":                   {"http://a.example {\nbind unix//run/caddy.sock\nverify a\n}", []string{"a.example"}},
		"any host at a socket":       {"http:// {\nbind unix//run/caddy.sock\nverify /x a\n}", []string{"unix//run/caddy.sock /x"}},
		"a directive in a directive": {"a.example {\nroute /a* {\nhandle /a/b {\nroute {\nverify a\n}\n}\n}\n}", []string{"a.example/a* /a/b"}},
	} {
		config := adapt(t, row.sites)
		if got := ids(read(t, config).Verifies()); !sameIDs(got, row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
		bare := withoutSources(config)
		if bytes.Contains(bare, []byte("Caddyfile:")) {
			t.Fatalf("a source is left: %s", bare)
		}
		if got := ids(read(t, bare).Verifies()); !sameIDs(got, row.want) {
			t.Errorf("%s, without sources: %q, want %q", name, got, row.want)
		}
	}
}

// sameIDs ignores the order of sites, which Caddy decides.
func sameIDs(got, want []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)))
}

// A route has the source and the unchanged configuration of the verify.
func TestVerifiesHaveSourceAndConfiguration(t *testing.T) {
	config := adapt(t, "a.example {\nimport guard\n}\nb.example {\nimport guard\n}")
	for _, v := range read(t, config).Verifies() {
		var module map[string]any
		if err := json.Unmarshal(v.Handler.Config, &module); err != nil || module["handler"] != nil || module["scopes"] == nil {
			t.Errorf("%s: %v %s", v.ID, err, v.Handler.Config)
		}
		if !strings.HasPrefix(v.Handler.Source, "Caddyfile:5") {
			t.Errorf("%s: %q", v.ID, v.Handler.Source)
		}
	}
}

// An operator names a route by an ID, a source, or a request.
func TestSelect(t *testing.T) {
	c := read(t, adapt(t, `
		api.example.com {
			handle /orders* {
				@change not method GET
				verify orders.read
				verify @change orders.write
			}
			handle_path /v2/* {
				verify /stock stock.read
			}
			handle {
				verify any
			}
		}
		localhost:5001 {
			route {
				verify /invoices* invoices.read
				respond /health ok
				verify rest
				respond ok
				verify dead
			}
		}
		b.example, c.example {
			invoke api
		}
		http://d.example:5002 {
			@w method POST
			verify @w a
		}`))
	const orders, change, v2, rest = "api.example.com/orders*", "api.example.com/orders* not (GET)", "api.example.com/v2/* /stock", "api.example.com"
	const invoices, local, named, post = "localhost:5001/invoices*", "localhost:5001", "b.example,c.example", "d.example:5002 POST"
	for text, want := range map[string][]string{
		"/orders/1":                          {orders, change, local, named, post},
		"api.example.com/orders/1":           {orders, change},
		"API.example.com/ORDERS":             {orders, change},
		"GET api.example.com/orders/1":       {orders},
		"POST api.example.com/orders/1":      {orders, change},
		"https://api.example.com/orders?x=1": {orders, change},
		"api.example.com/v2/x":               {v2},
		"api.example.com/other":              {rest},
		"api.example.com":                    {rest}, // as the ID of a route has it
		"api.example.com/":                   {rest},
		"localhost:5001/invoices/7":          {invoices, local},
		"localhost/invoices/7":               {invoices, local},
		"localhost:5002/invoices/7":          nil,
		"localhost:5001/health":              nil,
		"localhost:5001/other":               {local},
		"localhost:5001/invoices*":           {invoices},
		"/invoices":                          {rest, invoices, local, named, post},
		"GET /invoices":                      {rest, invoices, local, named},
		"b.example/x":                        {named},
		"d.example":                          {post},
		"POST d.example:5002":                {post},
		"GET d.example:5002":                 nil,
		"b.example:8443/x":                   nil,
		"nowhere.example/x":                  nil,
		"":                                   nil,
		"a b c":                              nil,
		"Caddyfile:19":                       {v2},
		":19":                                {v2},
		"file:19":                            nil,
		":999":                               nil,
	} {
		found, err := c.Select(text)
		if got := ids(found); err != nil || !sameIDs(got, want) {
			t.Errorf("%q: %q, want %q (%v)", text, got, want, err)
		}
	}
	for _, r := range c.Verifies() {
		if found, err := c.Select(r.ID); err != nil || len(found) != 1 || found[0] != r {
			t.Errorf("%q: %q, %v", r.ID, ids(found), err)
		}
	}
}

// A request takes the first route of a group that matches. After a route that may match, it
// can also reach the next ones.
func TestForARequest(t *testing.T) {
	const config = `{"apps": {"http": {"servers": {"a": {"routes": [{
		"match": [{"host": ["example.com"]}], "terminal": true,
		"handle": [{"handler": "subroute", "routes": [
			{"group": "g", "match": [{"path": ["/a/*", "/A2"]}], "handle": [{"handler": "subroute", "routes": [
				{"handle": [{"handler": "verify", "source": "a"}]},
				{"handle": [{"handler": "verify", "source": "deep", "match": [{"path": ["/a/deep*"]}, {"method": ["GET"], "path": ["/a/get"]}]}]}]}]},
			{"group": "g", "match": [{"path": ["/m*"], "method": ["POST"]}], "handle": [{"handler": "verify", "source": "post"}]},
			{"group": "g", "match": [{"not": [{"path": ["/n"]}], "path": ["/n*"]}, {"path": ["/z"]}], "handle": [{"handler": "verify", "source": "not"}]},
			{"group": "g", "match": [{"path": ["/p{http.vars.x}"]}], "handle": [{"handler": "verify", "source": "placeholder"}]},
			{"group": "h", "match": [{"path": ["/a/*"]}], "handle": [{"handler": "verify", "source": "other group"}]},
			{"group": "g", "handle": [{"handler": "verify", "source": "rest"}]},
			{"group": "g", "handle": [{"handler": "verify", "source": "never"}]}
		]}]}]}}}}}`
	for request, want := range map[route.Request][]string{
		{Path: "/a/1"}:                   {"a", "other group"},
		{Path: "/a/deep1"}:               {"a", "deep", "other group"},
		{Path: "/a/get"}:                 {"a", "deep", "other group"},
		{Path: "/a/get", Method: "POST"}: {"a", "other group"},
		{Path: "/A2"}:                    {"a"},
		{Path: "/m"}:                     {"post", "placeholder", "rest"},
		{Path: "/m", Method: "POST"}:     {"post"},
		{Path: "/n"}:                     {"placeholder", "rest"},
		{Path: "/nn"}:                    {"not"},
		{Path: "/z"}:                     {"not"},
		{Path: "/"}:                      {"placeholder", "rest"},
		{Path: "/", Host: "example.org"}: nil,
		{}:                               {"a", "deep", "post", "not", "placeholder", "other group", "rest"},
	} {
		found, err := read(t, []byte(config)).For(request)
		var got []string
		for _, v := range found {
			got = append(got, v.Handler.Source)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v: %q, want %q (%v)", request, got, want, err)
		}
	}
}

// A matcher that reads the path must see the path that the client sent. The site and the
// route of the verify decide, not the rest of the server.
func TestMatchesRewrittenPath(t *testing.T) {
	for name, row := range map[string]struct {
		sites string
		want  []string
	}{
		"before it":                 {"a.example {\nuri strip_prefix /api\nverify /orders* a\n}", []string{"a.example/orders*"}},
		"in another site":           {"a.example {\nrewrite * /x\nrespond ok\n}\nb.example {\nverify /orders* a\n}", nil},
		"in another site's handle":  {"b.example {\nverify /orders* a\n}\n:443 {\nuri strip_prefix /api\nrespond ok\n}", nil},
		"in a site of any host":     {":443 {\nhandle_path /api/* {\nrespond ok\n}\n}\nb.example {\nverify /orders* a\n}", nil},
		"in another server":         {"a.example:1 {\nrewrite * /x\n}\na.example:2 {\nverify /orders* a\n}", nil},
		"one import of three":       {"a.example {\nimport p\n}\nb.example {\nuri strip_prefix /api\nimport p\n}\nc.example {\nimport p\n}\n(p) {\nverify /orders* a\n}", []string{"b.example/orders*"}},
		"in another handle":         {"a.example {\nhandle /a {\nrewrite * /b\n}\nhandle {\nverify /orders* a\n}\n}", nil},
		"of another path":           {"a.example {\nrewrite /alias /orders\nverify /orders* a\n}", []string{"a.example/orders*"}},
		"of the method":             {"a.example {\nmethod GET\nverify /orders* a\n}", nil},
		"of the query":              {"a.example {\nuri query +a b\nverify /orders* a\n}", nil},
		"behind it":                 {"a.example {\nroute {\nverify /orders* a\nuri strip_prefix /api\n}\n}", nil},
		"no path in the matcher":    {"a.example {\nuri strip_prefix /api\n@w method POST\nverify @w a\n}", nil},
		"in a named route":          {"a.example {\nroute {\ninvoke strip\nverify /orders* a\n}\n}\n&(strip) {\nuri strip_prefix /api\n}", []string{"a.example/orders*"}},
		"a named route without any": {"a.example {\nroute {\ninvoke other\nverify /orders* a\n}\n}\n&(other) {\nheader X-A b\n}", nil},
		"in a named route, for one": {"a.example {\ninvoke v\n}\nb.example {\nroute {\nuri strip_prefix /api\ninvoke v\n}\n}\n&(v) {\nverify /orders* a\n}", []string{"b.example/orders*"}},
		"try_files":                 {"a.example {\ntry_files {path} /index.html\nverify /orders* a\n}", []string{"a.example/orders*"}},
		"behind an answer":          {"a.example {\nroute {\nhandle /x {\nrewrite * /y\nrespond ok\n}\nverify /orders* a\n}\n}", nil},
	} {
		var got []string
		for _, r := range read(t, adapt(t, definitionsFirst(row.sites))).Verifies() {
			if r.MatchesRewrittenPath() {
				got = append(got, r.ID)
			}
		}
		if !sameIDs(got, row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}

// What nobody knows to leave the path and the method alone may have changed them.
func TestAsSent(t *testing.T) {
	for name, row := range map[string]struct {
		sites string
		want  bool
	}{
		"in a site":               {"a.example {\nverify a\n}", true},
		"in a handle":             {"a.example {\nhandle /a* {\nverify a\n}\n}", true},
		"behind others":           {"a.example {\ntracing\nencode\nheader X-A b\nrequest_body {\nmax_size 1MB\n}\nroute {\nvars a b\nmap {path} {x} {\n/a b\n}\nverify a\nverify b\n}\n}", true},
		"in a named route":        {"a.example {\ninvoke n\n}\n&(n) {\nverify a\n}", true},
		"a rewrite in another":    {"a.example {\nhandle /a* {\nrewrite * /b\n}\nhandle {\nverify a\n}\n}", true},
		"a rewrite behind it":     {"a.example {\nroute {\nverify a\nrewrite * /b\n}\n}", true},
		"in a handle_path":        {"a.example {\nhandle_path /a/* {\nverify a\n}\n}", false},
		"a rewrite":               {"a.example {\nrewrite /x /y\nverify a\n}", false},
		"of the method":           {"a.example {\nmethod GET\nverify a\n}", false},
		"a rewrite in a route":    {"a.example {\nroute {\nroute /x {\nrewrite * /b\n}\nverify a\n}\n}", false},
		"in a named route, once":  {"a.example {\ninvoke n\n}\n&(n) {\nrewrite * /b\nverify a\n}", false},
		"behind another's module": {"a.example {\nroute {\nbasic_auth {\nann $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n}\nverify a\n}\n}", false},
		"after an error":          {"a.example {\nhandle_errors {\nverify a\n}\n}", false},
		"after a response":        {"a.example {\nreverse_proxy localhost:1 {\nhandle_response {\nverify a\n}\n}\n}", false},
		"after an intercept":      {"a.example {\nintercept {\nhandle_response {\nverify a\n}\n}\nrespond ok\n}", false},
		"behind forward_auth":     {"a.example {\nroute {\nforward_auth localhost:1 {\nuri /auth\n}\nverify a\n}\n}", false},
	} {
		for _, r := range read(t, adapt(t, definitionsFirst(row.sites))).Verifies() {
			if r.AsSent != row.want {
				t.Errorf("%s: %v for %s", name, r.AsSent, r.ID)
			}
		}
	}
}

// definitionsFirst moves snippets and named routes before the sites, because Caddy requires
// it. The rows read better the other way round.
func definitionsFirst(sites string) string {
	for _, begin := range []string{"\n(", "\n&("} {
		if at := strings.Index(sites, begin); at >= 0 {
			return sites[at+1:] + "\n" + sites[:at]
		}
	}
	return sites
}

// Takes is about one route: it ignores the other handlers on the way.
func TestTakes(t *testing.T) {
	c := read(t, adapt(t, "a.example {\ninvoke api\n}\nb.example {\nhandle_path /x/* {\nhandle /y {\ninvoke api\n}\n}\n}"))
	for request, want := range map[route.Request]string{
		{Host: "a.example", Path: "/"}:        "a.example",
		{Host: "a.example:443", Path: "/x/y"}: "a.example",
		{Host: "b.example", Path: "/x/z"}:     "b.example/x/* /y", // the path that /y is compared with is another one
		{Host: "b.example", Path: "/y"}:       "",
		{Host: "a.example:80", Path: "/"}:     "",
	} {
		got := ""
		for _, r := range c.Verifies() {
			if r.Takes(request) {
				got += r.ID
			}
		}
		if got != want {
			t.Errorf("%+v: %q, want %q", request, got, want)
		}
	}
}

// A configuration that Caddy does not load is an error. Named routes cannot run forever.
func TestReadRefuses(t *testing.T) {
	invokes := func(name string) string {
		return `{"handle": [` + strings.TrimSuffix(strings.Repeat(`{"handler": "invoke", "name": "`+name+`"},`, 100), ",") + `]}`
	}
	for name, row := range map[string]struct{ app, want string }{
		"no JSON":              {`{`, "decoding the configuration: "},
		"servers":              {`{"servers": []}`, "decoding the http app: "},
		"routes":               {`{"servers": {"s": {"routes": {}}}}`, "decoding the http app: "},
		"no handler":           {`{"servers": {"s": {"routes": [{"handle": [{}]}]}}}`, "reading the name of a handler: "},
		"settings of a verify": {`{"servers": {"s": {"routes": [{"handle": [{"handler": "verify", "match": 1}]}]}}}`, "reading verify: "},
		"too many routes":      {`{"servers": {"s": {"routes": [` + invokes("a") + `], "named_routes": {"a": ` + invokes("b") + `, "b": ` + invokes("c") + `, "c": ` + invokes("d") + `}}}}`, "too many routes"},
	} {
		if _, err := route.Read([]byte(`{"apps": {"http": ` + row.app + `}}`)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
	}
	for _, config := range []string{`{}`, `{"apps": {}}`, `{"apps": {"http": null}}`, `{"apps": {"http": {"servers": {"s": null}}}}`, `{"apps": {"http": {"servers": {"s": {"routes": [null, {"handle": [null], "match": [null]}], "named_routes": {"a": null}, "errors": {"routes": null}}}}}}`} {
		if c := read(t, []byte(config)); len(c.Verifies())+len(c.Unverified()) > 0 {
			t.Errorf("%s has routes", config)
		}
	}
}

// No configuration makes the reader panic, and every route that it finds can be selected.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"routes": [{"group": "g", "match": [{"host": ["a"], "path": ["/x*"], "not": [{"method": ["GET"]}]}], "handle": [{"handler": "verify"}], "terminal": true}]}`))
	f.Add([]byte(`{"routes": [{"handle": [{"handler": "subroute", "routes": [{"handle": [{"handler": "invoke", "name": "a"}]}], "errors": {"routes": []}}]}], "named_routes": {"a": {"handle": [{"handler": "invoke", "name": "a"}, {"handler": "verify"}]}}}`))
	f.Add([]byte(`{"listen": [":1-3", "unix//x"], "routes": [{"handle": [{"handler": "intercept", "handle_response": [{"routes": [{"handle": [{"handler": "reverse_proxy", "handle_response": [{"routes": []}]}]}]}]}, {"handler": "other", "x": {"y": [{"handle": [{"handler": "verify"}]}, {"handler": "file_server"}]}}]}], "errors": {"routes": [{"handle": [{"handler": "rewrite", "uri": "/x"}, {"handler": "verify", "match": [{"path": ["/%zz", "{x}"], "header": {"a": ["b"]}}]}]}]}}`))
	f.Add([]byte(`{"routes": [{"match": [{"path": ["/a[^b]?\\\\c", "/%2f%*", "[", "*"], "path_regexp": {"pattern": "^/(a|b)[^a]{2,}.+$"}, "header_regexp": {"a": {"pattern": "["}}}, {"header": {"a": null, "b": []}, "query": {"a": []}, "protocol": "http", "remote_ip": {"ranges": ["::1/128", "x"]}}], "handle": [{"handler": "file_server"}]}]}`))
	f.Fuzz(func(t *testing.T, server []byte) {
		c, err := route.ReadApp(slices.Concat([]byte(`{"servers": {"s": `), server, []byte(`}}`)))
		if err != nil {
			return
		}
		c.Unverified()
		for _, r := range c.Verifies() {
			if found, err := c.Select(r.ID); err != nil || r.ID != "" && !slices.Contains(found, r) {
				t.Errorf("%q selects %q, %v", r.ID, ids(found), err)
			}
			r.Takes(route.Request{Method: "GET", Host: "a:1", Path: "/x"})
		}
		for _, r := range c.Routes() {
			r.Examples()
			r.Boundaries()
		}
	})
}
