package verifier

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
)

// Requirement is what one route requires of a token. It is checked for every request, and
// no result of it is cached.
type Requirement struct {
	Audiences    []string         // one of them must be in aud; may be empty only beside Alternatives
	Scopes       []string         // all of them must be held
	Alternatives []Alternative    // when there are any: one of them must hold
	Claims       []claimrule.Rule // all of them must hold
	Present      []claimrule.Path // claims that must be there, with any value but null
	Expressions  []*Expression    // all of them must be true

	SenderConstrained []string // the token is bound by one of these [Means]; when empty, it need not be

	MaxAge      time.Duration // since iat; 0: any
	MaxLifetime time.Duration // from iat to exp; 0: any
}

// Alternative is a scope that counts only in a token for the audience that owns it.
type Alternative struct {
	Scope    string
	Audience string
}

var errNothingRequired = errors.New("the route names no audience")

// Authorize checks a verified token against the requirement of a route: first the audience
// (RFC 9068 section 4) and the age, then other claims, then the scopes (RFC 6750 section
// 3.1), then the expressions, which may read the request. Errors are *[Refusal]. It
// refuses if the claims or the requirement are nil, or if the requirement has no audience.
func (c *Claims) Authorize(r *Requirement, now func() time.Time, request *http.Request) error {
	switch {
	case c == nil:
		return Refuse(NoToken, nil)
	case r == nil, len(r.Audiences) == 0 && len(r.Alternatives) == 0:
		return Refuse(WrongAudience, errNothingRequired)
	case !c.isFor(r):
		return c.wrongAudience(r)
	case len(r.SenderConstrained) > 0 && !c.boundBy(r.SenderConstrained):
		return Refuse(NotSenderConstrained, fmt.Errorf("the token is not bound by %s", strings.Join(r.SenderConstrained, " or ")))
	}
	if err := c.checkAge(r, now); err != nil {
		return err
	}
	if err := c.checkPresent(r.Present); err != nil {
		return err
	}
	if err := c.checkRules(r.Claims); err != nil {
		return Refuse(ClaimNotAccepted, err)
	}
	if !c.holds(r) {
		return c.missingScope(r)
	}
	return c.express(r.Expressions, request)
}

// checkRules returns nil, or the [Mismatch] of the first rule that the claims break.
func (c *Claims) checkRules(rules []claimrule.Rule) error {
	for i := range rules {
		r := &rules[i]
		switch value, found := c.At(r.Path); {
		case !found:
			return &Mismatch{fmt.Sprintf("the claim %s is missing", r.Path), fmt.Sprintf("%.200q", r.Accepted())}
		case !r.Accepts(value) || c.Mistyped(r.Path):
			return &Mismatch{fmt.Sprintf("the claim %s is %.200q", r.Path, fmt.Sprint(value)), fmt.Sprintf("%.200q", r.Accepted())}
		}
	}
	return nil
}

func (c *Claims) wrongAudience(r *Requirement) *Refusal {
	return Refuse(WrongAudience, &Mismatch{fmt.Sprintf("aud is %.200q", strings.Join(c.Audience, " ")), strings.Join(r.AcceptedAudiences(), " or ")})
}

func (c *Claims) missingScope(r *Requirement) *Refusal {
	refusal := Refuse(MissingScope, &Mismatch{fmt.Sprintf("scope is %.200q", strings.Join(c.Scope, " ")), r.describedScope()})
	refusal.Scope = r.sufficientScope()
	return refusal
}

func (c *Claims) express(expressions []*Expression, request *http.Request) error {
	for _, e := range expressions {
		if err := e.evaluate(c, request); err != nil {
			return err
		}
	}
	return nil
}

func (c *Claims) isFor(r *Requirement) bool {
	if len(r.Audiences) > 0 && !slices.ContainsFunc(r.Audiences, c.HasAudience) {
		return false
	}
	return len(r.Alternatives) == 0 || slices.ContainsFunc(r.Alternatives, func(a Alternative) bool {
		return c.HasAudience(a.Audience)
	})
}

func (c *Claims) holds(r *Requirement) bool {
	for _, scope := range r.Scopes {
		if !c.HasScope(scope) {
			return false
		}
	}
	return len(r.Alternatives) == 0 || slices.ContainsFunc(r.Alternatives, func(a Alternative) bool {
		return c.HasAudience(a.Audience) && c.HasScope(a.Scope)
	})
}

// Accepts reports whether a token for the audience can meet the requirement.
func (r *Requirement) Accepts(audience string) bool {
	return slices.Contains(r.AcceptedAudiences(), audience)
}

// ScopesFor returns the scopes that tokens for the audience need.
func (r *Requirement) ScopesFor(audience string) []string {
	scopes := slices.Clone(r.Scopes)
	for _, a := range r.Alternatives {
		if a.Audience == audience {
			scopes = append(scopes, a.Scope)
		}
	}
	return scopes
}

// AcceptedAudiences returns all accepted audiences.
func (r *Requirement) AcceptedAudiences() []string {
	all := slices.Clone(r.Audiences)
	for _, a := range r.Alternatives {
		if !slices.Contains(all, a.Audience) {
			all = append(all, a.Audience)
		}
	}
	return all
}

// describedScope describes the required scopes for people, with "or" between alternatives.
func (r *Requirement) describedScope() string {
	text := strings.Join(r.Scopes, " and ")
	var either []string
	for _, a := range r.Alternatives {
		if !slices.Contains(either, a.Scope) {
			either = append(either, a.Scope)
		}
	}
	if text != "" && len(either) > 0 {
		text += ", and "
	}
	return text + strings.Join(either, " or ")
}

// sufficientScope returns the required scopes and all alternatives, because RFC 6750
// section 3 has no "or".
func (r *Requirement) sufficientScope() []string {
	var scope []string
	add := func(s string) {
		if !slices.Contains(scope, s) {
			scope = append(scope, s)
		}
	}
	for _, s := range r.Scopes {
		add(s)
	}
	for _, a := range r.Alternatives {
		add(a.Scope)
	}
	return scope
}
