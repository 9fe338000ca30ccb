package tokenidp

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

func init() {
	caddy.RegisterModule(ProtectedResource{})
}

// ProtectedResource tells clients where to get tokens for an API (RFC 9728): it
// serves `/.well-known/oauth-protected-resource`, and every challenge of a
// `verify` for this API names that document. Any other path goes to the next
// handler.
type ProtectedResource struct {
	// The identifier of the API: the audience that its routes ask for, which is an
	// https URL. In applications.yaml, it is the `resource` of an API resource.
	// Required.
	Resource string `json:"resource"`

	// Where this handler is configured, as file:line. Errors begin with it.
	Source string `json:"source,omitempty"`

	app      *App
	resource *verifier.Resource
}

// CaddyModule returns the Caddy module information.
func (ProtectedResource) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.protected_resource",
		New: func() caddy.Module { return new(ProtectedResource) },
	}
}

// Provision adds the URL of the metadata to the challenges for this API.
func (p *ProtectedResource) Provision(ctx caddy.Context) error {
	return placed(p.Source, p.provision(ctx))
}

func (p *ProtectedResource) provision(ctx caddy.Context) (err error) {
	if p.app, err = app(ctx); err != nil {
		return err
	}
	if err := expandPlaceholders(p); err != nil {
		return err
	}
	if p.resource, err = verifier.NewResource(p.Resource); err != nil {
		return err
	}
	if len(p.app.Trusted) == 0 { // else its audience may be known to them alone
		if err := p.app.dependOnResource(p.Source, p.resource); err != nil {
			return err
		}
	}
	p.app.resources[p.Resource] = p.resource
	p.app.handlerLoaded()
	return nil
}

// dependOnResource refuses changes of the Applications that remove the API resource. It
// returns an error if no issuer has it.
func (a *App) dependOnResource(source string, resource *verifier.Resource) error {
	return a.dependOnOne(dependent{
		source: source,
		check: func(set *application.Set) error {
			if set == nil {
				return nil // declared elsewhere
			}
			if slices.ContainsFunc(set.Resources(), func(known *application.Resource) bool { return resource.Is(known.Audience()) }) {
				return nil
			}
			return fmt.Errorf("%w; in applications.yaml, give the API resource: resource: %s", set.UnknownAudience(resource.Identifier), resource.Identifier)
		},
		adopt: func(*application.Set) {},
	})
}

func (p *ProtectedResource) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if originalPath(r) != p.resource.MetadataPath {
		return next.ServeHTTP(w, r)
	}
	document, err := p.resource.Metadata(p.app.askedFor(p.resource))
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	return serveDocument(w, r, "application/json", "", document)
}

// askedFor returns what the routes that accept tokens for the resource require together.
func (a *App) askedFor(resource *verifier.Resource) verifier.ResourceRules {
	issuers, scopes := make(map[string]bool), make(map[string]bool)
	rules := verifier.ResourceRules{DPoPRequired: true}
	for _, v := range a.routes {
		for issuer, rule := range v.rules {
			asked := rule.requires()
			audience, accepted := resource.AudienceOf(asked)
			if !accepted {
				continue
			}
			issuers[issuer] = true
			for _, scope := range asked.ScopesFor(audience) {
				scopes[scope] = true
			}
			rules.DPoP = rules.DPoP || len(v.origins) > 0
			rules.DPoPRequired = rules.DPoPRequired && slices.Equal(asked.SenderConstrained, []string{verifier.ByDPoP})
			rules.MTLS = rules.MTLS || slices.Contains(asked.SenderConstrained, verifier.ByMTLS)
		}
	}
	rules.Issuers, rules.Scopes = slices.Sorted(maps.Keys(issuers)), slices.Sorted(maps.Keys(scopes))
	rules.DPoPRequired = rules.DPoPRequired && len(issuers) > 0
	return rules
}

// Interface guards
var (
	_ caddy.Provisioner           = (*ProtectedResource)(nil)
	_ caddyhttp.MiddlewareHandler = (*ProtectedResource)(nil)
)
