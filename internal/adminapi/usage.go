package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Usage is who used what, as all servers that share the storage saw it: GET /tokenidp/usage.
type Usage struct {
	// Since is since when some server has counted, without a gap.
	Since *time.Time `json:"since,omitempty"`
	// Nodes are the servers that count now.
	Nodes int `json:"nodes"`
	// SyncedAt is when it was last known what all servers saw.
	SyncedAt *time.Time `json:"synced_at,omitempty"`
	// Problem is why usage cannot be stored or read.
	Problem string `json:"problem,omitempty"`
	// NotToldApart is how much was counted for clients that are not told apart.
	NotToldApart uint64 `json:"not_told_apart,omitempty"`

	Applications []ApplicationUsage `json:"applications"`
	Routes       []RouteUsage       `json:"routes"`
	// Refusals has the most frequent of the last 24 hours first.
	Refusals []ReasonUsage `json:"refusals"`
	Findings []Finding     `json:"findings"`
}

// ApplicationUsage is what an Application has used.
type ApplicationUsage struct {
	Issuer     string `json:"issuer"`
	ClientID   string `json:"client_id"`
	ClientName string `json:"client_name,omitempty"`
	Active     bool   `json:"active"`
	Source     string `json:"source"` // file:line
	// LastToken is missing if no token is known.
	LastToken *time.Time   `json:"last_token,omitempty"`
	Tokens    uint64       `json:"tokens"`
	ByHour    []TokenCount `json:"tokens_by_hour,omitempty"` // of two days
	ByDay     []TokenCount `json:"tokens_by_day,omitempty"`  // of 90 days
	Scopes    []ScopeUsage `json:"scopes"`
	// Secrets has one without an id for a client that has none.
	Secrets []SecretUsage `json:"secrets,omitempty"`
	// Storm is how many tokens it got in a day, beside what it needs.
	Storm *Storm `json:"storm,omitempty"`
}

// TokenCount is how many tokens were issued from a time on, for an hour or a day.
type TokenCount struct {
	From   time.Time `json:"from"`
	Tokens uint64    `json:"tokens"`
}

// ScopeUsage is the use of one scope by one Application.
type ScopeUsage struct {
	Scope string `json:"scope"`
	// Granted: the file grants it. GrantedSince is since when that has been observed.
	Granted      bool       `json:"granted"`
	GrantedSince *time.Time `json:"granted_since,omitempty"`
	// Asked are the tokens with it.
	Asked     uint64     `json:"asked"`
	LastAsked *time.Time `json:"last_asked,omitempty"`
	// Used are the requests that a route let through by it. LastUsed also counts what else
	// may have decided by it: token_scope, an expression, or an API that got the scope.
	Used     uint64     `json:"used"`
	LastUsed *time.Time `json:"last_used,omitempty"`
	// Denied is how often it was asked for without a grant.
	Denied uint64 `json:"denied,omitempty"`
}

// SecretUsage is from where a secret was used.
type SecretUsage struct {
	SecretID string         `json:"secret_id,omitempty"`
	Times    uint64         `json:"times"`
	LastUsed *time.Time     `json:"last_used,omitempty"`
	Networks []NetworkUsage `json:"networks,omitempty"`
}

// NetworkUsage are the uses from a /24 (IPv4) or a /48 (IPv6).
type NetworkUsage struct {
	Network  string     `json:"network"`
	Times    uint64     `json:"times"`
	LastUsed *time.Time `json:"last_used,omitempty"`
}

// Storm is how many tokens an Application got in the last 24 hours.
type Storm struct {
	Tokens uint64 `json:"tokens"`
	// Needed is how many it needs if each of its networks keeps a token until it expires.
	Needed uint64 `json:"needed"`
}

// Excessive reports whether the client seems to fetch a token for each call.
func (s Storm) Excessive() bool { return s.Tokens >= 100 && s.Tokens > 10*s.Needed }

// Over reports whether a storm has ended: when half as many tokens would begin one no more.
// So one of about the same size does not begin again each hour.
func (s Storm) Over() bool { return !Storm{2 * s.Tokens, s.Needed}.Excessive() }

// RouteUsage is who called a route.
type RouteUsage struct {
	Route      string `json:"route"` // its identity: host, path, method and further matchers
	Source     string `json:"source,omitempty"`
	ReportOnly bool   `json:"report_only,omitempty"`
	// Callers has the most frequent first.
	Callers []Caller `json:"callers"`
	// Refused are those that it refused, or would have refused with ReportOnly.
	Refused []RefusedGroup `json:"refused,omitempty"`
}

// The places of a [ReasonUsage].
const (
	RefusedByVerify = "verify"
	RefusedByToken  = "token"
)

// ReasonUsage is how often requests were refused for one reason, of all clients.
type ReasonUsage struct {
	// At is verify, or token for the token endpoint.
	At string `json:"at"`
	// Route is the identity of that of verify: host, path, method and further matchers. It is
	// missing for routes that are not told apart.
	Route  string `json:"route,omitempty"`
	Issuer string `json:"issuer,omitempty"` // of the token endpoint
	Reason string `json:"reason"`
	// ReportOnly: they would have been refused.
	ReportOnly bool      `json:"report_only,omitempty"`
	Times      uint64    `json:"times"`
	Last       time.Time `json:"last"`
	// LastDay are those of the last 24 hours.
	LastDay uint64         `json:"last_day"`
	ByHour  []RefusalCount `json:"refusals_by_hour,omitempty"` // of two days
	ByDay   []RefusalCount `json:"refusals_by_day,omitempty"`  // of 90 days
}

// RefusalCount is how many requests were refused from a time on, for an hour or a day.
type RefusalCount struct {
	From     time.Time `json:"from"`
	Refusals uint64    `json:"refusals"`
}

// Caller is a client that a route let through, by the same scopes.
type Caller struct {
	Issuer   string `json:"issuer,omitempty"`
	ClientID string `json:"client_id,omitempty"` // missing for those that are not told apart
	// Scopes are those that decided.
	Scopes string    `json:"scopes,omitempty"`
	Times  uint64    `json:"times"`
	Last   time.Time `json:"last"`
}

// The kinds of a [Finding].
const (
	FindingUnusedScopes = "unused_scopes"
	FindingAsleep       = "asleep"
	FindingSharedSecret = "shared_secret"
	FindingUnusedSecret = "unused_secret"
	FindingStorm        = "storm"
)

// Finding is what an operator may want to change. Nothing changes by itself.
type Finding struct {
	Kind     string   `json:"kind"`
	Issuer   string   `json:"issuer"`
	ClientID string   `json:"client_id"`
	Scopes   []string `json:"scopes,omitempty"`
	SecretID string   `json:"secret_id,omitempty"`
	// Text says it in words.
	Text string `json:"text"`
	// Source is the file:line of what to change.
	Source string `json:"source"`
	// Old and New are the YAML before and after, line by line.
	Old []string `json:"old,omitempty"`
	New []string `json:"new,omitempty"`
}

// UsageQuery is which usage is asked for. The zero value asks for all.
type UsageQuery struct {
	ClientID, Scope string
	// UnusedFor is a duration as Caddy has it, such as 30d.
	UnusedFor string
}

// Usage returns who used what.
func (c *Client) Usage(ctx context.Context, q UsageQuery) (*Usage, error) {
	query := url.Values{}
	for name, value := range map[string]string{"client_id": q.ClientID, "scope": q.Scope, "unused_for": q.UnusedFor} {
		if value != "" {
			query.Set(name, value)
		}
	}
	u := new(Usage)
	_, err := c.ask(ctx, http.MethodGet, "/tokenidp/usage?"+query.Encode(), nil, u)
	return u, err
}
