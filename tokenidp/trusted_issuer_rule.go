package tokenidp

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

func (t *TrustedIssuer) id() string { return t.Issuer }

func (t *TrustedIssuer) verifies() *verifier.Issuer { return t.verification }

// trustedRule is the rule of a route for a trusted issuer.
type trustedRule struct {
	issuer      *TrustedIssuer
	requirement *verifier.Requirement
}

func (t *TrustedIssuer) newRule(v *Verify) (rule, error) {
	audience := orElse(v.Audience, t.Audience)
	requirement, err := v.requirementWithoutApplications(t.Issuer, audience)
	if err != nil {
		return nil, err
	}
	requirement.Claims = slices.Concat(t.rules, requirement.Claims)
	if err := t.kind.CheckRequirement(requirement); err != nil {
		return nil, fmt.Errorf("trusting %s: %w", t.Issuer, err)
	}
	return trustedRule{t, requirement}, t.keepApart(v, requirement)
}

func (r trustedRule) authorize(claims *verifier.Claims, request *http.Request) error {
	if err := notRevoked(r.issuer.state, claims); err != nil {
		return err
	}
	return claims.Authorize(r.requirement, time.Now, request)
}

func (r trustedRule) requires() *verifier.Requirement { return r.requirement }

// keepApart is checkFederation for the audiences of a route. It registers the route as a
// dependent of all issuers of this server.
func (t *TrustedIssuer) keepApart(v *Verify, route *verifier.Requirement) error {
	for _, iss := range v.app.Issuers {
		err := iss.depend(dependent{
			source: v.Source,
			check:  func(set *application.Set) error { return t.checkApart(iss, set, route) },
			adopt:  func(*application.Set) {},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *TrustedIssuer) checkApart(iss *Issuer, set *application.Set, route *verifier.Requirement) error {
	if set == nil {
		return nil
	}
	for _, a := range set.Applications() {
		for _, f := range a.Federated {
			if audience := cmp.Or(f.Audience, iss.Issuer); a.Active && f.Issuer == t.Issuer && route.Accepts(audience) {
				return fmt.Errorf("the tokens of %s for the audience %s are accepted here, and whoever receives one could authenticate as the application %q (%s); give this API an audience of its own",
					t.Issuer, audience, a.ClientID, f.Source)
			}
		}
	}
	return nil
}
