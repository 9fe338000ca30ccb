package tokenidp

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// rule is what one route requires of the tokens of one issuer.
type rule interface {
	// authorize returns an error if a verified token may not pass with this request.
	authorize(claims *verifier.Claims, request *http.Request) error
	// requires returns the current requirement. No token meets nil.
	requires() *verifier.Requirement
}

// tokenIssuer is an issuer whose tokens a route accepts: an Issuer or a TrustedIssuer.
type tokenIssuer interface {
	id() string
	verifies() *verifier.Issuer
	newRule(v *Verify) (rule, error)
}

// requirement returns what this route requires of a token of the issuer, given the
// Applications. It always has an audience.
func (v *Verify) requirement(iss *Issuer, set *application.Set) (*verifier.Requirement, error) {
	if set == nil {
		return v.requirementWithoutApplications(iss.Issuer, v.Audience)
	}
	r := v.Requirements.requirement(v.Audience)
	for _, audience := range v.Audience {
		if err := set.CheckAudience(audience); err != nil {
			return nil, err
		}
	}
	if len(v.Scopes) > 0 {
		owner, err := set.OwnerOfAll(v.Scopes)
		if err != nil {
			return nil, err
		}
		if len(v.Audience) > 0 && !slices.Contains(v.Audience, owner.Audience()) {
			return nil, fmt.Errorf("no token can pass: the scope %s belongs to the audience %s, which is not among: %s",
				v.Scopes[0], owner.Audience(), strings.Join(v.Audience, ", "))
		}
		r.Audiences = []string{owner.Audience()}
	}
	for _, scope := range v.AnyScope {
		owner, err := set.OwnerOfAll([]string{scope})
		if err != nil {
			return nil, err
		}
		if len(r.Audiences) > 0 && !slices.Contains(r.Audiences, owner.Audience()) {
			return nil, fmt.Errorf("no token can have the scope %s: it belongs to the audience %s, and this route asks for: %s",
				scope, owner.Audience(), strings.Join(r.Audiences, ", "))
		}
		r.Alternatives = append(r.Alternatives, verifier.Alternative{Scope: scope, Audience: owner.Audience()})
	}
	if len(r.Audiences) == 0 && len(r.Alternatives) == 0 {
		return nil, errNoAudience
	}
	return r, nil
}

var errNoAudience = errors.New("verify accepts tokens for no particular API; name a scope, as in `verify orders.read`, or the API, as in `audience orders-api`")

// errNamesNothing is also the error of a verify whose scope is an environment variable
// that is not set.
var errNamesNothing = errors.New("verify names nothing that a token must have; name a scope, as in `verify orders.read`, the API, as in `audience orders-api`, or a claim; a {$VARIABLE} that is not set is no word")

// requirementWithoutApplications is requirement for an issuer whose Applications are not
// known here, so the owner of a scope is unknown.
func (v *Verify) requirementWithoutApplications(issuer string, audience []string) (*verifier.Requirement, error) {
	if len(audience) == 0 {
		return nil, fmt.Errorf("the Applications of %s are not known here, so name the API whose tokens are accepted: audience orders-api", issuer)
	}
	r := v.Requirements.requirement(audience)
	for _, scope := range v.AnyScope {
		for _, a := range audience {
			r.Alternatives = append(r.Alternatives, verifier.Alternative{Scope: scope, Audience: a})
		}
	}
	return r, nil
}

// applyPolicies adds the requirements of the policies to those of the route.
func (v *Verify) applyPolicies(a *App) error {
	for i, name := range v.Policies {
		if slices.Contains(v.Policies[:i], name) {
			return fmt.Errorf("the policy %s is named twice", name)
		}
		p, err := a.policy(name)
		if err != nil {
			return err
		}
		if v.Requirements, err = v.merge(p.Requirements); err != nil {
			return fmt.Errorf("taking up the policy %s: %w", name, err)
		}
	}
	return nil
}
