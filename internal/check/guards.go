package check

import (
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// guard is a verify on one route.
type guard struct {
	*route.Route
	verify *tokenidp.Verify
}

// guards are the verifies that requests reach.
func (c *configuration) guards() (all []guard) {
	for _, r := range c.routes.Verifies() {
		if v, ok := r.Handler.Module().(*tokenidp.Verify); ok && r.Reached {
			all = append(all, guard{r, v})
		}
	}
	return all
}

func (g guard) finding(text string) Finding {
	return Finding{Subject: g.ID, Route: g.ID, Place: placeOf(g.Handler.Source), Message: text}
}

// locals returns the requirements of the route for tokens of the issuers of this server that
// know their Applications, by issuer.
func (c *configuration) locals(g guard) map[string]*verifier.Requirement {
	all := make(map[string]*verifier.Requirement)
	for issuer := range c.sets {
		if required := g.verify.Requirement(issuer); required != nil {
			all[issuer] = required
		}
	}
	return all
}

// acceptsOthers reports whether the route accepts tokens of issuers elsewhere, or of
// issuers whose Applications are not known here.
func (c *configuration) acceptsOthers(g guard) bool {
	return slices.ContainsFunc(c.probe.TokenIssuers(), func(iss tokenidp.TokenIssuer) bool {
		return c.sets[iss.URL] == nil && g.verify.Requirement(iss.URL) != nil
	})
}

// mayPass reports whether the Application has enough scopes for the route.
func mayPass(a *application.Application, set *application.Set, r *verifier.Requirement) bool {
	for _, audience := range r.AcceptedAudiences() {
		if hasScopesFor(a, set, r, audience) {
			return true
		}
	}
	return false
}

func hasScopesFor(a *application.Application, set *application.Set, r *verifier.Requirement, audience string) bool {
	has := func(scope string) bool { return slices.Contains(a.Scopes, scope) }
	either := false
	for _, alternative := range r.Alternatives {
		either = either || alternative.Audience == audience && has(alternative.Scope)
	}
	switch {
	case len(r.Alternatives) > 0 && !either:
		return false
	case slices.ContainsFunc(r.Scopes, func(scope string) bool { return !has(scope) }):
		return false
	}
	return slices.ContainsFunc(a.Scopes, func(scope string) bool {
		owner, owned := set.Resource(scope)
		return owned && owner.Audience() == audience
	})
}

// longest is the longest possible lifetime of a token of this build.
const longest = 24 * time.Hour
