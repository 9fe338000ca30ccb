package tokenidp

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// admission is a verified request, as the handlers behind verify see it. It
// travels in the request's context under a key of its own, so that no other
// handler can forge it.
type admission struct {
	claims  *verifier.Claims
	headers []ClaimHeader // set so far
}

type admissionKey struct{}

// admittedFrom is the admission of the request, or nil.
func admittedFrom(r *http.Request) *admission {
	a, _ := r.Context().Value(admissionKey{}).(*admission)
	return a
}

// withoutOwn are those headers that no verify has set on this request.
func (a *admission) withoutOwn(headers []ClaimHeader) []ClaimHeader {
	if a == nil || len(a.headers) == 0 {
		return headers
	}
	var foreign []ClaimHeader
	for _, h := range headers {
		if !named(a.headers, h.Header) {
			foreign = append(foreign, h)
		}
	}
	return foreign
}

// admit makes the request that goes on: with the claim headers, the
// placeholders, and, unless asked for, without the token.
func (v *Verify) admit(r *http.Request, claims *verifier.Claims, headers map[string]string, before *admission) *http.Request {
	a := &admission{claims: claims}
	if before != nil {
		a.headers = before.headers
	} else {
		setVerified(r, claims)
	}
	for _, h := range v.ClaimHeaders {
		r.Header.Del(h.Header) // of an earlier verify's, which another claim replaces
		if value, ok := headers[h.Header]; ok {
			r.Header.Set(h.Header, value)
		}
	}
	a.headers = slices.Concat(a.headers, v.ClaimHeaders)
	if !v.ForwardAuthorization && !v.ReportOnly {
		r.Header.Del("Authorization")
	}
	return r.WithContext(context.WithValue(r.Context(), admissionKey{}, a))
}

// setVerified sets the placeholders of a verified request.
func setVerified(r *http.Request, claims *verifier.Claims) {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	// Set, not mapped: what another handler has set before gives way.
	repl.Set("http.auth.user.id", claims.ClientID)
	repl.Set("http.auth.user.scope", strings.Join(claims.Scope, " "))
	repl.Set("http.auth.user.iss", claims.Issuer)
	repl.Map(func(key string) (any, bool) {
		name, ok := strings.CutPrefix(key, "http.auth.user.claims.")
		if !ok {
			return nil, false
		}
		value, _ := claims.Claim(name)
		text, _ := claimText(value)
		return text, true
	})
}

// setRefused sets the placeholder that error routes can tell the reason by.
func setRefused(r *http.Request, refusal *verifier.Refusal) {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.tokenidp.reason", string(refusal.Reason))
	}
}
