package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

var accessRules = []*Rule{
	{
		ID: "unguarded-handler", Severity: Warning,
		Title:      "A handler is reached without a token, on a site that has a verify",
		Reason:     "Requests come to it that no `verify` has seen. On a site whose other routes are protected, that is often a mistake.",
		Correction: "Write `verify` before it, or move it to a site of its own. If it is meant to be open, ignore the finding with that reason.",
		find:       unguardedHandlers,
	},
	{
		ID: "scope-not-granted", Severity: Warning,
		Title:      "A route asks for a scope that no Application has",
		Reason:     "Nobody gets through.",
		Correction: "Give the scope to an Application, or ask for another one.",
		find:       scopesNotGranted,
	},
	{
		ID: "scope-not-asked", Severity: Note,
		Title:      "No route asks for a scope",
		Reason:     "Routes here ask for other scopes of the same API, and this one decides nothing. Who reads the file believes that it does.",
		Correction: "Ask for the scope in a `verify`, or remove it from the resource and from its Applications.",
		find:       scopesNotAsked,
	},
	{
		ID: "no-scope-asked", Severity: Warning,
		Title:      "A verify asks for nothing but the API",
		Reason:     "Every client with any token for the API gets through, whatever its scopes (RFC 9700 section 2.3).",
		Correction: "Name a scope, as in `verify orders.read`, or a claim.",
		find:       noScopeAsked,
	},
	{
		ID: "application-reaches-nothing", Severity: Note,
		Title:      "An Application reaches no route",
		Reason:     "All its APIs are protected here, and no route accepts its scopes. Its secret is a risk without a use.",
		Correction: "Give it the scopes that it needs, or write `active: false`.",
		find:       reachNothing,
	},
	{
		ID: "bearer-accepted", Severity: Note,
		Title:      "A route accepts tokens that are not bound, though all its clients bind theirs",
		Reason:     "A stolen token that is not bound works for everybody (RFC 9700 section 2.2.1). No client of this route needs that.",
		Correction: "Write `sender_constrained dpop` or `sender_constrained mtls` into the `verify`.",
		find:       bearerAccepted,
	},
	{
		ID: "long-lifetime-accepted", Severity: Note,
		Title:      "A route accepts tokens of a trusted issuer that live for more than 24 hours",
		Reason:     "A token of an issuer elsewhere is valid for as long as that issuer says. Nothing here takes it back.",
		Correction: "Write `max_lifetime 1h` into the `verify`, or what the tokens of that issuer need, up to 24h.",
		find:       longLifetimeAccepted,
	},
}

// unguardedHandlers also asks Caddy's router, because basic_auth may guard them.
func unguardedHandlers(c *configuration, report reporter) {
	if c.probe == nil {
		return
	}
	guards := c.guards()
	var examples []probe.Example
	for _, r := range c.routes.Unverified() {
		if c.routes.ServesWhatWasRefused(r) || r.ServesWithoutToken() || !slices.ContainsFunc(guards, func(g guard) bool { return sharesSite(r, g.Route) }) {
			continue
		}
		if examples == nil {
			examples = c.probe.Examples()
		}
		if request, open := c.isOpen(r, examples); open {
			report(Finding{Subject: r.ID, Route: r.ID, Message: fmt.Sprintf("%s answers without a token%s", r.Handler, request)})
		}
	}
}

// sharesSite reports whether the routes have a host in common.
func sharesSite(a, b *route.Route) bool {
	return a.Server == b.Server && (len(a.Hosts) == 0 || len(b.Hosts) == 0 || slices.ContainsFunc(a.Hosts, func(host string) bool { return slices.Contains(b.Hosts, host) }))
}

// isOpen reports whether a request gets through without a token. It is true if no example
// of a request is known.
func (c *configuration) isOpen(r *route.Route, examples []probe.Example) (request string, open bool) {
	open = true
	for _, e := range examples {
		if e.Route != r {
			continue
		}
		for _, one := range e.Requests {
			v, err := c.probe.AskWith(one, nil)
			if err == nil && v.Allowed && len(v.Reported) == 0 {
				return ", as to " + one.String(), true
			}
			open = false
		}
	}
	return "", open
}

func scopesNotGranted(c *configuration, report reporter) {
	for _, g := range c.guards() {
		if c.acceptsOthers(g) {
			continue
		}
		for issuer, required := range c.locals(g) {
			granted := func(scope string) bool {
				return slices.ContainsFunc(c.sets[issuer].Applications(), func(a *application.Application) bool { return a.Active && slices.Contains(a.Scopes, scope) })
			}
			for _, scope := range required.Scopes {
				if !granted(scope) {
					report(g.finding(fmt.Sprintf("no active Application of %s has the scope %s", issuer, scope)))
				}
			}
			for _, alternative := range required.Alternatives {
				if !granted(alternative.Scope) {
					report(g.finding(fmt.Sprintf("no active Application of %s has the scope %s, which is an alternative", issuer, alternative.Scope)))
				}
			}
		}
	}
}

// scopesNotAsked checks resources that have routes which require other scopes. The scopes
// of other resources are required elsewhere.
func scopesNotAsked(c *configuration, report reporter) {
	asked, accepted := make(map[string]bool), make(map[string]bool)
	for _, g := range c.guards() {
		for _, required := range c.locals(g) {
			for _, audience := range required.AcceptedAudiences() {
				scopes := required.ScopesFor(audience)
				accepted[audience] = accepted[audience] || len(scopes) > 0
				for _, scope := range scopes {
					asked[scope] = true
				}
			}
		}
	}
	for _, d := range c.documents {
		for _, r := range d.Resources() {
			for _, scope := range r.Scopes {
				if accepted[r.Audience()] && !asked[scope.Name] && !c.probe.Mentions(scope.Name) {
					report(Finding{Subject: scope.Name, Place: placeOf(r.Source), Message: fmt.Sprintf("resource %q: no route asks for the scope %s", r.Name, scope.Name)})
				}
			}
		}
	}
}

func noScopeAsked(c *configuration, report reporter) {
	for _, g := range c.guards() {
		v := g.verify
		if len(v.Scopes)+len(v.AnyScope)+len(v.Claims)+len(v.Require)+len(v.Expressions) == 0 && !c.isNarrowed(g) {
			report(g.finding(fmt.Sprintf("it asks for the audience %s alone", strings.Join(v.Audience, " or "))))
		}
	}
}

// isNarrowed reports whether an earlier verify on the same path requires more.
func (c *configuration) isNarrowed(g guard) bool {
	return slices.ContainsFunc(c.guards(), func(other guard) bool {
		return other.Route != g.Route && other.verify != g.verify && len(other.verify.Scopes)+len(other.verify.AnyScope) > 0 &&
			other.Server == g.Server && (other.ID == g.ID || strings.HasPrefix(other.ID, g.ID+" #") || strings.HasPrefix(g.ID, other.ID+" #"))
	})
}

// reachNothing checks Applications whose APIs all have routes here.
func reachNothing(c *configuration, report reporter) {
	for issuer, set := range c.sets {
		accepted := make(map[string]bool)
		for _, g := range c.guards() {
			if required := g.verify.Requirement(issuer); required != nil {
				for _, audience := range required.AcceptedAudiences() {
					accepted[audience] = true
				}
			}
		}
		for _, a := range set.Applications() {
			elsewhere := func(scope string) bool { r, owned := set.Resource(scope); return owned && !accepted[r.Audience()] }
			if a.Active && len(a.Scopes) > 0 && !slices.ContainsFunc(a.Scopes, elsewhere) && !c.reachesSome(a, issuer) {
				report(ofApplication(a, fmt.Sprintf("no route accepts a token with the scopes %s", strings.Join(a.Scopes, ", "))))
			}
		}
	}
}

func (c *configuration) reachesSome(a *application.Application, issuer string) bool {
	return slices.ContainsFunc(c.guards(), func(g guard) bool {
		required := g.verify.Requirement(issuer)
		return required != nil && mayPass(a, c.sets[issuer], required)
	})
}

func bearerAccepted(c *configuration, report reporter) {
	for _, g := range c.guards() {
		if len(g.verify.SenderConstrained) > 0 || c.acceptsOthers(g) {
			continue
		}
		clients, bound := 0, 0
		for issuer, required := range c.locals(g) {
			for _, a := range c.sets[issuer].Applications() {
				if a.Active && mayPass(a, c.sets[issuer], required) {
					clients++
					if a.CertificateBound || a.DPoPBound {
						bound++
					}
				}
			}
		}
		if clients > 0 && clients == bound {
			report(g.finding(fmt.Sprintf("the tokens of all its %d clients are bound", clients)))
		}
	}
}

func longLifetimeAccepted(c *configuration, report reporter) {
	for _, g := range c.guards() {
		for _, t := range c.app.Trusted {
			if required := g.verify.Requirement(t.Issuer); required != nil && (required.MaxLifetime == 0 || required.MaxLifetime > longest) {
				limit := "no max_lifetime"
				if required.MaxLifetime > 0 {
					limit = "max_lifetime " + required.MaxLifetime.Round(time.Second).String()
				}
				report(g.finding(fmt.Sprintf("it accepts tokens of %s, and has %s", t.Issuer, limit)))
			}
		}
	}
}
