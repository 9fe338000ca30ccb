// Package verifier is the resource server's side of OAuth 2.0: it takes a bearer
// token from a request (RFC 6750), verifies that it is an access token of a known
// issuer (RFC 9068 section 4, RFC 8725), and judges it by what a route requires.
//
//	BearerToken → Verifier.Verify → Claims.Authorize
//
// Each step returns a value or a *[Refusal].
package verifier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// Verifier verifies access tokens of its issuers. It is safe for concurrent use,
// remembers nothing, and without issuers refuses everything.
type Verifier struct {
	now     func() time.Time
	issuers map[string]*Issuer
}

// New makes a Verifier that takes the time from now. It returns an error for an
// issuer that is incomplete, asks for the impossible, or is there twice.
func New(now func() time.Time, issuers ...Issuer) (*Verifier, error) {
	v := &Verifier{now: now, issuers: make(map[string]*Issuer, len(issuers))}
	for _, issuer := range issuers {
		prepared, err := issuer.prepared()
		if err != nil {
			return nil, fmt.Errorf("preparing issuer %q: %w", issuer.URL, err)
		}
		if _, found := v.issuers[issuer.URL]; found {
			return nil, fmt.Errorf("preparing issuer %q: it is configured twice", issuer.URL)
		}
		v.issuers[issuer.URL] = prepared
	}
	return v, nil
}

// Verify verifies an access token (RFC 9068 section 4) up to what a route decides:
// see [Claims.Authorize]. Errors are *[Refusal].
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	m, err := jws.Parse(token)
	if err != nil {
		return nil, Refuse(parseReason(err), err)
	}
	all, err := strictjson.Object(m.Payload)
	if err != nil {
		return nil, Refuse(MalformedClaims, err)
	}
	issuer, err := v.issuer(all)
	if err != nil {
		return nil, err
	}
	if err := issuer.verify(ctx, m); err != nil {
		return nil, err
	}
	claims, err := parseClaims(all)
	if err != nil {
		return nil, err
	}
	claims.KeyID = m.Header.KeyID
	if err := claims.checkTimes(v.now(), issuer.Leeway); err != nil {
		return nil, err
	}
	return claims, nil
}

// issuer reads iss before the signature is verified, to know whose keys may verify
// it, and for nothing else (RFC 8725 section 3.8).
func (v *Verifier) issuer(unverified map[string]any) (*Issuer, error) {
	r := claimReader{all: unverified}
	iss := r.text("iss")
	if r.err != nil {
		return nil, r.err
	}
	issuer, ok := v.issuers[iss]
	if !ok {
		return nil, Refuse(UnknownIssuer, fmt.Errorf("iss is %.200q", iss))
	}
	return issuer, nil
}

// verify takes everything that decides how from the issuer and its key, nothing
// from the token.
func (i *Issuer) verify(ctx context.Context, m *jws.Message) error {
	if err := i.accepts(m.Header); err != nil {
		return err
	}
	key, err := i.key(ctx, m.Header)
	if err != nil {
		return err
	}
	if err := key.Verify(m.SigningInput, m.Signature); err != nil {
		return Refuse(BadSignature, fmt.Errorf("kid %.64q: %w", m.Header.KeyID, err))
	}
	return nil
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
