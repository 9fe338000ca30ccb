package oauth

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// AccessToken is the data of a JWT access token (RFC 9068 section 2.2).
type AccessToken struct {
	Issuer    string
	Subject   string // the client itself: no user is involved (RFC 9068 section 2.2)
	ClientID  string
	Audience  string
	Scope     []string
	ID        string // 128 random bits
	IssuedAt  time.Time
	ExpiresAt time.Time
	// Confirmation names the keys that it is bound to. It is nil for a bearer token.
	Confirmation *Confirmation
	// More has the Application's own claims: a JSON object without any of the others, or
	// nil.
	More []byte
}

// NewAccessToken returns the data of a token for a grant. It has nothing of the request
// but what was granted.
func NewAccessToken(issuer string, c *Client, g *application.Grant, now time.Time) *AccessToken {
	issuedAt := now.Truncate(time.Second)
	return &AccessToken{
		Issuer:    issuer,
		Subject:   c.Application.ClientID,
		ClientID:  c.Application.ClientID,
		Audience:  g.Audience,
		Scope:     g.Scopes,
		ID:        newTokenID(),
		IssuedAt:  issuedAt,
		ExpiresAt: issuedAt.Add(g.Lifetime),
		More:      c.Application.Claims,
	}
}

func newTokenID() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails: the program ends instead
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// ClaimNames lists the claims that every token has.
var ClaimNames = []string{"iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti"}

// maxClaims, in bytes, keeps a token with its signature below the size that verifiers
// accept.
const maxClaims = 11 << 10

// Claims returns the JWT claims set (RFC 7519 section 4) as JSON. The error is an *Error
// if it is too large for a token.
func (t *AccessToken) Claims() ([]byte, error) {
	claims, err := t.encode()
	if err == nil && len(t.More) > 0 {
		claims = append(append(claims[:len(claims)-1], ','), t.More[1:]...) // one object of two
	}
	if err == nil && len(claims) > maxClaims {
		return nil, refuse(ReasonTokenTooLarge, nil)
	}
	return claims, err
}

func (t *AccessToken) encode() ([]byte, error) {
	return json.Marshal(struct {
		Issuer       string        `json:"iss"`
		Subject      string        `json:"sub"`
		Audience     string        `json:"aud"`
		ClientID     string        `json:"client_id"`
		Scope        string        `json:"scope"`
		IssuedAt     int64         `json:"iat"`
		ExpiresAt    int64         `json:"exp"`
		ID           string        `json:"jti"`
		Confirmation *Confirmation `json:"cnf,omitempty"`
	}{
		t.Issuer, t.Subject, t.Audience, t.ClientID, strings.Join(t.Scope, " "), t.IssuedAt.Unix(), t.ExpiresAt.Unix(), t.ID, t.Confirmation,
	})
}

// ExpiresIn returns the lifetime in whole seconds, for expires_in.
func (t *AccessToken) ExpiresIn() int64 { return t.ExpiresAt.Unix() - t.IssuedAt.Unix() }
