package tokenidp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

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

	claims      []verifier.ClaimRule
	present     []verifier.Path
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
