// Package policy finds out which Application can reach which route, without a request. It
// grants a token like the token endpoint, and checks it like the route, with the same
// functions. It has no rules of its own.
package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Issuer is an issuer with its Applications.
type Issuer struct {
	URL           string
	Applications  *application.Set
	TokenLifetime time.Duration // of Applications that have none of their own
}

// Access says whether an Application can reach a route, and how, or why not.
type Access struct {
	Allowed bool
	// Scope is the smallest scope that the Application must request. Audience is that of
	// the token.
	Scope    []string
	Audience string
	// Conditions are further conditions, in words. They depend on the request, or on the
	// client.
	Conditions []string
	// Reason is why it is not allowed: a reason code of the token endpoint or of verify.
	// Cause is the same in words.
	Reason, Cause string
}

// denied returns the Access for an error of the token endpoint or of verify.
func denied(err error) Access {
	if refusal, ok := errors.AsType[*verifier.Refusal](err); ok {
		return Access{Reason: string(refusal.Reason), Cause: fmt.Sprint(cmp.Or(refusal.Unwrap(), err))}
	}
	if refusal, ok := errors.AsType[*oauth.Error](err); ok {
		return Access{Reason: string(refusal.Reason), Cause: fmt.Sprint(cmp.Or(refusal.Cause, err))}
	}
	return Access{Reason: string(oauth.ReasonInternal), Cause: err.Error()}
}

// Access reports whether the Application can get a token that the route accepts, with the
// smallest scope, or with all its scopes of one API. No token meets a nil requirement.
func (i Issuer) Access(a *application.Application, r *verifier.Requirement, now time.Time) Access {
	if none, ok := GetsNoToken(a, now); ok {
		return none
	}
	if r == nil {
		return Access{Reason: string(verifier.WrongAudience), Cause: "the route accepts no token of the issuer"}
	}
	best := Access{Reason: string(verifier.MissingScope), Cause: "it has no scope of " + strings.Join(r.AcceptedAudiences(), " or ")}
	for _, resource := range i.Applications.Resources() {
		scopes := slices.DeleteFunc(slices.Clone(a.Scopes), func(scope string) bool {
			owner, _ := i.Applications.Resource(scope)
			return owner != resource
		})
		if len(scopes) == 0 || !r.Accepts(resource.Audience()) {
			continue
		}
		if best = i.withScopes(a, r, resource, scopes, now); best.Allowed {
			break
		}
	}
	return best
}

// GetsNoToken reports whether the Application cannot get any token, and why.
func GetsNoToken(a *application.Application, now time.Time) (Access, bool) {
	valid := func(s *secret.Secret) bool { return s.ValidityAt(now) != secret.Expired }
	switch {
	case !a.Active:
		return Access{Reason: string(oauth.ReasonInactiveClient), Cause: "it is deactivated"}, true
	case a.BySecret() && !slices.ContainsFunc(a.Secrets, valid):
		return Access{Reason: string(oauth.ReasonExpiredSecret), Cause: "all its secrets have expired"}, true
	}
	return Access{}, false
}

// withScopes tries the smallest scope that the route requires, then, because rules may
// require certain scopes, each scope alone, and all of them. The returned reason is that
// of the last.
func (i Issuer) withScopes(a *application.Application, r *verifier.Requirement, resource *application.Resource, scopes []string, now time.Time) (best Access) {
	certain := *r // what does not depend on the request
	certain.MaxAge = 0
	certain.Expressions = slices.DeleteFunc(slices.Clone(r.Expressions), func(e *verifier.Expression) bool { return e.AsksRequest })
	attempts := [][]string{least(r, resource, scopes)}
	if len(r.Claims)+len(certain.Expressions) > 0 {
		attempts = slices.AppendSeq(attempts, slices.Chunk(scopes, 1))
	}
	for _, asked := range append(attempts, scopes) {
		claims, err := i.claims(a, r, asked, now)
		if err == nil {
			err = claims.Authorize(&certain, func() time.Time { return now }, nil)
		}
		if err == nil {
			return Access{Allowed: true, Scope: asked, Audience: resource.Audience(), Conditions: conditions(a, r)}
		}
		best = denied(err)
	}
	return best
}

// claims returns the claims of the token that the Application would get. It is bound as it
// must be, or, if the client may choose, as the route requires.
func (i Issuer) claims(a *application.Application, r *verifier.Requirement, scopes []string, now time.Time) (*verifier.Claims, error) {
	request := &oauth.TokenRequest{GrantType: oauth.ClientCredentials, Scope: strings.Join(scopes, " ")}
	client := &oauth.Client{Application: a}
	grant, err := oauth.Authorize(i.Applications, client, request, i.TokenLifetime)
	if err != nil {
		return nil, err
	}
	token := oauth.NewAccessToken(i.URL, client, grant, now)
	token.Confirmation = &oauth.Confirmation{}
	if a.CertificateBound {
		token.Confirmation.Certificate = anyThumbprint
	}
	if a.DPoPBound || choosesDPoP(a, r) {
		token.Confirmation.Key = anyThumbprint
	}
	if *token.Confirmation == (oauth.Confirmation{}) {
		token.Confirmation = nil
	}
	encoded, err := token.Claims()
	if err != nil {
		return nil, err
	}
	return verifier.Assumed(encoded)
}

// anyThumbprint is a placeholder for the thumbprint of the client: a SHA-256 in base64url.
var anyThumbprint = strings.Repeat("A", 43)

// choosesDPoP reports whether the client must choose DPoP for the route.
func choosesDPoP(a *application.Application, r *verifier.Requirement) bool {
	return slices.Contains(r.SenderConstrained, verifier.ByDPoP) && !a.DPoPBound &&
		(!a.CertificateBound || !slices.Contains(r.SenderConstrained, verifier.ByMTLS))
}

// least returns the smallest scope for the route: all required scopes, and of the
// alternatives the first that the Application has. If the route requires none, it is any
// scope of the API.
func least(r *verifier.Requirement, resource *application.Resource, scopes []string) []string {
	needed := slices.Clone(r.Scopes)
	for _, alternative := range r.Alternatives {
		if alternative.Audience == resource.Audience() && slices.Contains(scopes, alternative.Scope) {
			if !slices.Contains(needed, alternative.Scope) {
				needed = append(needed, alternative.Scope)
			}
			break
		}
	}
	if len(needed) == 0 {
		return scopes[:1]
	}
	return needed
}

func conditions(a *application.Application, r *verifier.Requirement) (all []string) {
	if a.DPoPBound || choosesDPoP(a, r) {
		all = append(all, "with a DPoP proof")
	}
	if a.CertificateBound {
		all = append(all, "over a connection with its certificate")
	}
	if r.MaxAge > 0 {
		all = append(all, fmt.Sprintf("with a token not older than %s", r.MaxAge))
	}
	for _, e := range r.Expressions {
		if e.AsksRequest {
			all = append(all, "where "+e.String())
		}
	}
	return all
}
