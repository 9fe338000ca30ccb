package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// IssuerKeys are the signing keys of an issuer: GET /tokenidp/keys.
type IssuerKeys struct {
	Issuer string `json:"issuer"`
	Keys   []Key  `json:"keys"`
}

// Key is a signing key.
type Key struct {
	KeyID     string     `json:"kid,omitempty"`
	Algorithm string     `json:"alg,omitempty"`
	State     string     `json:"state"` // next, active, retired or unreadable
	CreatedAt *time.Time `json:"created_at,omitempty"`
	SignsFrom *time.Time `json:"signs_from,omitempty"`
	RetiresAt *time.Time `json:"retires_at,omitempty"` // when its successor takes over
	DeletesAt *time.Time `json:"deletes_at,omitempty"` // at the earliest
	// PrivateKey is clear, encrypted or outside: how the storage has it. It is
	// missing for what is unreadable.
	PrivateKey string `json:"private_key,omitempty"`
	// KeyEncryptionKey is the id of the key that it is encrypted with.
	KeyEncryptionKey string `json:"key_encryption_key,omitempty"`
	// SignsHere: this server can sign with it.
	SignsHere bool   `json:"signs_here"`
	Missing   bool   `json:"missing,omitempty"` // from the storage
	Entry     string `json:"entry"`             // its name in the storage
	Cause     string `json:"cause,omitempty"`   // of unreadable
}

// Rotation is what a rotation does: POST /tokenidp/keys/rotate.
type Rotation struct {
	Issuer    string    `json:"issuer"`
	KeyID     string    `json:"kid"`
	Algorithm string    `json:"alg"`
	SignsFrom time.Time `json:"signs_from"`
	Made      bool      `json:"made"` // false: it waited already
	Warning   string    `json:"warning,omitempty"`
}

// Keys returns the signing keys of all issuers.
func (c *Client) Keys(ctx context.Context) (all []IssuerKeys, err error) {
	_, err = c.ask(ctx, http.MethodGet, "/tokenidp/keys", nil, &all)
	return all, err
}

// Rotate makes the successor of an issuer's signing key, which signs at once if now is
// set. The issuer "" is the only one.
func (c *Client) Rotate(ctx context.Context, issuer string, now bool) (*Rotation, error) {
	query := url.Values{"issuer": {issuer}}
	if now {
		query.Set("now", "true")
	}
	rotation := new(Rotation)
	_, err := c.ask(ctx, http.MethodPost, "/tokenidp/keys/rotate?"+query.Encode(), nil, rotation)
	return rotation, err
}
