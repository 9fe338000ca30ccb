package reach

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// holder is an unknown client of an issuer. Its token has what the verifies require.
type holder struct {
	*question

	issuer    *issuer
	audiences []string
	scopes    []string
	claims    map[string]any
	asked     []string // conditions on claims, in words
	binding   probe.Binding
}

// judgeHolders finds out what a token of an issuer with unknown clients must have.
func (q *question) judgeHolders(is *issuer) (*Class, error) {
	all := *q
	all.request.Assume = tokenidp.AssumeExpressions // they decide on claims that are not known here
	h := &holder{question: &all, issuer: is, claims: map[string]any{"iss": is.URL, "sub": holderID, "client_id": holderID, "azp": holderID}}
	c, err := h.judge()
	if err != nil {
		return nil, err
	}
	c.Issuer, c.Holders = is.URL, true
	return c, nil
}

// holderID is the name of a client that no issuer has.
const holderID = "client"

func (h *holder) judge() (*Class, error) {
	if !h.require(h.first) {
		return &Class{Reason: string(verifier.UnknownIssuer), Cause: "tokens of " + h.issuer.URL + " are not accepted", By: h.first}, nil
	}
	for {
		v, err := h.present()
		if err != nil {
			return nil, err
		}
		step := blocked(v)
		if step == nil {
			return h.decided(v), nil
		}
		if !h.mend(step) {
			return &Class{Reason: step.Reason, Cause: step.Cause, By: step, Verdict: v}, nil
		}
	}
}

// require adds what a verify requires. It returns false if the verify accepts no such
// token.
func (h *holder) require(step *probe.Step) bool {
	required := step.Verify.Requirement(h.issuer.URL)
	if required == nil {
		return false
	}
	h.audiences = h.narrow(required.AcceptedAudiences())
	if len(h.audiences) == 0 {
		return false
	}
	for _, scope := range required.Scopes {
		h.add(scope)
	}
	either := ofAudience(required.Alternatives, h.audiences[0])
	if len(either) > 0 && !slices.ContainsFunc(either, func(scope string) bool { return slices.Contains(h.scopes, scope) }) {
		h.add(either[0])
	}
	for _, rule := range required.Claims {
		h.claim(rule.Path, fmt.Sprintf("with the claim %s", rule.String()), rule.Values...)
	}
	for _, path := range required.Present {
		h.claim(path, fmt.Sprintf("with the claim %s", path))
	}
	return true
}

// narrow keeps the audiences that are accepted. The first verify starts with all of its own.
func (h *holder) narrow(accepted []string) []string {
	if h.audiences == nil {
		return accepted
	}
	return slices.DeleteFunc(slices.Clone(h.audiences), func(a string) bool { return !slices.Contains(accepted, a) })
}

func (h *holder) add(scope string) {
	if !slices.Contains(h.scopes, scope) {
		h.scopes = append(h.scopes, scope)
	}
}

// claim gives the token a claim, unless it has one.
func (h *holder) claim(path claimrule.Path, text string, values ...string) {
	object := h.claims
	for _, name := range path[:len(path)-1] {
		inner, ok := object[name].(map[string]any)
		if !ok {
			inner = make(map[string]any)
			object[name] = inner
		}
		object = inner
	}
	name := path[len(path)-1]
	if len(path) > 1 || !slices.Contains([]string{"iss", "aud", "scope", "exp", "iat", "jti", "cnf"}, name) {
		value := holderID
		if len(values) > 0 {
			value = values[0]
		}
		object[name] = value
	}
	if !slices.Contains(h.asked, text) {
		h.asked = append(h.asked, text)
	}
}

// mend adds what the token lacks for the verify. It returns false if that adds nothing.
func (h *holder) mend(step *probe.Step) bool {
	scopes, claims, binding := len(h.scopes), len(h.asked), h.binding
	required := step.Verify.Requirement(h.issuer.URL)
	switch {
	case required == nil || !h.require(step):
		return false
	case verifier.Reason(step.Reason) == verifier.NotSenderConstrained && binding == probe.Unbound:
		h.binding = probe.ByMTLS
		if slices.Contains(required.SenderConstrained, verifier.ByDPoP) {
			h.binding = probe.ByDPoP
		}
	}
	return len(h.scopes) > scopes || len(h.asked) > claims || h.binding != binding
}

// present sends the request with the token.
func (h *holder) present() (*probe.Verdict, error) {
	h.claims["aud"] = h.audiences
	if len(h.scopes) > 0 {
		h.claims["scope"] = strings.Join(h.scopes, " ")
	}
	t, err := h.m.probe.Sign(h.claims, h.binding)
	if err != nil {
		return nil, err
	}
	return h.ask(t)
}

func (h *holder) decided(v *probe.Verdict) *Class {
	if !v.Allowed {
		return &Class{Reason: v.Reason, Cause: v.Cause, Verdict: v}
	}
	c := &Class{Allowed: true, Scope: h.scopes, AnyScope: len(h.scopes) == 0, Audience: strings.Join(h.audiences, " "), Verdict: v, Conditions: h.asked}
	switch h.binding {
	case probe.ByDPoP:
		c.Conditions = append(c.Conditions, withProof)
	case probe.ByMTLS:
		c.Conditions = append(c.Conditions, withCertificate)
	case probe.Unbound:
	}
	c.Conditions = append(c.Conditions, h.conditions(v, h.issuer.URL)...)
	return c
}
