// Package verifier is the resource server's side of OAuth 2.0. It reads the bearer token
// of a request (RFC 6750), verifies that it is an access token of a known issuer (RFC 9068
// section 4, RFC 8725), and checks it against the requirement of a route.
//
//	BearerToken → Verifier.Verify → Claims.Authorize
//
// Each step returns a value or a *[Refusal].
package verifier

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// Verifier verifies access tokens of its issuers. Without issuers it refuses every token.
// The cache of verified tokens belongs to the [Issuer], and all Verifiers with that Issuer
// share it. It is safe for concurrent use.
type Verifier struct {
	now     func() time.Time
	issuers []*Issuer
}

// New returns a Verifier that uses the clock now. It returns an error for an issuer that
// [NewIssuer] did not make, or if two issuers have one URL.
func New(now func() time.Time, issuers ...*Issuer) (*Verifier, error) {
	v := &Verifier{now: now}
	for _, issuer := range issuers {
		if issuer == nil || issuer.options.Keys == nil {
			return nil, errors.New("making a verifier: an issuer was not prepared")
		}
		if v.issuer(issuer.options.URL) != nil {
			return nil, fmt.Errorf("making a verifier: issuer %q is there twice", issuer.options.URL)
		}
		v.issuers = append(v.issuers, issuer)
	}
	return v, nil
}

func (v *Verifier) issuer(url string) *Issuer {
	for _, issuer := range v.issuers {
		if issuer.options.URL == url {
			return issuer
		}
	}
	return nil
}

func (v *Verifier) urls() []string {
	urls := make([]string, len(v.issuers))
	for i, issuer := range v.issuers {
		urls[i] = issuer.options.URL
	}
	return urls
}

// Verify verifies an access token (RFC 9068 section 4), and returns its claims. It does
// not check the requirement of a route: [Claims.Authorize] does. Errors are *[Refusal].
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	if len(token) > jws.MaxTokenSize {
		return nil, Refuse(TokenTooLarge, jws.ErrTooLarge)
	}
	// The issuer of the token is not known before it is parsed, so the caches of all are
	// searched.
	id := newTokenID(token)
	for _, issuer := range v.issuers {
		if claims, err := issuer.recall(ctx, id, v.now); claims != nil || err != nil {
			return claims, err
		}
	}
	return v.verify(ctx, token, id)
}

// verify verifies a token that is not cached.
func (v *Verifier) verify(ctx context.Context, token string, id tokenID) (*Claims, error) {
	m, err := jws.Parse(token)
	if err != nil {
		return nil, Refuse(parseReason(err), err)
	}
	e := &entry{id: id}
	if err := e.all.decode(m.Payload); err != nil {
		return nil, Refuse(MalformedClaims, err)
	}
	issuer, err := v.claimedIssuer(e.all.members())
	if err != nil {
		return nil, err
	}
	if e.key, err = issuer.verify(ctx, m); err != nil {
		return nil, err
	}
	if e.claims, err = parseClaims(&e.all, &issuer.options.Claims); err != nil {
		return nil, err
	}
	claims := &e.claims
	if err := issuer.options.Claims.checkPurpose(m.Header, claims); err != nil {
		return nil, err
	}
	// All tokens of the key and of the issuer share one string.
	if claims.KeyID = m.Header.KeyID; e.key.ID == claims.KeyID {
		claims.KeyID = e.key.ID
	}
	claims.Issuer = issuer.options.URL
	if err := claims.checkTimes(v.now(), issuer.options.Leeway); err != nil {
		return nil, err
	}
	issuer.remember(e)
	return claims, nil
}

// claimedIssuer reads iss before the signature is verified. It is used only to find the
// keys (RFC 8725 section 3.8).
func (v *Verifier) claimedIssuer(unverified map[string]any) (*Issuer, error) {
	r := claimReader{all: unverified}
	iss := r.text("iss")
	if r.err != nil {
		return nil, r.err
	}
	issuer := v.issuer(iss)
	if issuer == nil {
		return nil, Refuse(UnknownIssuer, &Mismatch{fmt.Sprintf("iss is %.200q", iss), strings.Join(v.urls(), " or ")})
	}
	return issuer, nil
}

func parseReason(err error) Reason {
	switch {
	case errors.Is(err, jws.ErrTooLarge):
		return TokenTooLarge
	case errors.Is(err, jws.ErrCritical):
		return UnsupportedCritical
	case errors.Is(err, jws.ErrAlgorithm):
		return WrongAlgorithm
	}
	return MalformedToken
}
