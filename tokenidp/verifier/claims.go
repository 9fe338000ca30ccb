package verifier

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// Claims are those of a verified access token (RFC 9068 section 2.2). They may be
// shared between requests: treat them as immutable.
type Claims struct {
	Issuer, Subject, ClientID string
	ID                        string // jti
	KeyID                     string // kid of the key that verified the token
	Audience, Scope           []string
	IssuedAt, ExpiresAt       time.Time

	all map[string]any
}

// Claim is the claim of exactly that name as it was decoded: string, bool, nil,
// [strictjson.Number], []any or map[string]any.
func (c *Claims) Claim(name string) (any, bool) {
	if c == nil {
		return nil, false
	}
	value, ok := c.all[name]
	return value, ok
}

// HasScope compares byte for byte.
func (c *Claims) HasScope(scope string) bool {
	return c != nil && slices.Contains(c.Scope, scope)
}

// HasAudience compares byte for byte: no case folding, no slash forgiven.
func (c *Claims) HasAudience(audience string) bool {
	return c != nil && slices.Contains(c.Audience, audience)
}

// parseClaims demands what RFC 9068 section 2.2 requires, each claim with its type.
// An ID token, a client assertion or a logout token lacks some of it.
func parseClaims(all map[string]any) (*Claims, error) {
	r := claimReader{all: all}
	c := &Claims{
		Issuer:    r.text("iss"),
		Subject:   r.text("sub"),
		ClientID:  r.text("client_id"),
		ID:        r.text("jti"),
		Audience:  r.audience(),
		Scope:     r.scope(),
		IssuedAt:  r.date("iat"),
		ExpiresAt: r.date("exp"),
		all:       all,
	}
	// A token bound to a key or certificate is worthless to its thief only if
	// nobody takes it as a bearer token (RFC 7800 section 3, RFC 8705 section 3,
	// RFC 9449 section 7).
	if _, found := all["cnf"]; found {
		r.fail(UnsupportedConfirm, errors.New("cnf is present"))
	}
	if r.err != nil {
		return nil, r.err
	}
	return c, nil
}

// maxIssuedAhead is the clock skew granted to an issuer's iat.
const maxIssuedAhead = time.Minute

// checkTimes judges exp, nbf and iat (RFC 7519 sections 4.1.4 to 4.1.6).
func (c *Claims) checkTimes(now time.Time, leeway time.Duration) error {
	r := claimReader{all: c.all}
	if _, found := c.all["nbf"]; found && r.date("nbf").After(now.Add(leeway)) {
		r.fail(NotYetValid, errors.New("nbf is ahead"))
	}
	switch {
	case r.err != nil:
		return r.err
	case c.IssuedAt.After(c.ExpiresAt):
		return Refuse(MalformedClaims, errors.New("iat is after exp"))
	case c.IssuedAt.After(now.Add(maxIssuedAhead)):
		return Refuse(IssuedInFuture, fmt.Errorf("iat is %s", c.IssuedAt.UTC().Format(time.RFC3339)))
	case !now.Before(c.ExpiresAt.Add(leeway)):
		return Refuse(Expired, fmt.Errorf("exp is %s", c.ExpiresAt.UTC().Format(time.RFC3339)))
	}
	return nil
}

// claimReader keeps the first error.
type claimReader struct {
	all map[string]any
	err error
}

func (r *claimReader) fail(reason Reason, cause error) {
	if r.err == nil {
		r.err = Refuse(reason, cause)
	}
}

func (r *claimReader) require(name string) any {
	value, found := r.all[name]
	if !found {
		r.fail(MissingClaim, fmt.Errorf("%s is missing", name))
	}
	return value
}

func (r *claimReader) text(name string) string {
	value, _ := r.require(name).(string)
	if value == "" {
		r.fail(MalformedClaims, fmt.Errorf("%s is not a non-empty string", name))
	}
	return value
}

// maxNumericDate is the end of the year 9999. Everything up to it fits time.Time,
// RFC 3339 and the sums made here.
const maxNumericDate = 253402300799

// date reads a NumericDate: seconds since 1970, fractions allowed (RFC 7519
// section 2). Numbers that no float64 holds are errors of ParseFloat.
func (r *claimReader) date(name string) time.Time {
	number, _ := r.require(name).(strictjson.Number)
	seconds, err := strconv.ParseFloat(string(number), 64)
	if err != nil || seconds < 0 || seconds > maxNumericDate {
		r.fail(MalformedClaims, fmt.Errorf("%s is not a number of seconds from 1970 to 9999", name))
		return time.Time{}
	}
	whole := int64(seconds)
	return time.Unix(whole, int64((seconds-float64(whole))*1e9))
}

// audience is a string or an array of them (RFC 7519 section 4.1.3).
func (r *claimReader) audience() []string {
	var values []any
	switch aud := r.require("aud").(type) {
	case string:
		values = []any{aud}
	case []any:
		values = aud
	}
	audience := make([]string, 0, len(values))
	for _, value := range values {
		if s, _ := value.(string); s != "" {
			audience = append(audience, s)
		}
	}
	if len(audience) == 0 || len(audience) < len(values) {
		r.fail(MalformedClaims, errors.New("aud is not a non-empty string or an array of those"))
	}
	return audience
}

// scope is optional: scope-tokens with one space between them (RFC 6749 section
// 3.3). Splitting on any white space would let one issuer's name be two scopes.
func (r *claimReader) scope() []string {
	value, found := r.all["scope"]
	if !found {
		return nil
	}
	s, _ := value.(string)
	scope := strings.Split(s, " ")
	if !slices.ContainsFunc(scope, notScopeToken) {
		return scope
	}
	r.fail(MalformedClaims, errors.New("scope is not a list of scope-tokens"))
	return nil
}

func notScopeToken(s string) bool {
	return s == "" || strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c > '~' || c == '"' || c == '\\'
	})
}
