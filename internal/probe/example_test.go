package probe_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/probe/probetest"
)

// Every kind of route has requests that take it.
func TestExamples(t *testing.T) {
	for _, row := range []struct {
		site string
		want []string // of the route to up:1
	}{
		{"api.example.com {\nreverse_proxy up:1\n}", []string{"GET https://api.example.com/", "POST https://api.example.com/"}},
		{"api.example.com {\nverify orders.read\nreverse_proxy up:1\n}", []string{"GET https://api.example.com/"}},
		{"*.example.com {\nreverse_proxy up:1\n}", []string{"GET https://any.example.com/"}},
		{"http://api.example.com:8080 {\nreverse_proxy up:1\n}", []string{"GET http://api.example.com:8080/"}},
		{":8080 {\nreverse_proxy up:1\n}", []string{"GET http://any.example:8080/"}},
		{"http:// {\n@v6 host ::1 [::1]\nreverse_proxy @v6 up:1\n}", []string{"GET http://[::1]/"}},
		{"api.example.com {\nhandle /orders* {\nreverse_proxy up:1\n}\n}", []string{"GET https://api.example.com/orders", "GET https://api.example.com/orders/1", "GET https://api.example.com/orders1"}},
		{"api.example.com {\nreverse_proxy /orders/* up:1\n}", []string{"GET https://api.example.com/orders/1", "GET https://api.example.com/orders/"}},
		{"api.example.com {\n@x path *.php\nreverse_proxy @x up:1\n}", []string{"GET https://api.example.com/any.php"}},
		{"api.example.com {\nreverse_proxy /a/*/b up:1\n}", []string{"GET https://api.example.com/a/any/b"}},
		{"api.example.com {\nreverse_proxy /a?[^0-9]/%2e up:1\n}", nil},
		{"api.example.com {\n@x path /x/a?[^1-9]\nreverse_proxy @x up:1\n}", []string{"GET https://api.example.com/x/axx"}},
		{"api.example.com {\n@x path_regexp ^/orders/(old|new)/[0-9]{3}$\nreverse_proxy @x up:1\n}", []string{"GET https://api.example.com/orders/old/111"}},
		{"api.example.com {\n@x method DELETE\nreverse_proxy @x up:1\n}", []string{"DELETE https://api.example.com/"}},
		{"api.example.com {\n@x not method GET HEAD\nreverse_proxy @x up:1\n}", []string{"POST https://api.example.com/"}},
		{"api.example.com {\n@x not path / /any\nreverse_proxy @x up:1\n}", []string{"GET https://api.example.com/any/1"}},
		{"api.example.com {\n@x {\nheader X-Kind a*\nheader X-Other *\nheader !X-None\nquery kind=a\n}\nreverse_proxy @x up:1\n}", []string{"GET https://api.example.com/?kind=a"}},
		{"api.example.com {\n@x header_regexp X-Kind ^[a-c]+$\nreverse_proxy @x up:1\n}", []string{"GET https://api.example.com/"}},
		{"api.example.com {\n@x remote_ip 10.1.0.0/16\nreverse_proxy @x up:1\n}", []string{"GET https://api.example.com/"}},
		{"api.example.com {\n@x client_ip 2001:db8::7\nreverse_proxy @x up:1\n}", []string{"GET https://api.example.com/"}},
		{"api.example.com {\n@x protocol https\nreverse_proxy @x up:1\n}", []string{"GET https://api.example.com/"}},
		{"api.example.com {\n@x protocol http\nreverse_proxy @x up:1\n}", nil},
		{"api.example.com {\n@x expression `{http.request.method} == 'BREW'`\nreverse_proxy @x up:1\n}", nil},
		{"api.example.com {\nhandle_path /v1/* {\nhandle /orders* {\nreverse_proxy up:1\n}\n}\n}", []string{"GET https://api.example.com/v1/orders"}},
		{"api.example.com {\nhandle_path /v1/* {\nhandle_path /v2/* {\nhandle /orders {\nreverse_proxy up:1\n}\n}\n}\n}", []string{"GET https://api.example.com/v1/v2/orders"}},
		{"api.example.com {\nhandle /api/* {\n@j path *.json\nhandle @j {\nreverse_proxy up:1\n}\n}\n}", []string{"GET https://api.example.com/api/1/any.json"}},
		{"api.example.com {\nhandle / {\nrespond 404\n}\nhandle {\nreverse_proxy up:1\n}\n}", []string{"GET https://api.example.com/any"}},
		{"*.example.com {\n@a host a.example.com\nhandle @a {\nreverse_proxy up:1\n}\n}", []string{"GET https://a.example.com/"}},
		{"a.example.com/x*, b.example.com/y* {\nreverse_proxy up:1\n}", []string{"GET https://a.example.com/x", "GET https://b.example.com/y"}},
		{"api.example.com {\nbasic_auth {\nbob {env.NO_PASSWORD}\n}\nreverse_proxy up:1\n}", []string{"GET https://api.example.com/"}},
		{"api.example.com {\nroute {\nverify orders.read\n@x token_scope orders.write\nreverse_proxy @x up:1\n}\n}", []string{"GET https://api.example.com/"}},
		{"api.example.com {\nroute {\nverify orders.read\n@x not token_scope orders.write\nreverse_proxy @x up:1\n}\n}", []string{"GET https://api.example.com/"}},
		{"api.example.com {\nverify orders.read\nhandle_errors 401 {\nreverse_proxy up:1\n}\n}", []string{"GET https://api.example.com/"}},
		{"api.example.com {\nreverse_proxy up:2 {\nhandle_response {\nreverse_proxy up:1\n}\n}\n}", []string{"GET https://api.example.com/"}},
		{"api.example.com {\nencode\ntemplates\nreverse_proxy up:1\n}", []string{"GET https://api.example.com/"}},
		{"api.example.com {\nrespond 404\nreverse_proxy up:1\n}", nil},
		{"http://api.example.com {\nbind unix//run/caddy.sock\nreverse_proxy up:1\n}", nil},
	} {
		p := newProbe(t, options+row.site)
		var got []string
		for _, e := range p.Examples() {
			if e.Route.Handler.String() == "reverse_proxy up:1" {
				for _, r := range e.Requests {
					got = append(got, r.String())
				}
			}
		}
		if (len(row.want) == 0) != (len(got) == 0) || slices.ContainsFunc(row.want, func(want string) bool { return !slices.Contains(got, want) }) {
			t.Errorf("%s\n%q, want %q", row.site, got, row.want)
		}
	}
}

// Every example takes its route in Caddy itself: it gets the answer of the handler, and the
// mark of each verify. In the configuration that answers, other handlers replace both.
func TestExamplesTakeTheirRoutes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	checked := 0
	for range 60 {
		sites := randomSites(random)
		p := newProbe(t, exampleOptions+sites)
		app := provisioned(t, sites)
		for _, e := range p.Examples() {
			for _, r := range e.Requests {
				checked++
				if answer := answerOf(app, r); !slices.Contains(answer, markOf(e)) {
					t.Fatalf("%s does not come to %s (%s) but to %q\n%s", r, markOf(e), e.Route.ID, answer, sites)
				}
			}
		}
	}
	if checked < 1000 {
		t.Errorf("only %d examples", checked)
	}
}

const exampleOptions = `{
	auto_https off
	tokenidp {
		issuer https://idp.example.com {
			applications applications.yaml
		}
	}
}
`

// markOf returns the name of the handler in the configuration that answers.
func markOf(e probe.Example) string {
	if e.Route.Handler.Name == "verify" {
		return string(regexp.MustCompile(`verify-[0-9]+`).Find(e.Route.Handler.Config))
	}
	return strings.Fields(e.Route.Handler.String())[1]
}

// randomSites are two sites on one port.
func randomSites(random *rand.Rand) string {
	var b strings.Builder
	g := &siteGenerator{random: random, b: &b}
	for _, host := range []string{"a.example", "*.b.example, c.b.example"} {
		for i, one := range strings.Split(host, ", ") {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString("http://" + one + ":8080")
		}
		b.WriteString(" {\n")
		g.block(3)
		b.WriteString("}\n")
	}
	return b.String()
}

type siteGenerator struct {
	random *rand.Rand
	b      *strings.Builder
	next   int
}

var (
	randomPaths    = []string{"/a*", "/a/*", "/a", "/b/*", "/a/b*", "/b/*/c", "/c?[x-z]"}
	randomMatchers = []string{"path *.json", "path *b*", "method GET HEAD", "method POST", "not method GET", "not path /a*", "path /a /b", "header X-Kind a", "query k=v", "path_regexp ^/a/[0-9]+", "host c.b.example", "remote_ip 10.0.0.0/8", "expression `{method} == 'PUT'`", "header_regexp X-R ^x{2}$"}
)

func (g *siteGenerator) pick(from []string) string { return from[g.random.IntN(len(from))] }

// matcher defines a matcher, or returns a path, or nothing.
func (g *siteGenerator) matcher() string {
	switch g.random.IntN(3) {
	case 0:
		g.next++
		i := g.random.IntN(len(randomMatchers))
		fmt.Fprintf(g.b, "@m%d {\n%s\n%s\n}\n", g.next, randomMatchers[i], randomMatchers[(i+1+g.random.IntN(3))%len(randomMatchers)])
		return fmt.Sprintf("@m%d ", g.next)
	case 1:
		if path := g.pick(randomPaths); strings.HasPrefix(path, "/") {
			return path + " "
		}
	}
	return ""
}

func (g *siteGenerator) block(depth int) {
	for range 1 + g.random.IntN(3) {
		m := g.matcher()
		g.next++
		switch kind := g.random.IntN(6); {
		case depth == 0 || kind == 0:
			fmt.Fprintf(g.b, "reverse_proxy %supstream-%d:1\n", m, g.next)
		case kind == 1:
			fmt.Fprintf(g.b, "verify %sorders.read {\nrealm verify-%d\n}\n", m, g.next)
		case kind == 2:
			fmt.Fprintf(g.b, "handle_path %s {\n", g.pick([]string{"/a/*", "/v1/*", "/b*"}))
			g.block(depth - 1)
			g.b.WriteString("}\n")
		case kind == 3:
			fmt.Fprintf(g.b, "route %s{\n", m)
			g.block(depth - 1)
			g.b.WriteString("}\n")
		default:
			fmt.Fprintf(g.b, "handle %s{\n", m)
			g.block(depth - 1)
			g.b.WriteString("}\n")
		}
	}
}

var (
	proxies  = regexp.MustCompile(`reverse_proxy (\S+ )?(upstream-[0-9]+:1)`)
	verifies = regexp.MustCompile(`verify (\S+ )?orders.read \{\nrealm (verify-[0-9]+)\n\}`)
)

// provisioned returns the configuration with answers in place of handlers that serve.
func provisioned(t *testing.T, sites string) *caddyhttp.App {
	t.Helper()
	sites = proxies.ReplaceAllString(sites, "respond $1 $2")
	sites = verifies.ReplaceAllString(sites, "header $1 +X-Passed $2")
	var cfg caddy.Config
	order := "{\nauto_https off\norder header before basic_auth\norder respond before reverse_proxy\n}\n"
	if err := json.Unmarshal(adapt(t, order+sites), &cfg); err != nil {
		t.Fatal(err)
	}
	cfg.StorageRaw = json.RawMessage(fmt.Sprintf(`{"module": "file_system", "root": %q}`, t.TempDir()))
	cfg.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output": "discard"}`)}}}}
	app, err := probetest.Context(t, &cfg).App("http")
	if err != nil {
		t.Fatal(err)
	}
	return app.(*caddyhttp.App)
}

// answerOf returns the marks of the handlers that the request reached.
func answerOf(app *caddyhttp.App, r probe.Request) []string {
	u, _ := url.Parse(r.URL)
	request := httptest.NewRequest(r.Method, u.RequestURI(), http.NoBody)
	request.Host, request.Header = u.Host, r.Header.Clone()
	if request.Header == nil {
		request.Header = make(http.Header)
	}
	if r.From != "" {
		request.RemoteAddr = r.From
	}
	w := httptest.NewRecorder()
	app.Servers["srv0"].ServeHTTP(w, request)
	return append(w.Result().Header["X-Passed"], w.Body.String())
}
