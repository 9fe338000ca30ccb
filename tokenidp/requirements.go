package tokenidp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Demands are what is asked of a token. All of them must hold.
type Demands struct {
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
	Expressions []string `json:"expressions,omitempty"`

	claims      []claimrule.Rule
	present     []claimrule.Path
	expressions []*verifier.Expression
}

func (d *Demands) asksNothing() bool {
	return len(d.Scopes)+len(d.AnyScope)+len(d.Audience)+len(d.Claims)+len(d.Require)+len(d.Expressions)+len(d.SenderConstrained) == 0 &&
		d.MaxAge == 0 && d.MaxLifetime == 0
}

// compile reads what needs no issuer to be understood.
func (d *Demands) compile() (err error) {
	if d.MaxAge < 0 || d.MaxLifetime < 0 {
		return errors.New("max_age and max_lifetime must be positive")
	}
	for _, means := range d.SenderConstrained {
		if !slices.Contains(verifier.Means, means) {
			return fmt.Errorf("sender_constrained: %q is no means by which a token is bound; known: %s", means, strings.Join(verifier.Means, ", "))
		}
	}
	if d.claims, err = claimRules(d.Claims); err != nil {
		return err
	}
	if d.present, err = claimPaths(d.Require); err != nil {
		return err
	}
	for _, source := range d.Expressions {
		e, err := verifier.NewExpression(source)
		if err != nil {
			return err
		}
		d.expressions = append(d.expressions, e)
	}
	return nil
}

// requirement is what is asked, but for what the Applications say of scopes.
func (d *Demands) requirement(audiences []string) *verifier.Requirement {
	return &verifier.Requirement{
		Audiences: audiences, Scopes: d.Scopes, Claims: d.claims, Present: d.present, Expressions: d.expressions,
		SenderConstrained: d.SenderConstrained,
		MaxAge:            time.Duration(d.MaxAge), MaxLifetime: time.Duration(d.MaxLifetime),
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

// and is what asks for all that both ask for. Alternatives stay one group, so only
// one of them may have some; audiences that only one accepts are not enough.
func (d Demands) and(other Demands) (Demands, error) {
	if len(d.AnyScope) > 0 && len(other.AnyScope) > 0 {
		return d, errors.New("any_scope is asked for more than once; write it in one place")
	}
	audience, err := inBoth("audience", d.Audience, other.Audience)
	if err != nil {
		return d, err
	}
	means, err := inBoth("means of sender_constrained", d.SenderConstrained, other.SenderConstrained)
	return Demands{
		Scopes:            union(d.Scopes, other.Scopes),
		AnyScope:          slices.Concat(d.AnyScope, other.AnyScope),
		Audience:          audience,
		Claims:            slices.Concat(d.Claims, other.Claims),
		Require:           union(d.Require, other.Require),
		MaxAge:            shorter(d.MaxAge, other.MaxAge),
		MaxLifetime:       shorter(d.MaxLifetime, other.MaxLifetime),
		SenderConstrained: means,
		Expressions:       union(d.Expressions, other.Expressions),
	}, err
}

// inBoth are the audiences, or the like, that both accept, of which none given means
// any.
func inBoth(what string, a, b []string) ([]string, error) {
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

// shorter is the stricter of two limits, of which 0 is none.
func shorter[D ~int64](a, b D) D {
	switch {
	case a == 0:
		return b
	case b == 0:
		return a
	}
	return min(a, b)
}
