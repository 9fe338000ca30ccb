package tokenidp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Policy is what several routes ask of a token, under one name.
type Policy struct {
	// The name of the policy in `verify`. Required.
	Name string `json:"name"`

	Requirements

	// Where this policy is configured, as file:line. Errors begin with it.
	Source string `json:"source,omitempty"`
}

// provisionPolicies checks all policies, also those that no route names.
func (a *App) provisionPolicies() error {
	for i, p := range a.Policies {
		before := slices.IndexFunc(a.Policies[:i], func(other *Policy) bool { return other.Name == p.Name })
		if before >= 0 {
			return placed(p.Source, fmt.Errorf("the policy %s is already defined at %s", p.Name, a.Policies[before].Source))
		}
		if err := p.provision(); err != nil {
			return placed(p.Source, err)
		}
	}
	return nil
}

func (p *Policy) provision() error {
	if p.Name == "" {
		return errors.New("a policy without a name")
	}
	if p.isEmpty() {
		return fmt.Errorf("the policy %s asks for nothing; write into it: max_age 10m", p.Name)
	}
	return p.compile()
}

// policy returns the policy that a verify names.
func (a *App) policy(name string) (*Policy, error) {
	var names []string
	for _, p := range a.Policies {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("unknown policy %q: none is defined; add to the global option tokenidp: policy %s { … }", name, name)
	}
	return nil, fmt.Errorf("unknown policy %q; known: %s", name, application.Shortened(names))
}

// Requirements are the conditions on a token. All of them must hold.
type Requirements struct {
	// The scopes that a token must have, all of them. They belong to one API
	// resource, and tokens for another are refused.
	Scopes []string `json:"scopes,omitempty"`

	// Scopes of which a token must have at least one, each for the API
	// resource that owns it.
	AnyScope []string `json:"any_scope,omitempty"`

	// The audiences of which a token must have one. Default: the API resource
	// that owns the scopes.
	Audience []string `json:"audience,omitempty"`

	// Claims that a token must have, each with the values of which one must be
	// there. All of them are asked for.
	Claims []ClaimRule `json:"claims,omitempty"`

	// Claims that a token must have, with any value but null. A name that begins
	// with a slash is a JSON Pointer (RFC 6901) into nested claims.
	Require []string `json:"require,omitempty"`

	// Require a token that is bound to its sender by one of these means: "dpop" (RFC
	// 9449), "mtls" (RFC 8705). Default: a token need not be bound. A bound token is
	// accepted from its own sender only, on every route.
	SenderConstrained []string `json:"sender_constrained,omitempty"`

	// The greatest age of a token, measured from its `iat`. Default: no limit.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// The longest lifetime of a token, from its `iat` to its `exp`. Default: no limit.
	MaxLifetime caddy.Duration `json:"max_lifetime,omitempty"`

	// Conditions in the Common Expression Language (CEL) on the token and the
	// request, all of which must be true. What cannot be evaluated is not. They know
	// claims, scopes, client_id, issuer, audience, request.method, request.host and
	// request.path. Placeholders are not expanded.
	Expressions []string `json:"expressions,omitempty" placeholders:"kept"`

	claims      []claimrule.Rule
	present     []claimrule.Path
	expressions []*verifier.Expression
}

func (r *Requirements) isEmpty() bool {
	return r.names()+len(r.SenderConstrained) == 0 && r.MaxAge == 0 && r.MaxLifetime == 0
}

// names counts what is named of a token. How old it may be, and that it is bound, does
// not say for whom it is.
func (r *Requirements) names() int {
	return len(r.Scopes) + len(r.AnyScope) + len(r.Audience) + len(r.Claims) + len(r.Require) + len(r.Expressions)
}

// compile parses the parts that do not depend on an issuer.
func (r *Requirements) compile() (err error) {
	if r.MaxAge < 0 || r.MaxLifetime < 0 {
		return errors.New("max_age and max_lifetime must be positive")
	}
	for _, means := range r.SenderConstrained {
		if !slices.Contains(verifier.Means, means) {
			return fmt.Errorf("sender_constrained: %q is no means by which a token is bound; known: %s", means, strings.Join(verifier.Means, ", "))
		}
	}
	if r.claims, err = claimRules(r.Claims); err != nil {
		return err
	}
	if r.present, err = claimPaths(r.Require); err != nil {
		return err
	}
	for _, source := range r.Expressions {
		e, err := verifier.NewExpression(source)
		if err != nil {
			return err
		}
		r.expressions = append(r.expressions, e)
	}
	return nil
}

// requirement returns the verifier's form. It lacks what the Applications say about scopes.
func (r *Requirements) requirement(audiences []string) *verifier.Requirement {
	return &verifier.Requirement{
		Audiences: audiences, Scopes: r.Scopes, Claims: r.claims, Present: r.present, Expressions: r.expressions,
		SenderConstrained: r.SenderConstrained,
		MaxAge:            time.Duration(r.MaxAge), MaxLifetime: time.Duration(r.MaxLifetime),
	}
}

// ClaimRule is what a claim of a token must be.
type ClaimRule struct {
	// The claim's name. One that begins with a slash is a JSON Pointer (RFC 6901)
	// into nested claims, as in /kubernetes.io/namespace.
	Claim string `json:"claim"`

	// The values of which the claim must be one, byte for byte. Of a list, one
	// element must be.
	Values []string `json:"values"`
}

func claimRules(rules []ClaimRule) ([]claimrule.Rule, error) {
	compiled := make([]claimrule.Rule, 0, len(rules))
	for _, r := range rules {
		path, err := claimrule.ParsePath(r.Claim)
		if err != nil {
			return nil, err
		}
		if len(r.Values) == 0 {
			return nil, fmt.Errorf("the claim %s has no value that is accepted; write: claim %s <value>", r.Claim, r.Claim)
		}
		compiled = append(compiled, claimrule.Rule{Path: path, Values: r.Values})
	}
	return compiled, nil
}

func claimPaths(names []string) ([]claimrule.Path, error) {
	paths := make([]claimrule.Path, 0, len(names))
	for _, name := range names {
		path, err := claimrule.ParsePath(name)
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// merge returns requirements that hold only if both hold. Only one of them may have
// any_scope, which is one group of alternatives. An audience must be accepted by both.
func (r Requirements) merge(other Requirements) (Requirements, error) {
	if len(r.AnyScope) > 0 && len(other.AnyScope) > 0 {
		return r, errors.New("any_scope is asked for more than once; write it in one place")
	}
	audience, err := intersect("audience", r.Audience, other.Audience)
	if err != nil {
		return r, err
	}
	means, err := intersect("means of sender_constrained", r.SenderConstrained, other.SenderConstrained)
	return Requirements{
		Scopes:            union(r.Scopes, other.Scopes),
		AnyScope:          slices.Concat(r.AnyScope, other.AnyScope),
		Audience:          audience,
		Claims:            slices.Concat(r.Claims, other.Claims),
		Require:           union(r.Require, other.Require),
		MaxAge:            shorter(r.MaxAge, other.MaxAge),
		MaxLifetime:       shorter(r.MaxLifetime, other.MaxLifetime),
		SenderConstrained: means,
		Expressions:       union(r.Expressions, other.Expressions),
	}, err
}

// intersect returns the audiences, or means, in both lists. An empty list accepts all.
func intersect(what string, a, b []string) ([]string, error) {
	if len(a) == 0 || len(b) == 0 {
		return slices.Concat(a, b), nil
	}
	both := slices.DeleteFunc(slices.Clone(a), func(one string) bool { return !slices.Contains(b, one) })
	if len(both) == 0 {
		return nil, fmt.Errorf("no %s is accepted by all: %s, and %s", what, strings.Join(a, ", "), strings.Join(b, ", "))
	}
	return both, nil
}

func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// shorter returns the stricter of two limits. 0 is no limit.
func shorter[D ~int64](a, b D) D {
	switch {
	case a == 0:
		return b
	case b == 0:
		return a
	}
	return min(a, b)
}
