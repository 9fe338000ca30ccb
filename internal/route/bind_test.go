package route_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/internal/probe/probetest"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
)

func init() {
	caddy.RegisterModule(probe{})
	httpcaddyfile.RegisterHandlerDirective("probe", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		return new(probe), nil
	})
}

// probe is a handler that answers with the route of the request.
type probe struct {
	found  *route.Config // the configuration that it sees during the load
	routes []*route.Route
}

func (probe) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.probe", New: func() caddy.Module { return new(probe) }}
}

func (p *probe) Provision(ctx caddy.Context) (err error) {
	p.found, err = route.Loading(ctx)
	probes = append(probes, p)
	return err
}

func (p *probe) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	_, err := fmt.Fprint(w, route.Taken(p.routes, r).ID)
	return err
}

var probes []*probe // of the running test

// provision provisions a configuration like `caddy validate`, and binds its probes.
func provision(t *testing.T, config []byte) *caddyhttp.App {
	t.Helper()
	probes = nil
	var cfg caddy.Config
	if err := json.Unmarshal(config, &cfg); err != nil {
		t.Fatal(err)
	}
	cfg.StorageRaw = json.RawMessage(fmt.Sprintf(`{"module": "file_system", "root": %q}`, t.TempDir()))
	app, err := probetest.Context(t, &cfg).App("http")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range probes {
		p.found.Bind(app.(*caddyhttp.App))
		p.routes = slices.DeleteFunc(p.found.To("probe"), func(r *route.Route) bool { return r.Handler.Module() != p })
	}
	return app.(*caddyhttp.App)
}

// A handler finds the routes to it while Caddy loads it, and the route of a request while
// it serves the request: among three imports of a snippet, three invocations of a named
// route, and after an error or a response.
func TestTaken(t *testing.T) {
	const caddyfile = `{
		auto_https %s
		http_port 8080
		order probe before respond
	}
	(p) {
		probe
	}
	&(named) {
		handle_path /n/* {
			probe
		}
		probe
	}
	http://a.example {
		import p
	}
	http://b.example {
		handle /x* {
			import p
		}
		handle {
			import p
		}
	}
	http://c.example {
		@header header X-Kind special
		handle @header {
			invoke named
		}
		@regexp path_regexp ^/r[0-9]+$
		handle @regexp {
			invoke named
		}
		handle_path /v1/* {
			handle /one* {
				invoke named
			}
			handle {
				invoke named
			}
		}
		handle /failing {
			error 500
		}
		handle /proxied {
			intercept {
				handle_response {
					invoke named
				}
			}
			respond ok
		}
		handle {
			invoke named
		}
		handle_errors {
			invoke named
		}
	}
	http://d.example:8081 {
		invoke named
	}
	https://e.example:8443 {
		import p
	}`
	for _, https := range []string{"off", "disable_certs"} { // which adds redirects to the server of port 8080
		app := provision(t, adaptAll(t, fmt.Sprintf(caddyfile, https)))
		for request, want := range map[string]string{
			"http://a.example:8080/x":         "a.example:8080",
			"http://b.example:8080/x":         "b.example:8080/x*",
			"http://b.example:8080/y":         "b.example:8080",
			"special http://c.example:8080/y": "c.example:8080 header X-Kind",
			"http://c.example:8080/r12":       "c.example:8080 path_regexp ^/r[0-9]+$",
			"http://c.example:8080/v1/one":    "c.example:8080/v1/* /one*",
			"http://c.example:8080/v1/two":    "c.example:8080/v1/*",
			"http://c.example:8080/n/1":       "c.example:8080/n/*",
			"http://c.example:8080/other":     "c.example:8080",
			"http://c.example:8080/failing":   "c.example:8080 after an error",
			"http://c.example:8080/proxied":   "c.example:8080/proxied after a response",
			"http://d.example:8081/":          "d.example:8081",
			"https://e.example:8443/":         "e.example:8443",
		} {
			kind, url, special := strings.Cut(request, " ")
			if !special {
				url = request
			}
			r := httptest.NewRequest(http.MethodGet, url, nil)
			r.Header.Set("X-Kind", kind)
			w := httptest.NewRecorder()
			serverOf(app, url).ServeHTTP(w, r)
			if got := w.Body.String(); got != want {
				t.Errorf("%s, auto_https %s: %q, want %q", request, https, got, want)
			}
		}
	}
}

// serverOf returns the server that listens on the port of the URL.
func serverOf(app *caddyhttp.App, url string) *caddyhttp.Server {
	for _, s := range app.Servers {
		if slices.ContainsFunc(s.Listen, func(listen string) bool { return strings.Contains(url, listen) }) {
			return s
		}
	}
	return nil
}
