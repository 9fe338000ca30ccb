package route

import (
	"context"
	"maps"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Taken returns the route by which a request has reached a handler: the first whose
// matchers all match. It asks the matchers that Bind has found. It returns the first route
// if none matches, which can happen if a path was rewritten more than once. Routes must not
// be empty.
func Taken(routes []*Route, r *http.Request) *Route {
	if taken := SurelyTaken(routes, r); taken != nil {
		return taken
	}
	return routes[0]
}

// SurelyTaken is like Taken, but returns nil if none matches.
func SurelyTaken(routes []*Route, r *http.Request) *Route {
	if len(routes) == 1 {
		return routes[0]
	}
	for _, one := range routes {
		if one.taken(r) {
			return one
		}
	}
	return nil
}

func (r *Route) taken(request *http.Request) bool {
	ctx := request.Context()
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server != r.server.live {
		return false
	}
	if _, failed := ctx.Value(caddyhttp.ErrorCtxKey).(error); failed != (r.After == AfterError) && r.After != AfterResponse {
		return false
	}
	apart := asideFrom(request)
	for _, l := range r.levels {
		if !l.matches(apart) {
			return false
		}
	}
	return true
}

// matches asks Caddy's own matchers about the method and path that the client sent, unless
// they may have been rewritten before this level. A matcher that fails does not match.
func (l level) matches(request *http.Request) bool {
	if l.entry == nil {
		return true
	}
	asked := *request
	asked.URL = new(url.URL)
	*asked.URL = *request.URL
	if original, ok := request.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		if !l.path {
			*asked.URL = *original.URL
		}
		if !l.method {
			asked.Method = original.Method
		}
	}
	matched, err := l.entry.live.AnyMatchWithError(&asked)
	return matched && err == nil
}

// asideFrom returns the request with its own placeholders and variables, because matchers
// may set them.
func asideFrom(r *http.Request) *http.Request {
	ctx := r.Context()
	if replacer, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		aside := caddy.NewEmptyReplacer()
		aside.Map(replacer.Get)
		ctx = context.WithValue(ctx, caddy.ReplacerCtxKey, aside)
	}
	if vars, ok := ctx.Value(caddyhttp.VarsCtxKey).(map[string]any); ok {
		ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, maps.Clone(vars))
	}
	return r.WithContext(ctx)
}
