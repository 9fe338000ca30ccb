package verifier

import (
	"errors"
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// Claims are those of a verified access token (RFC 9068 section 2.2). They are
// shared between requests: treat them, and all that is reached from them, as
// immutable. What the issuer's [Layout] lets a token lack is empty here.
type Claims struct {
	// First what every request asks for, so that it is near together in memory.
	KeyID               string        // kid of the key that verified the token
	Confirmation        *Confirmation // nil for a bearer token
	Issuer, ClientID    string
	ID                  string // jti
	Audience, Scope     []string
	IssuedAt, ExpiresAt time.Time
	notBefore           time.Time

	Subject   string
	scopeText string // joined with spaces
	all       *claimSet
}

// ScopeText is the scope with a space between its tokens (RFC 6749 section 3.3).
func (c *Claims) ScopeText() string { return c.scopeText }

// Claim is the claim of exactly that name as it was decoded: string, bool, nil,
// [strictjson.Number], []any or map[string]any.
func (c *Claims) Claim(name string) (any, bool) {
	if c == nil {
		return nil, false
	}
	value, ok := c.All()[name]
	return value, ok
}

// All are all claims, as they were decoded: read them only.
func (c *Claims) All() map[string]any { return c.all.members() }

// At is the claim at that path, as [Claims.Claim] gives it. Once the claims of the token
// are decoded, it allocates nothing.
func (c *Claims) At(path claimrule.Path) (any, bool) {
	if c == nil {
		return nil, false
	}
	value, found, _ := path.In(c.All())
	return value, found
}

// HasScope compares byte for byte.
func (c *Claims) HasScope(scope string) bool {
	return c != nil && slices.Contains(c.Scope, scope)
}

// HasAudience compares byte for byte: no case folding, no slash forgiven.
func (c *Claims) HasAudience(audience string) bool {
	return c != nil && slices.Contains(c.Audience, audience)
}

// parseClaims reads the claims that the layout requires, each with its type. For RFC
// 9068 section 2.2, an ID token, a client assertion or a logout token lacks some.
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

// Assumed are the claims of a token (RFC 9068) that nobody has sent, as if it had been
// verified: to find out who could reach what. Nothing that a caller sends may get here.
// Errors are *[Refusal].
func Assumed(claims []byte) (*Claims, error) {
	all := new(claimSet)
	if err := all.decode(string(claims)); err != nil {
		return nil, Refuse(MalformedClaims, err)
	}
	c, err := parseClaims(all, new(Layout{}.prepared()))
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// maxIssuedAhead is the clock skew granted to an issuer's iat.
const maxIssuedAhead = time.Minute

// checkTimes checks exp, nbf and iat (RFC 7519 sections 4.1.4 to 4.1.6). The zero
// time stands for an absent nbf or iat.
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
