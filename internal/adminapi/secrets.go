package adminapi

import (
	"context"
	"iter"
	"net/url"
	"time"
)

// IssuerSecrets are the secrets of an issuer's Applications: GET /tokenidp/secrets.
type IssuerSecrets struct {
	Issuer string `json:"issuer"`
	// SyncedAt is when it was last known what all nodes saw.
	SyncedAt *time.Time `json:"synced_at,omitempty"`
	Secrets  []Secret   `json:"secrets"`
}

// Secret is one secret of an Application, and whether it is in use.
type Secret struct {
	ClientID   string `json:"client_id"`
	ClientName string `json:"client_name,omitempty"`
	Active     bool   `json:"active"`
	SecretID   string `json:"secret_id"`
	State      string `json:"state"` // valid, expiring or expired
	// ExpiresAt is missing for a secret that never expires.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// ObservedSince is since when some node watches it: it is at least that old.
	ObservedSince *time.Time `json:"observed_since,omitempty"`
	// LastUsed is missing for a secret that nobody was seen to use.
	LastUsed *time.Time `json:"last_used,omitempty"`
	// Removable: nobody needs it any more. Otherwise Needed says why it may be.
	Removable bool   `json:"removable"`
	Needed    string `json:"needed,omitempty"`
	File      string `json:"file"`
	Line      int    `json:"line"`
}

// SecretsQuery is which secrets are asked for. The zero value asks for all.
type SecretsQuery struct {
	ClientID, SecretID string
	// UnusedFor is a duration as Caddy has it, such as 8d.
	UnusedFor string
}

// Secrets returns the secrets by the page, sorted by issuer, client_id and secret_id.
// Consecutive entries may be of one issuer. After an error there is no more.
func (c *Client) Secrets(ctx context.Context, q SecretsQuery) iter.Seq2[[]IssuerSecrets, error] {
	query := url.Values{}
	for name, value := range map[string]string{"client_id": q.ClientID, "secret_id": q.SecretID, "unused_for": q.UnusedFor} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return pages[[]IssuerSecrets](ctx, c, "/tokenidp/secrets", query)
}
