package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// TrustedIssuer verifies the tokens of an issuer elsewhere.
type TrustedIssuer struct {
	Verifier *verifier.Verifier
	// Claims are the rules for every token of it.
	Claims []claimrule.Rule
	// EverybodysAudience is an audience that all its tokens have in addition, or "".
	EverybodysAudience string
	// NotRevoked returns an error for a token that was revoked here. It may be nil.
	NotRevoked func(*verifier.Claims) error
}

func (t *TrustedIssuer) notRevoked(claims *verifier.Claims) error {
	if t.NotRevoked == nil {
		return nil
	}
	return t.NotRevoked(claims)
}

// isSoleAudience reports whether the token is for this audience only. Other audiences have
// received the token, and could authenticate with it (RFC 7523bis section 3 requires the
// same of client assertions).
func (t *TrustedIssuer) isSoleAudience(claims *verifier.Claims, audience string) error {
	for _, other := range claims.Audience {
		if other != audience && other != t.EverybodysAudience {
			return verifier.Refuse(verifier.WrongAudience, fmt.Errorf("aud is %.200q, not %q alone: others who get the token could authenticate with it", strings.Join(claims.Audience, " "), audience))
		}
	}
	return nil
}

// byFederation authenticates a client by a token of an issuer elsewhere (RFC 7521 section
// 4.2: the issuer of an assertion need not be the client). Workloads use such a token
// until it is replaced, so it is not single-use. Its audience limits it to this server.
func (a *Authenticator) byFederation(ctx context.Context, wait time.Duration, app *application.Application, assertion *Assertion) (*Client, *Error) {
	issuer := assertion.text("iss")
	trusted, found := a.assertions.Trusted[issuer]
	if !found || !slices.ContainsFunc(app.Federated, func(f *application.Federation) bool { return f.Issuer == issuer }) {
		return nil, refuse(ReasonAssertionWrongIssuer, fmt.Errorf("iss is %.255q, which is not among those of the Application", issuer))
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	claims, err := trusted.Verifier.Verify(ctx, assertion.raw)
	if err != nil {
		return nil, foreignAssertion(err)
	}
	if _, bound := claims.Claim("cnf"); bound {
		return nil, refuse(ReasonAssertionWrongType, errors.New("cnf is present: whoever sends it would have to prove that it is his"))
	}
	for _, f := range app.Federated {
		if f.Issuer != issuer {
			continue
		}
		audience := cmp.Or(f.Audience, a.assertions.Issuer)
		err = claims.Authorize(&verifier.Requirement{
			Audiences: []string{audience},
			Claims:    slices.Concat(trusted.Claims, f.Claims),
		}, a.now, nil)
		if err == nil {
			if err = trusted.isSoleAudience(claims, audience); err != nil {
				break
			}
			if err = trusted.notRevoked(claims); err != nil {
				break
			}
			return &Client{Application: app, Method: PrivateKeyJWT, KeyID: claims.KeyID, FederatedIssuer: issuer, FederatedSubject: claims.Subject}, nil
		}
	}
	return nil, foreignAssertion(err)
}

// foreignAssertion converts the refusal of a token to one of an assertion.
func foreignAssertion(err error) *Error {
	refusal, ok := errors.AsType[*verifier.Refusal](err)
	switch {
	case !ok:
		return refuse(ReasonAssertionMalformed, err)
	case refusal.Reason == verifier.RevocationsUnknown:
		return Unavailable(ReasonStateUnavailable, err)
	}
	reason, ok := foreignReasons[refusal.Reason]
	if !ok {
		reason = ReasonAssertionMalformed
	}
	return refuse(reason, err)
}

var foreignReasons = map[verifier.Reason]Reason{
	verifier.WrongAlgorithm:   ReasonAssertionWrongAlgorithm,
	verifier.UnknownIssuer:    ReasonAssertionWrongIssuer,
	verifier.WrongType:        ReasonAssertionWrongType,
	verifier.MissingKeyID:     ReasonAssertionUnknownKey,
	verifier.UnknownKey:       ReasonAssertionUnknownKey,
	verifier.KeysUnavailable:  ReasonAssertionKeysUnavailable,
	verifier.BadSignature:     ReasonAssertionBadSignature,
	verifier.Expired:          ReasonAssertionExpired,
	verifier.Revoked:          ReasonAssertionRevoked,
	verifier.NotYetValid:      ReasonAssertionNotYetValid,
	verifier.IssuedInFuture:   ReasonAssertionNotYetValid,
	verifier.WrongAudience:    ReasonAssertionWrongAudience,
	verifier.ClaimNotAccepted: ReasonAssertionWrongSubject,
}
