package adminapi

import (
	"context"
	"net/http"
	"time"
)

// RevokeRequest is what an operator wants to be revoked: a token, or by its jti, or
// all of a client or an issuer that were issued up to a moment: POST
// /tokenidp/revoke.
type RevokeRequest struct {
	Issuer   string     `json:"issuer,omitempty"` // default: the only one
	Token    string     `json:"token,omitempty"`
	TokenID  string     `json:"jti,omitempty"`
	ClientID string     `json:"client_id,omitempty"`
	All      bool       `json:"all,omitempty"`
	Before   *time.Time `json:"before,omitempty"` // default: now
	Until    *time.Time `json:"until,omitempty"`  // of a trusted issuer's: when the last such token has expired
	// UnknownClient: revoke for a client that no Application of the issuer has, such as
	// one that was removed.
	UnknownClient bool `json:"unknown_client,omitempty"`
}

// RevokeResult is what was revoked. It shows no token.
type RevokeResult struct {
	RevokeRequest

	State    string   `json:"state"` // memory, storage or redis: what keeps it
	Warnings []string `json:"warnings,omitempty"`
}

// Revocations is how many revocations are in force, and how current they are: GET
// /tokenidp/revocations.
type Revocations struct {
	State       string     `json:"state"`
	Revocations int        `json:"revocations"`
	Bytes       int64      `json:"bytes"`
	Synced      bool       `json:"synced"` // they were read since this server started
	LastSync    *time.Time `json:"last_sync,omitempty"`
	Problem     string     `json:"problem,omitempty"`
	Warnings    []string   `json:"warnings,omitempty"`
}

// Revoke revokes tokens.
func (c *Client) Revoke(ctx context.Context, request *RevokeRequest) (*RevokeResult, error) {
	result := new(RevokeResult)
	_, err := c.ask(ctx, http.MethodPost, "/tokenidp/revoke", request, result)
	return result, err
}
