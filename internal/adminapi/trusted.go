package adminapi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"
)

// TrustedIssuer is how the keys of a trusted issuer are: GET /tokenidp/trusted.
type TrustedIssuer struct {
	Issuer string `json:"issuer"`
	// From is where the keys were read: a URL without its query, or a file. It is
	// missing before the first time.
	From string `json:"from,omitempty"`
	Keys int    `json:"keys"` // usable ones
	// Restored: they come from the storage, and the issuer has not confirmed them
	// since.
	Restored bool `json:"restored,omitempty"`
	// LastSuccess is when the issuer last confirmed the keys, Age how many seconds
	// ago that was. Both are missing for never.
	LastSuccess *time.Time `json:"last_success,omitempty"`
	Age         *float64   `json:"age,omitempty"`
	// UsedUntil is when the keys are older than max_stale, unless the issuer confirms them
	// before.
	UsedUntil *time.Time `json:"used_until,omitempty"`
	// Stale: the last fetch failed, so that the issuer may have other keys by now.
	Stale bool `json:"stale"`
	// Expired: the keys are older than max_stale, and verify nothing any more.
	Expired   bool   `json:"expired"`
	LastError string `json:"last_error,omitempty"` // of the last fetch
	Warning   string `json:"warning,omitempty"`    // of the last fetch, which was good
	// NextFetch is when the next is due, unless an unknown kid asks for it earlier.
	NextFetch *time.Time `json:"next_fetch,omitempty"`
	// Skipped is why entries of the JWK Set are of no use.
	Skipped []string `json:"skipped,omitempty"`
}

// Described is for people: in order, or what is wrong.
func (t TrustedIssuer) Described() string {
	problem := cmp.Or(t.LastError, t.Warning)
	if len(t.Skipped) > 0 && problem == "" {
		problem = fmt.Sprintf("%d entries are of no use, the first: %s", len(t.Skipped), t.Skipped[0])
	}
	state := "in order"
	switch {
	case t.Expired:
		state = "too old, its tokens are refused"
	case t.Stale && t.Keys > 0:
		state = "out of reach, the last keys serve"
	case t.Keys == 0:
		state = "no keys yet, its tokens are refused"
	case t.Restored:
		state = "from the storage"
	}
	if problem == "" {
		return state
	}
	return state + ": " + problem
}

// Trusted returns all trusted issuers.
func (c *Client) Trusted(ctx context.Context) (all []TrustedIssuer, err error) {
	_, err = c.ask(ctx, http.MethodGet, "/tokenidp/trusted", nil, &all)
	return all, err
}
