package tokenidp

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
)

// matchesPath tells whether some matcher looks at the path.
func (v *Verify) matchesPath() bool {
	return slices.ContainsFunc(v.MatcherSetsRaw, func(set caddy.ModuleMap) bool { return mentionsPath(set) })
}

func mentionsPath(set map[string]json.RawMessage) bool {
	for name, raw := range set {
		switch name {
		case "path", "path_regexp", "file", "expression", "vars", "vars_regexp":
			return true
		case "not":
			var negated []map[string]json.RawMessage
			if json.Unmarshal(raw, &negated) == nil && slices.ContainsFunc(negated, mentionsPath) {
				return true
			}
		}
	}
	return false
}

// afterRewrite tells whether a handler that comes earlier in the same chain
// rewrites the request. Lineage is what Caddy has provisioned down to here, the
// verify in question included.
func afterRewrite(lineage []caddy.Module) bool {
	source := sourceOf(lineage)
	for _, module := range lineage {
		switch m := module.(type) {
		case *caddyhttp.Subroute:
			if rewritesBefore(m.Routes, source) {
				return true
			}
		case *caddyhttp.App: // whose servers hold the routes of sites without a host
			for _, server := range m.Servers {
				if rewritesBefore(server.Routes, source) {
					return true
				}
			}
		}
	}
	return false
}

// sourceOf is the place of the innermost module as its JSON has it, or nil.
func sourceOf(lineage []caddy.Module) []byte {
	v, ok := lineage[len(lineage)-1].(*Verify)
	if !ok || v.Source == "" {
		return nil
	}
	source, _ := json.Marshal(v.Source) // a string always can be
	return source
}

// rewritesBefore tells whether something in the routes rewrites the request
// before the handler being provisioned, which is of that source. The routes
// before its own have their handlers by now; its own, and those after it, have
// only their JSON. Where all have handlers, the list is not around this one.
func rewritesBefore(routes caddyhttp.RouteList, source []byte) bool {
	own := slices.IndexFunc(routes, func(r caddyhttp.Route) bool { return len(r.HandlersRaw) > 0 })
	if own < 0 {
		return false
	}
	for _, raw := range routes[own].HandlersRaw {
		if source != nil && bytes.Contains(raw, source) {
			break
		}
		if rewritesRaw(raw) {
			return true
		}
	}
	group := routes[own].Group
	return slices.ContainsFunc(routes[:own], func(r caddyhttp.Route) bool {
		// Routes of one group exclude each other, as `handle` makes them.
		return (group == "" || r.Group != group) && rewrites(r)
	})
}

func rewrites(route caddyhttp.Route) bool {
	return slices.ContainsFunc(route.Handlers, func(handler caddyhttp.MiddlewareHandler) bool {
		switch h := handler.(type) {
		case *rewrite.Rewrite, *caddyhttp.Invoke: // a named route may do anything
			return true
		case *caddyhttp.Subroute:
			return slices.ContainsFunc(h.Routes, rewrites)
		}
		return false
	})
}

// rewritesRaw is rewrites for a handler that Caddy has not provisioned yet.
func rewritesRaw(raw json.RawMessage) bool {
	var handler struct {
		Name   string `json:"handler"`
		Routes []struct {
			Handlers []json.RawMessage `json:"handle"`
		} `json:"routes"`
	}
	if json.Unmarshal(raw, &handler) != nil {
		return false
	}
	if handler.Name == "rewrite" || handler.Name == "invoke" {
		return true
	}
	for _, route := range handler.Routes {
		if slices.ContainsFunc(route.Handlers, rewritesRaw) {
			return true
		}
	}
	return false
}
