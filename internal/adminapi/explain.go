package adminapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Explanation says which routes a token would pass, and why not the others: POST
// /tokenidp/explain. It has no signature in it: what it shows cannot be used as a
// token.
type Explanation struct {
	Token   Statement          `json:"token"`
	Verdict Verdict            `json:"verdict"` // of the issuers, before any route
	Routes  []RouteExplanation `json:"routes"`
}

// Verdict is whether a token passes, and else why not and what to do.
type Verdict struct {
	Passes   bool   `json:"passes"`
	Status   int    `json:"status,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Expected string `json:"expected,omitempty"`
	Found    string `json:"found,omitempty"`
	Change   string `json:"change,omitempty"`
}

// RouteExplanation is the verdict of the verify on one route, and what that asks for.
type RouteExplanation struct {
	Route   string   `json:"route,omitempty"` // its identity: host, path, method and further matchers
	Source  string   `json:"source,omitempty"`
	Issuers []string `json:"issuers"`
	RequiredScopes
	Verdict
}

// Statement is what a token says, whether that is true or not. Header and claims
// are as they were decoded; they are missing for what is no JWT.
type Statement struct {
	Issuer    string          `json:"issuer,omitempty"`
	ClientID  string          `json:"client_id,omitempty"`
	Audience  []string        `json:"audience,omitempty"`
	Scope     string          `json:"scope,omitempty"`
	IssuedAt  *time.Time      `json:"issued_at,omitempty"`
	ExpiresAt *time.Time      `json:"expires_at,omitempty"`
	BoundTo   string          `json:"bound_to,omitempty"`
	KeyID     string          `json:"kid,omitempty"`
	Algorithm string          `json:"alg,omitempty"`
	Type      string          `json:"typ,omitempty"`
	Header    json.RawMessage `json:"header,omitempty"`
	Claims    json.RawMessage `json:"claims,omitempty"`
}

// Explain returns what the server says of a token.
func (c *Client) Explain(ctx context.Context, token string) (*Explanation, error) {
	e := new(Explanation)
	_, err := c.ask(ctx, http.MethodPost, "/tokenidp/explain", map[string]string{"token": token}, e)
	return e, err
}
