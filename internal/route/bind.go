package route

import (
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/intercept"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// Bind finds the handlers that Caddy has provisioned from this configuration. It does not
// find handlers in modules that are not known here.
func (c *Config) Bind(app *caddyhttp.App) {
	for _, s := range c.servers {
		live := app.Servers[s.name]
		if live == nil {
			continue
		}
		s.live = live
		bindRoutes(s.Routes, live.Routes)
		if s.Errors != nil && live.Errors != nil {
			bindRoutes(s.Errors.Routes, live.Errors.Routes)
		}
		for name, e := range s.Named {
			if named := live.NamedRoutes[name]; e != nil && named != nil {
				e.bind(named)
			}
		}
	}
}

// Module returns the handler that Caddy has provisioned, or nil if it was not found.
func (h *Handler) Module() caddyhttp.MiddlewareHandler { return h.live }

// SetModule does the same as Bind for a handler that is provisioned by itself.
func (h *Handler) SetModule(live caddyhttp.MiddlewareHandler) { h.live = live }

func bindRoutes(routes []*entry, live caddyhttp.RouteList) {
	live = slices.DeleteFunc(slices.Clone(live), redirects)
	if len(live) != len(routes) {
		return
	}
	for i, e := range routes {
		if e != nil {
			e.bind(&live[i])
		}
	}
}

// redirects reports whether automatic HTTPS has added the route. A handler of the
// configuration is always a pointer.
func redirects(r caddyhttp.Route) bool {
	return slices.ContainsFunc(r.Handlers, func(h caddyhttp.MiddlewareHandler) bool {
		_, added := h.(caddyhttp.StaticResponse)
		return added
	})
}

func (e *entry) bind(live *caddyhttp.Route) {
	if len(live.Handlers) != len(e.Handlers) {
		return
	}
	e.live = live.MatcherSets
	for i, h := range e.Handlers {
		if h != nil {
			h.bind(live.Handlers[i])
		}
	}
}

func (h *Handler) bind(live caddyhttp.MiddlewareHandler) {
	h.live = live
	switch l := live.(type) {
	case *caddyhttp.Subroute:
		bindRoutes(h.settings.Routes, l.Routes)
		if h.settings.Errors != nil && l.Errors != nil {
			bindRoutes(h.settings.Errors.Routes, l.Errors.Routes)
		}
	case *reverseproxy.Handler:
		h.bindResponses(l.HandleResponse)
	case *intercept.Intercept:
		h.bindResponses(l.HandleResponse)
	case Responder:
		h.bindResponses(l.ResponseHandlers())
	}
}

// Responder is a handler that replaces a reverse_proxy, with its response routes.
type Responder interface {
	ResponseHandlers() []caddyhttp.ResponseHandler
}

func (h *Handler) bindResponses(live []caddyhttp.ResponseHandler) {
	for i, r := range h.settings.HandleResponse {
		if i < len(live) {
			bindRoutes(r.Routes, live[i].Routes)
		}
	}
}
