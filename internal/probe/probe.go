// Package probe finds out what a configuration does with a request before anybody sends it:
// which verifies it passes, which handler it reaches, with what status and reason.
//
// The answer comes from Caddy's own router and from the code of verify and /token. The
// package provisions the configuration like `caddy validate`, with other handlers in place
// of those that serve. It listens nowhere, fetches nothing, writes nothing, and changes
// nothing else in the process.
package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// Options are what New needs besides the configuration.
type Options struct {
	// Logger receives the warnings of a load. Default: they are dropped.
	Logger *zap.Logger
	// Applications are the Applications in force, by the issuer's URL. Default: those of
	// the files that the configuration names.
	Applications map[string]*application.Set
}

// Probe is a configuration that answers questions. It is safe for concurrent use.
type Probe struct {
	sandbox   *tokenidp.Sandbox
	servers   []*server
	routes    *route.Config
	places    map[caddyhttp.MiddlewareHandler][]*route.Route
	binding   *binding
	unknown   []string
	decides   func() string // see Mentions
	mentioned sync.Map      // by text
	end       context.CancelFunc
}

// New provisions the JSON of a configuration that is not started. Call Close at the end.
func New(config []byte, o Options) (*Probe, error) {
	var whole struct {
		Apps map[string]json.RawMessage `json:"apps"`
	}
	if err := json.Unmarshal(config, &whole); err != nil {
		return nil, fmt.Errorf("decoding the configuration: %w", err)
	}
	if whole.Apps["tokenidp"] == nil {
		return nil, errors.New("no issuer is configured")
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	registerStandIn()
	p := &Probe{places: make(map[caddyhttp.MiddlewareHandler][]*route.Route), end: func() {}}
	provisioned := false
	defer func() { // also after a panic of a module
		if !provisioned {
			p.Close()
		}
	}()
	if err := p.provision(whole.Apps["http"], whole.Apps["tokenidp"], o); err != nil {
		return nil, err
	}
	provisioned = true
	return p, nil
}

// Close releases what New provisioned.
func (p *Probe) Close() { p.end() }

func (p *Probe) provision(http, app json.RawMessage, o Options) error {
	p.unknown = absentPlaceholders(http, app)
	var err error
	if p.routes, err = route.ReadApp(http); err != nil {
		return err
	}
	replaced, sites, err := replaceHandlers(http)
	if err != nil {
		return err
	}
	p.decides = withoutEffects(slices.Clone(replaced))
	if p.binding, err = newBinding(); err != nil {
		return err
	}
	absent := func(what string) { p.unknown = append(p.unknown, what) }
	if p.sandbox, err = tokenidp.NewSandbox(observe, absent, o.Logger); err != nil {
		return err
	}
	p.sandbox.Applications = o.Applications
	cfg := &caddy.Config{AppsRaw: caddy.ModuleMap{"http": replaced, "tokenidp": app}}
	ctx, end, err := newContext(p.sandbox.In(inProbe(context.Background())), cfg)
	if err != nil {
		return err
	}
	p.end = sync.OnceFunc(end)
	module, err := ctx.App("http")
	if err != nil {
		return err
	}
	if _, err = ctx.App("tokenidp"); err != nil {
		return err
	}
	p.sandbox.Warn(p.routes)
	slices.Sort(p.unknown)
	p.unknown = slices.Compact(p.unknown)
	p.bind(module.(*caddyhttp.App), sites)
	return nil
}

// bind finds the servers, and the routes to each handler.
func (p *Probe) bind(app *caddyhttp.App, sites map[string]site) {
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		p.servers = append(p.servers, &server{Server: app.Servers[name], name: name, site: sites[name]})
	}
	p.routes.Bind(app)
	for _, r := range p.routes.Routes() {
		if module := r.Handler.Module(); module != nil {
			p.places[module] = append(p.places[module], r)
		}
	}
}

// Unknown lists what the configuration refers to and what is missing here, such as secrets,
// keys and values of placeholders. It counts as present. Each text has its place, if it has
// one.
func (p *Probe) Unknown() []string { return p.unknown }

// Applications returns the Applications of the issuers of the configuration, by the
// issuer's URL.
func (p *Probe) Applications() map[string]*application.Set {
	all := p.sandbox.Issuers()
	maps.DeleteFunc(all, func(_ string, set *application.Set) bool { return set == nil })
	return all
}

// placeOf returns the route by which the request reaches the verify, or nil.
func (p *Probe) placeOf(v *tokenidp.Verify, r *http.Request) *route.Route {
	found := p.places[v]
	request := route.Request{Method: r.Method, Host: r.Host, Path: r.URL.Path}
	for _, one := range found {
		if one.Takes(request) {
			return one
		}
	}
	if len(found) > 0 {
		return found[0]
	}
	return nil
}

// App returns the provisioned app, with the defaults of fields that are not configured.
func (p *Probe) App() *tokenidp.App { return p.sandbox.App() }

// Routes returns the routes of the whole configuration. Their handlers are provisioned.
func (p *Probe) Routes() *route.Config { return p.routes }
