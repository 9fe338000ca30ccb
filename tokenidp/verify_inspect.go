package tokenidp

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// AcceptedIssuers returns the URLs of the issuers whose tokens the route accepts, sorted.
func (v *Verify) AcceptedIssuers() []string { return slices.Sorted(maps.Keys(v.rules)) }

// Requirement returns what the route currently requires of the tokens of an issuer, or nil
// if it accepts none.
func (v *Verify) Requirement(issuer string) *verifier.Requirement {
	rule := v.rules[issuer]
	if rule == nil {
		return nil
	}
	return rule.requires()
}

// IsConditional reports whether some requests pass the route without a token: those that a
// matcher of the verify leaves out, or CORS preflights.
func (v *Verify) IsConditional() bool { return len(v.matchers) > 0 || v.AllowPreflight }

// CheckToken returns nil if the route accepts the token, and otherwise the error for which
// it refuses a request. It does not check to whom the token is bound: that needs a proof by
// its client.
func (v *Verify) CheckToken(ctx context.Context, token string) error {
	claims, err := verifyAlone(ctx, v.verifier, token)
	if err != nil {
		return err
	}
	if err := v.authorize(claims, nil); err != nil {
		return err
	}
	_, err = v.headers.Values(claims)
	return err
}

// verifyAlone verifies a token without the request of its client.
func verifyAlone(ctx context.Context, by *verifier.Verifier, token string) (*verifier.Claims, error) {
	presented, err := verifier.PresentedToken(http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return nil, err
	}
	return by.Verify(ctx, presented.Token)
}
