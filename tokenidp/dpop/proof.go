// Package dpop checks DPoP proofs (RFC 9449): that whoever sends a request has the key
// to which a token is bound, or is to be bound, and made the proof for this very
// request.
package dpop

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// Header is the name of the request header with the proof, in the canonical form of
// net/http.
const Header = "Dpop"

// Type is the typ of a proof.
const Type = "dpop+jwt"

const (
	// MaxAge is how old a proof may be, by its iat.
	MaxAge = time.Minute
	// MaxAhead is how far its iat may be ahead.
	MaxAhead = 10 * time.Second

	maxProof = 8 << 10
	maxID    = 256
)

// One error per check that a caller may want to tell from others. Whatever else is
// wrong with a proof is ErrMalformed.
var (
	ErrMissing      = errors.New("there is no DPoP proof")
	ErrSeveral      = errors.New("there is more than one DPoP proof")
	ErrMalformed    = errors.New("malformed DPoP proof")
	ErrStale        = errors.New("the DPoP proof was not made just now")
	ErrOtherRequest = errors.New("the DPoP proof is for another request")
	ErrOtherToken   = errors.New("the DPoP proof is for another token")
	ErrOtherKey     = errors.New("the DPoP proof is by another key")
	ErrReplayed     = errors.New("the DPoP proof was used before")
)

// Algorithms are those by which a proof may be signed, for challenges and metadata.
// Their order is that of preference.
var Algorithms = []string{"ES256", "EdDSA", "Ed25519", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}

// Request is what a proof has to be made for.
type Request struct {
	Method string
	// URLs are those of the request, of which the proof must have one, as
	// [weburl.ParseTarget] makes them. They come from the configuration, never from the Host of the request.
	URLs []weburl.Target
	// Token is the access token that comes with the proof; empty where it is asked for.
	Token string
}

// Proof is one that is in order, but for its single use.
type Proof struct {
	// Thumbprint is that of its key (jkt, RFC 9449 section 6.1).
	Thumbprint string

	id    string
	until time.Time
}

// Check checks the one proof of the request, whose headers of that name are given
// (RFC 9449 section 4.3). Whether it was used before is for [Proof.Use].
func Check(headers []string, r Request, now time.Time) (*Proof, error) {
	switch len(headers) {
	case 0:
		return nil, ErrMissing
	case 1:
	default:
		return nil, ErrSeveral
	}
	m, key, err := parse(headers[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	claims, err := readClaims(m.Payload, r.Token != "")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := claims.check(r, now); err != nil {
		return nil, err
	}
	p := &Proof{Thumbprint: key.Thumbprint(), until: claims.issuedAt.Add(MaxAge + MaxAhead)}
	p.id = singleUse(p.Thumbprint, claims)
	return p, nil
}

// parse checks the form of the proof and its signature, by the key that it brings.
func parse(proof string) (*jws.Message, *jws.Key, error) {
	if len(proof) > maxProof {
		return nil, nil, jws.ErrTooLarge
	}
	m, key, err := jws.ParseProof(proof)
	switch {
	case err != nil:
		return nil, nil, err
	case m.Header.Type != Type:
		return nil, nil, fmt.Errorf("typ is %.64q, not %s", m.Header.Type, Type)
	}
	return m, key, key.Verify(m.SigningInput, m.Signature)
}

// claims are those of a proof (RFC 9449 section 4.2).
type claims struct {
	id, method, tokenHash string
	url                   weburl.Target
	issuedAt              time.Time
	expires, notBefore    *time.Time
}

// readClaims reads the hash of a token only where one comes with the proof.
func readClaims(payload string, withToken bool) (*claims, error) {
	all, err := strictjson.Object(payload)
	if err != nil {
		return nil, err
	}
	c := new(claims)
	var htu string
	for name, target := range map[string]*string{"jti": &c.id, "htm": &c.method, "htu": &htu} {
		if *target, _ = all[name].(string); *target == "" {
			return nil, fmt.Errorf("%s is not a non-empty string", name)
		}
	}
	if len(c.id) > maxID {
		return nil, fmt.Errorf("jti is longer than %d bytes", maxID)
	}
	if c.url, err = weburl.ParseTarget(htu); err != nil {
		return nil, fmt.Errorf("htu: %w", err)
	}
	if _, found := all["ath"]; found && withToken {
		if c.tokenHash, _ = all["ath"].(string); c.tokenHash == "" {
			return nil, errors.New("ath is not a non-empty string")
		}
	}
	issuedAt, err := date(all, "iat")
	switch {
	case err != nil:
		return nil, err
	case issuedAt == nil:
		return nil, errors.New("iat is missing")
	}
	c.issuedAt = *issuedAt
	if c.expires, err = date(all, "exp"); err != nil {
		return nil, err
	}
	c.notBefore, err = date(all, "nbf")
	return c, err
}

// date reads a NumericDate (RFC 7519 section 2), up to the year 9999.
func date(all map[string]any, name string) (*time.Time, error) {
	value, found := all[name]
	if !found {
		return nil, nil
	}
	t, ok := strictjson.NumericDate(value)
	if !ok {
		return nil, fmt.Errorf("%s is not a number of seconds from 1970 to 9999", name)
	}
	return &t, nil
}

func (c *claims) check(r Request, now time.Time) error {
	switch {
	case c.method != r.Method:
		return fmt.Errorf("%w: htm is %.32q, and the method %.32q", ErrOtherRequest, c.method, r.Method)
	case !slices.Contains(r.URLs, c.url):
		return fmt.Errorf("%w: htu is %.200q, and the request %.400q", ErrOtherRequest, c.url, r.URLs)
	case c.issuedAt.Before(now.Add(-MaxAge)) || c.issuedAt.After(now.Add(MaxAhead)):
		return fmt.Errorf("%w: iat is %s", ErrStale, strictjson.FormatDate(c.issuedAt))
	case c.expires != nil && !now.Before(*c.expires):
		return fmt.Errorf("%w: exp is %s", ErrStale, strictjson.FormatDate(*c.expires))
	case c.notBefore != nil && c.notBefore.After(now.Add(MaxAhead)):
		return fmt.Errorf("%w: nbf is %s", ErrStale, strictjson.FormatDate(*c.notBefore))
	case r.Token != "" && subtle.ConstantTimeCompare([]byte(c.tokenHash), []byte(tokenHash(r.Token))) != 1:
		return fmt.Errorf("%w: ath is not the hash of the token", ErrOtherToken)
	}
	return nil
}

// tokenHash is ath (RFC 9449 section 4.2).
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// singleUse is the identifier of a proof. It names the key too, so that nobody uses up
// the identifiers of somebody else's proofs, and the URL (RFC 9449 section 11.1). It
// has one length, whatever the proof says.
func singleUse(thumbprint string, c *claims) string {
	sum := sha256.Sum256([]byte(thumbprint + "\x00" + string(c.url) + "\x00" + c.id))
	return "dpop:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// Once records an identifier of an owner until it may be forgotten, and reports whether
// this is its first use.
type Once func(ctx context.Context, owner, id string, until time.Time) (first bool, err error)

// Use uses the proof up, for the client that owns it. The error is ErrReplayed if it was
// used before, and another one if that cannot be told; the caller lets neither through.
func (p *Proof) Use(ctx context.Context, owner string, once Once) error {
	first, err := once(ctx, owner, p.id, p.until)
	switch {
	case err != nil:
		return err
	case !first:
		return ErrReplayed
	}
	return nil
}

// By checks that the proof is by the key to which a token is bound.
func (p *Proof) By(thumbprint string) error {
	if subtle.ConstantTimeCompare([]byte(p.Thumbprint), []byte(thumbprint)) != 1 {
		return fmt.Errorf("%w: its thumbprint is %s, and the token is bound to %s", ErrOtherKey, p.Thumbprint, thumbprint)
	}
	return nil
}
