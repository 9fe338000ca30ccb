package tokenidp

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

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
