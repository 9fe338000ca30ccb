package verifier

import (
	"errors"
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// Claims are the claims of a verified access token (RFC 9068 section 2.2). They are shared
// between requests: never change them, or anything reached from them. A claim that the
// issuer's [Layout] makes optional is empty if the token lacks it.
type Claims struct {
	// The fields that every request reads come first, so that they are close together in
	// memory.
	KeyID               string        // kid of the key that verified the token
	Confirmation        *Confirmation // nil for a bearer token
	annotation          any
	Issuer, ClientID    string
	Audience, Scope     []string
	IssuedAt, ExpiresAt time.Time
	notBefore           time.Time

	ID        string // jti
	Subject   string
	scopeText string // joined with spaces
	all       *claimSet
}

// ScopeText returns the scope with a space between its tokens (RFC 6749 section 3.3).
func (c *Claims) ScopeText() string { return c.scopeText }

// Annotation returns what [Options.Annotate] has returned for these claims, or nil for a token
// that is not remembered.
func (c *Claims) Annotation() any { return c.annotation }

// Claim returns the claim with exactly this name, and whether it is present. It is a
// string, bool, nil, [strictjson.Number], []any or map[string]any.
func (c *Claims) Claim(name string) (any, bool) {
	if c == nil {
		return nil, false
	}
	value, ok := c.All()[name]
	return value, ok
}

// All returns all claims, as they were decoded. The caller must not change them.
func (c *Claims) All() map[string]any { return c.all.members() }

// At returns the claim at the path, like [Claims.Claim]. It does not allocate after the
// claims have been decoded once.
func (c *Claims) At(path claimrule.Path) (any, bool) {
	if c == nil {
		return nil, false
	}
	value, found, _ := path.In(c.All())
	return value, found
}

// Mistyped reports whether the path is that of sub or jti, and the claim is not a
// non-empty string. Such a claim is accepted only if no rule reads it.
func (c *Claims) Mistyped(path claimrule.Path) bool {
	if len(path) != 1 || path[0] != "sub" && path[0] != "jti" {
		return false
	}
	value, found := c.Claim(path[0])
	text, _ := value.(string)
	return found && text == ""
}

// HasScope reports whether the token has the scope, compared byte for byte.
func (c *Claims) HasScope(scope string) bool {
	return c != nil && slices.Contains(c.Scope, scope)
}

// HasAudience reports whether the token is for the audience, compared byte for byte: case
// and a final slash matter.
func (c *Claims) HasAudience(audience string) bool {
	return c != nil && slices.Contains(c.Audience, audience)
}

// parseClaims reads the claims that the layout requires, and checks their types. With the
// layout of RFC 9068 section 2.2, ID tokens, client assertions and logout tokens lack
// some.
func parseClaims(all *claimSet, layout *Layout) (Claims, error) {
	r := claimReader{all: all.members(), layout: layout}
	c := Claims{
		Issuer:       r.text("iss"),
		Subject:      r.unread("sub"),
		ClientID:     r.clientID(),
		ID:           r.unread("jti"),
		Audience:     r.audience(),
		Scope:        r.scope(),
		IssuedAt:     r.date("iat"),
		ExpiresAt:    r.date("exp"),
		Confirmation: r.confirmation(),
		all:          all,
	}
	if c.notBefore = r.date("nbf"); r.err != nil {
		return Claims{}, r.err
	}
	c.scopeText = r.scopeText(c.Scope)
	return c, nil
}

// maxIssuedAhead is the accepted clock skew of iat.
const maxIssuedAhead = time.Minute

// checkTimes checks exp, nbf and iat (RFC 7519 sections 4.1.4 to 4.1.6). An absent nbf or
// iat is the zero time.
func (c *Claims) checkTimes(now time.Time, leeway time.Duration) error {
	switch {
	case c.notBefore.After(now.Add(leeway)):
		return Refuse(NotYetValid, &Mismatch{"nbf is " + strictjson.FormatDate(c.notBefore), "up to " + strictjson.FormatDate(now.Add(leeway))})
	case c.IssuedAt.After(c.ExpiresAt):
		return Refuse(MalformedClaims, errors.New("iat is after exp"))
	case c.IssuedAt.After(now.Add(maxIssuedAhead)):
		return Refuse(IssuedInFuture, &Mismatch{"iat is " + strictjson.FormatDate(c.IssuedAt), "up to " + strictjson.FormatDate(now.Add(maxIssuedAhead))})
	case !now.Before(c.ExpiresAt.Add(leeway)):
		return Refuse(Expired, &Mismatch{"exp is " + strictjson.FormatDate(c.ExpiresAt), "after " + strictjson.FormatDate(now.Add(-leeway))})
	}
	return nil
}
