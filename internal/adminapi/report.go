package adminapi

import (
	"context"
	"net/url"
	"time"
)

// RouteReport is what a route that reports only has seen: GET /tokenidp/report.
type RouteReport struct {
	Route  string    `json:"route"` // its identity: host, path, method and further matchers
	Source string    `json:"source,omitempty"`
	Since  time.Time `json:"since"`
	Passed uint64    `json:"passed"`
	// Enforced: it refuses, and does not only report. Such routes are there on demand.
	Enforced bool `json:"enforced,omitempty"`
	// WouldRefuse has the most frequent first.
	WouldRefuse []RefusedGroup `json:"would_refuse"`
	// Refused is what a route that enforces has refused, the most frequent first.
	Refused []RefusedGroup `json:"refused,omitempty"`
	// Others are refusals beyond those that are told apart.
	Others uint64 `json:"others,omitempty"`
}

// RefusedGroup are the refusals of one client for one reason.
type RefusedGroup struct {
	// Issuer is that of a valid token. The answer does not have it.
	Issuer string `json:"-"`
	// ClientID is missing where there was no valid token.
	ClientID string    `json:"client_id,omitempty"`
	Reason   string    `json:"reason"`
	Times    uint64    `json:"times"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	// Of the last one:
	Method   string `json:"method"`
	Path     string `json:"path"`
	ClientIP string `json:"client_ip"`
}

// Report returns what the routes that report only have seen, and with enforced all routes.
func (c *Client) Report(ctx context.Context, enforced bool) ([]RouteReport, error) {
	all := []RouteReport{}
	query := url.Values{}
	if enforced {
		query.Set("enforced", "true")
	}
	for page, err := range pages[[]RouteReport](ctx, c, "/tokenidp/report", query) {
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
	}
	return all, nil
}
