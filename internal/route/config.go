// Package route reads the HTTP part of a Caddy configuration once, and answers which
// handlers a request passes: by host, path, method and further matchers. It models
// lists of routes, groups, terminal routes, subroutes, named routes, error routes and
// the response routes of reverse_proxy and intercept.
//
// The model decides from the configuration alone. A matcher that it cannot evaluate may
// match or not. After a handler has rewritten the path, it may be any path.
package route

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Config describes what the http app of a configuration does with requests.
type Config struct {
	servers []*server
	routes  []*Route
}

// Read reads the JSON of a whole Caddy configuration. It returns an error if Caddy would
// not load the http app in it.
func Read(config []byte) (*Config, error) {
	var whole struct {
		Apps struct {
			HTTP json.RawMessage `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(config, &whole); err != nil {
		return nil, fmt.Errorf("decoding the configuration: %w", err)
	}
	return ReadApp(whole.Apps.HTTP)
}

// ReadApp reads the JSON of the http app. Empty JSON means an app without servers.
func ReadApp(app []byte) (*Config, error) {
	var http struct {
		Servers map[string]*server `json:"servers"`
	}
	if len(app) > 0 {
		if err := json.Unmarshal(app, &http); err != nil {
			return nil, fmt.Errorf("decoding the http app: %w", err)
		}
	}
	c := new(Config)
	for _, name := range slices.Sorted(maps.Keys(http.Servers)) {
		if s := http.Servers[name]; s != nil {
			s.name = name
			s.number()
			c.servers = append(c.servers, s)
		}
	}
	var err error
	c.routes, err = c.walk(nil)
	identify(c.routes)
	return c, err
}

// Routes returns the routes to every handler, in the order of the configuration.
func (c *Config) Routes() []*Route { return slices.Clone(c.routes) }

// Verifies returns the routes to every verify, in the order of the configuration. A named
// route that three places invoke gives three routes.
func (c *Config) Verifies() []*Route { return c.To(verify) }

// To returns the routes to every handler with the name, like Verifies.
func (c *Config) To(name string) []*Route {
	return slices.DeleteFunc(slices.Clone(c.routes), func(r *Route) bool { return r.Handler.Name != name })
}

// VerifyHandlers returns every verify once, in the order of the configuration. It includes
// those in named routes that nothing invokes.
func (c *Config) VerifyHandlers() []*Handler { return c.Handlers(verify) }

// Handlers returns every handler with the name once, like VerifyHandlers.
func (c *Config) Handlers(name string) (found []*Handler) {
	for _, s := range c.servers {
		for h := range s.handlers() {
			if h.Name == name {
				found = append(found, h)
			}
		}
	}
	return found
}

// Unverified returns the routes to the handlers that serve something, such as
// reverse_proxy, file_server and tokenidp_status, and that a request can reach without a
// token. It does not know the handlers of other modules, and leaves out handlers that
// answer by themselves, such as respond.
func (c *Config) Unverified() []*Route {
	return slices.DeleteFunc(slices.Clone(c.routes), func(r *Route) bool {
		return !r.Reached || r.Guard == Guarded || !r.unknown && !r.Handler.serves()
	})
}

// server is one server of the http app.
type server struct {
	name   string
	live   *caddyhttp.Server // see Bind
	Listen []string          `json:"listen"`
	Routes []*entry          `json:"routes"`
	Errors *entries          `json:"errors"`
	Named  map[string]*entry `json:"named_routes"`
}

// entries is a list of routes inside an object.
type entries struct {
	Routes []*entry `json:"routes"`
}

// entry is one element of a list of routes.
type entry struct {
	Group    string     `json:"group"`
	Match    matcher    `json:"match"`
	Handlers []*Handler `json:"handle"`
	Terminal bool       `json:"terminal"`

	live caddyhttp.MatcherSets // see Bind
}

// number gives every handler its position in the order of the configuration.
func (s *server) number() {
	order := 0
	for h := range s.handlers() {
		h.order = order
		order++
	}
}

// handlers returns all handlers of the server. Named routes come last.
func (s *server) handlers() iter.Seq[*Handler] {
	lists := [][]*entry{s.Routes}
	if s.Errors != nil {
		lists = append(lists, s.Errors.Routes)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Named)) {
		lists = append(lists, []*entry{s.Named[name]})
	}
	return handlers(slices.Concat(lists...))
}
