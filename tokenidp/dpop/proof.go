// Package dpop checks DPoP proofs (RFC 9449). A proof shows that the sender of a request
// has the key of a token, and made the proof for this request.
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

// The errors of Check and Use. Every other mistake in a proof is ErrMalformed.
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

// Algorithms lists the accepted algorithms of proofs, for challenges and metadata, in
// order of preference.
var Algorithms = []string{"ES256", "EdDSA", "Ed25519", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}

// Request is the request for which a proof must be made.
type Request struct {
	Method string
	// URLs are the accepted URLs of the request, as returned by [weburl.ParseTarget]. They
	// come from the configuration, never from the Host of the request.
	URLs []weburl.Target
	// Token is the access token of the request. It is empty in a token request.
	Token string
}

// Proof is a valid proof. Its single use is not checked yet.
type Proof struct {
	// Thumbprint is the thumbprint of its key (jkt, RFC 9449 section 6.1).
	Thumbprint string

	id    string
	until time.Time
}

// Check checks the proof of a request (RFC 9449 section 4.3). proofs are the values of its
// DPoP header. Call [Proof.Use] afterwards.
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

// parse checks the form of the proof, and its signature with the key in it.
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

// claims are the claims of a proof (RFC 9449 section 4.2).
type claims struct {
	id, method, tokenHash string
	url                   weburl.Target
	issuedAt              time.Time
	expires, notBefore    *time.Time
}

// readClaims reads the claims. It reads the hash of the token only if the request has one.
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

// tokenHash returns the ath of a token (RFC 9449 section 4.2).
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// singleUse returns the single-use identifier of a proof, of fixed length. It includes the
// key, so that a client cannot use up identifiers of another one's proofs, and the URL
// (RFC 9449 section 11.1).
func singleUse(thumbprint string, c *claims) string {
	sum := sha256.Sum256([]byte(thumbprint + "\x00" + string(c.url) + "\x00" + c.id))
	return "dpop:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// Once records an identifier of an owner until the given time, and reports whether this is
// its first use.
type Once func(ctx context.Context, owner, id string, until time.Time) (first bool, err error)

// Use marks the proof as used, for the client that owns it. The error is ErrReplayed if it
// was used before, and another one if that is not known. The caller must refuse in both
// cases.
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

// By returns an error unless the proof is by the key with this thumbprint, to which a
// token is bound.
func (p *Proof) By(thumbprint string) error {
	if subtle.ConstantTimeCompare([]byte(p.Thumbprint), []byte(thumbprint)) != 1 {
		return fmt.Errorf("%w: its thumbprint is %s, and the token is bound to %s", ErrOtherKey, p.Thumbprint, thumbprint)
	}
	return nil
}
