package verifier

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// Layout says which claims the tokens of an issuer have. The zero value is RFC 9068: iss,
// sub, client_id, jti, aud, iat and exp are required, and scope is a string. iss, aud and
// exp are required for every issuer. A claim of the wrong type is an error, never the same
// as an absent one. The exceptions are sub and jti where they are optional: any value is
// accepted if no rule reads it (see [Claims.Mistyped]).
type Layout struct {
	// ClientID lists the claims that may hold the id of the client. The first one that is
	// present counts. Default: client_id. Others: azp, appid, or sub if clients of the
	// issuer cannot choose the sub of a user (RFC 9700 section 4.15).
	ClientID []claimrule.Path

	// Scope lists the claims that hold scopes; all of them count. Each is a string of
	// scope-tokens with spaces between them (RFC 6749 section 3.3), or an array of
	// scope-tokens. An empty string or array is no scope. Default: scope, which must be a
	// string.
	Scope []claimrule.Path

	// Optional lists those of sub, client_id, jti and iat that a token may lack.
	Optional []string

	// Purpose lists claims that the access tokens of this issuer have, whatever their
	// type, and its other JWTs do not have.
	Purpose []claimrule.Rule

	// PurposeOfBound lists what an access token that is bound to the key of a proof (RFC
	// 9449 section 6.1) may have instead.
	PurposeOfBound []claimrule.Rule

	// InsecureMarks lists those of [AccessTokenMarks] that access tokens of this issuer
	// have, although their type is not at+jwt. An ID token for an accepted audience is
	// then accepted too, unless it has another mark.
	InsecureMarks []string
}

// prepared returns a copy that the caller of NewIssuer cannot change.
func (l Layout) prepared() Layout {
	l.ClientID, l.Scope, l.Optional = clonePaths(l.ClientID), clonePaths(l.Scope), slices.Clone(l.Optional)
	l.Purpose, l.PurposeOfBound = slices.Clone(l.Purpose), slices.Clone(l.PurposeOfBound)
	l.InsecureMarks = slices.Clone(l.InsecureMarks)
	if len(l.ClientID) == 0 {
		l.ClientID = []claimrule.Path{{"client_id"}}
	}
	return l
}

func clonePaths(paths []claimrule.Path) []claimrule.Path {
	paths = slices.Clone(paths)
	for i, path := range paths {
		paths[i] = slices.Clone(path)
	}
	return paths
}

func (l *Layout) check() error {
	for _, path := range slices.Concat(l.ClientID, l.Scope) {
		if len(path) == 0 || slices.Contains(path, "") {
			return fmt.Errorf("the path %q of a claim is empty or has an empty name", []string(path))
		}
	}
	for _, name := range l.Optional {
		if !slices.Contains([]string{"sub", "client_id", "jti", "iat"}, name) {
			return fmt.Errorf("the claim %q cannot be optional; sub, client_id, jti and iat can", name)
		}
	}
	for _, mark := range l.InsecureMarks {
		if !slices.Contains(AccessTokenMarks, mark) {
			return fmt.Errorf("the mark %q is that of no access token; %s can be", mark, strings.Join(AccessTokenMarks, " and "))
		}
	}
	return nil
}

// mayLack reports whether a token may lack the claim. nbf is always optional (RFC 7519
// section 4.1.5).
func (l *Layout) mayLack(name string) bool {
	return name == "nbf" || l != nil && slices.Contains(l.Optional, name)
}

// marks are claims of JWTs that are not access tokens: ID tokens (OpenID Connect Core
// sections 2 and 3.3.2.11), security events and logout tokens (RFC 8417 section 2.2),
// introspection responses (RFC 9701 section 5).
var marks = []string{"nonce", "at_hash", "c_hash", "s_hash", "events", "token_introspection"}

// AccessTokenMarks are claims of ID tokens that some issuers put into access tokens too:
// Keycloak before version 25 nonce, Dex both.
var AccessTokenMarks = []string{"nonce", "at_hash"}

// checkPurpose refuses JWTs of the issuer that are not access tokens, by their claims.
// Only the type at+jwt makes this unnecessary (RFC 8725 sections 2.8 and 3.12).
func (l *Layout) checkPurpose(h jws.Header, claims *Claims) error {
	if err := claims.checkRules(l.Purpose); err != nil && !l.isBoundAccessToken(claims) {
		return Refuse(WrongType, fmt.Errorf("%w: %w", errOtherPurpose, err))
	}
	if isType(h, "at+jwt") {
		return nil
	}
	for _, mark := range marks {
		if _, found := claims.Claim(mark); found && !slices.Contains(l.InsecureMarks, mark) {
			return Refuse(WrongType, &markError{mark})
		}
	}
	return nil
}

// isBoundAccessToken reports whether the claims are those of an access token that is
// bound, and that the issuer marks as bound.
func (l *Layout) isBoundAccessToken(claims *Claims) bool {
	return len(l.PurposeOfBound) > 0 && claims.Confirmation != nil && claims.Confirmation.Key != "" && claims.checkRules(l.PurposeOfBound) == nil
}

// markError is the error of a token with a claim that access tokens do not have.
type markError struct{ mark string }

func (e *markError) Error() string { return fmt.Sprintf("%v: %s is present", errOtherPurpose, e.mark) }

func (*markError) Unwrap() error { return errOtherPurpose }

var errOtherPurpose = errors.New("not an access token")
