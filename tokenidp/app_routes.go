package tokenidp

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

// VerifyRoute is a route to a verify: three imports of a snippet are three routes, and
// so are three invocations of a named route.
type VerifyRoute struct {
	*route.Route
	Verify *Verify
}

// readRoutes reads the routes of the configuration that is being loaded. What Caddy
// would not load is Caddy's to refuse.
func (a *App) readRoutes(ctx caddy.Context) error {
	config, err := route.Loading(ctx)
	if err != nil {
		a.logger.Warn("the routes of this configuration are not understood, so that access, explain and report know them by their source alone", warning.RoutesNotUnderstood.Log(), zap.Error(err))
		config, a.routesUnknown = new(route.Config), true
	}
	if sandboxFrom(ctx) == nil {
		a.loaded = loadedApps{"http": route.Unprovisioned(ctx, "http"), "tokenidp": route.Unprovisioned(ctx, "tokenidp")}
	}
	return a.setRoutes(ctx, config, func() {
		if app, err := ctx.AppIfConfigured("http"); err == nil {
			config.Bind(app.(*caddyhttp.App))
		}
	})
}

// setRoutes sets the routes of the configuration. bind finds the handlers on them; it is
// called once, when everything is loaded.
func (a *App) setRoutes(ctx context.Context, config *route.Config, bind func()) error {
	a.config = config
	a.verifyRoutes = sync.OnceValue(func() []VerifyRoute {
		bind()
		return a.findVerifies()
	})
	for _, r := range config.Verifies() {
		if !r.Reached {
			return placed(r.Handler.Source, unreached(r))
		}
	}
	if err := checkStatusPages(config); err != nil {
		return err
	}
	if sandboxFrom(ctx) == nil { // else see Sandbox.Warn
		a.loading = countHandlers(config)
		a.warnOfRoutes(config)
	}
	return nil
}

// RoutesKnown reports whether the routes of the configuration are understood. If not, nobody
// knows what a request passes before it comes to a handler.
func (a *App) RoutesKnown() bool { return !a.routesUnknown }

// checkStatusPages returns an error if anybody can read a status page that is not meant for
// everybody.
func checkStatusPages(config *route.Config) error {
	for _, r := range config.To(route.StatusPage) {
		if r.Reached && !r.Authenticated && !r.Handler.Public() {
			at := r.ID
			if at != "" {
				at = " at " + at
			}
			return placed(r.Handler.Source, fmt.Errorf("anybody can read this status page%s; write verify or basic_auth before it, in the same block, "+
				"or insecure_public into its block if everybody may know your clients and routes", at))
		}
	}
	return nil
}

// VerifyRoutes returns the routes to every verify, in the order of the configuration.
func (a *App) VerifyRoutes() []VerifyRoute { return a.verifyRoutes() }

// unreached is the error of a verify that guards nothing.
func unreached(r *route.Route) error {
	before := "a handle without a matcher before it takes"
	if r.Answered != nil {
		before = r.Answered.String() + " before it answers"
	}
	return fmt.Errorf("no request reaches this verify (%s), so it guards nothing: %s every request; write verify first, or take it away", r.ID, before)
}

// warnOfRoutes warns of what may be meant, and may leave something open.
func (a *App) warnOfRoutes(config *route.Config) {
	warn := func(id warning.ID, message string, r *route.Route) {
		a.logger.Warn(message, id.Log(), zap.String("route", r.ID), zap.String("handler", r.Handler.String()), zap.String("source", r.Handler.Source))
	}
	for _, r := range config.Verifies() {
		if r.MatchesRewrittenPath() {
			warn(warning.RewrittenPath, "this verify matches on a path that a rewrite before it may have changed, so requests may pass unverified; "+
				"put `handle <path> { verify … }` around the route instead", r)
		}
	}
	for _, r := range config.Unverified() {
		switch {
		case config.ServesWhatWasRefused(r):
			warn(warning.RefusedServed, "this handle_errors serves requests that a verify has refused, without a token; "+
				"rewrite to an error page first, or write respond, or write handle_errors with other statuses than 401 and 403", r)
		case r.ServesWithoutToken():
			warn(warning.ResponseUnverified, "this handle_response also serves requests that no verify has seen, without a token; "+
				"write verify in the handle_response, too", r)
		}
	}
}

// findVerifies returns the routes to every verify, in the order of the configuration.
// One that is not found in it is a route that is known by its source alone.
func (a *App) findVerifies() (found []VerifyRoute) {
	left := a.matchBySource()
	for _, r := range a.config.Verifies() {
		if v, ok := r.Handler.Module().(*Verify); ok {
			found = append(found, VerifyRoute{r, v})
		}
	}
	for _, v := range left {
		found = append(found, VerifyRoute{&route.Route{ID: v.Source, Reached: true, Handler: &route.Handler{Source: v.Source}}, v})
	}
	for _, r := range found {
		r.Verify.routes = append(r.Verify.routes, r.Route)
	}
	return found
}

// matchBySource finds the handlers in modules that are not known here by their source.
// It returns those that have none.
func (a *App) matchBySource() (left []*Verify) {
	handlers := a.config.VerifyHandlers()
	bound := make(map[caddyhttp.MiddlewareHandler]bool)
	for _, h := range handlers {
		if v, ok := h.Module().(*Verify); ok {
			bound[v] = true
		}
	}
	left = slices.DeleteFunc(slices.Clone(a.routes), func(v *Verify) bool { return bound[v] })
	for _, h := range handlers {
		i := slices.IndexFunc(left, func(v *Verify) bool { return v.Source == h.Source })
		if h.Module() == nil && i >= 0 {
			h.SetModule(left[i])
			left = slices.Delete(left, i, i+1)
		}
	}
	return left
}

// handlerNames are the handlers of this package.
var handlerNames = []string{"verify", "tokenidp", "protected_resource"}

// countHandlers returns how many of them a configuration has.
func countHandlers(config *route.Config) (count int) {
	for _, name := range handlerNames {
		count += len(config.Handlers(name))
	}
	return count
}

// handlerLoaded is called by each of them when it is provisioned. After the last one, it
// is known what the configuration uses.
func (a *App) handlerLoaded() {
	if a.loading--; a.loading == 0 {
		a.warnOfUnused(a.config)
	}
}

// warnOfUnused warns of issuers and APIs that are declared and out of reach. Call it when
// all handlers on the routes are provisioned.
func (a *App) warnOfUnused(config *route.Config) {
	for _, iss := range a.Issuers {
		accepted := slices.ContainsFunc(a.routes, func(v *Verify) bool { return v.rules[iss.id()] != nil })
		switch {
		case len(iss.Applications) > 0 && !iss.issues && !accepted:
			a.logger.Warn("nothing uses this issuer: no site has `tokenidp` for it, and no verify accepts its tokens, so its Applications get none; write `tokenidp` into the site of its URL", warning.UnusedIssuer.Log(),
				zap.String("issuer", iss.Issuer), zap.String("source", iss.Source))
		case iss.issues && !iss.InsecureHTTP && !serves(config, iss):
			a.logger.Warn("no site with `tokenidp` serves the URL of this issuer, as far as hosts and paths say; write `tokenidp` into the site of that URL, or have a proxy before this server pass its requests on", warning.IssuerNotServed.Log(),
				zap.String("issuer", iss.Issuer), zap.String("source", iss.Source))
		}
	}
	for _, identifier := range slices.Sorted(maps.Keys(a.resources)) {
		if len(a.askedFor(a.resources[identifier]).Issuers) == 0 {
			a.logger.Warn("no verify accepts tokens for this protected_resource; write a verify with a scope of it, or with `audience` and its identifier", warning.UnusedProtectedResource.Log(),
				zap.String("resource", identifier))
		}
	}
}

// serves reports whether, on these routes, a request to the token endpoint of the issuer may come to its
// handler. Ports are not compared: a balancer may have another one.
func serves(config *route.Config, iss *Issuer) bool {
	request := route.Request{Method: http.MethodPost, Host: iss.url.Hostname(), Path: iss.url.Path + "/token"}
	return slices.ContainsFunc(config.To("tokenidp"), func(r *route.Route) bool {
		var handler struct {
			Issuer string `json:"issuer"`
		}
		if err := json.Unmarshal(r.Handler.Config, &handler); err != nil { //nolint:forbidigo // the operator's own configuration
			return true
		}
		named := caddy.NewReplacer().ReplaceKnown(handler.Issuer, "")
		return (named == "" || named == iss.Issuer) && r.Reached && r.Takes(request)
	})
}
