package adminapi

import "time"

// RouteReport is what a route that reports only has seen: GET /tokenidp/report.
type RouteReport struct {
	Route  string    `json:"route"` // file:line
	Since  time.Time `json:"since"`
	Passed uint64    `json:"passed"`
	// WouldRefuse has the most frequent first.
	WouldRefuse []RefusedGroup `json:"would_refuse"`
	// Others are refusals beyond those that are told apart.
	Others uint64 `json:"others,omitempty"`
}

// RefusedGroup are the refusals of one client for one reason.
type RefusedGroup struct {
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
