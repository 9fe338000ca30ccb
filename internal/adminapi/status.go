package adminapi

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Status is how a server is: GET /tokenidp/status.
type Status struct {
	// Version is that of this module.
	Version string `json:"version"`
	// Ready: it can do its work, as the matcher tokenidp_ready tells.
	Ready bool `json:"ready"`
	// Since is when the configuration that serves was put in force.
	Since *time.Time `json:"since,omitempty"`
	// ReloadFailed: a newer configuration was refused. All else is about the one that
	// serves.
	ReloadFailed bool `json:"reload_failed"`

	Issuers []IssuerStatus  `json:"issuers"`
	Trusted []TrustedIssuer `json:"trusted"`
	State   StateStatus     `json:"state"`
	// Audit is how the audit log is, if there is one.
	Audit *AuditStatus `json:"audit,omitempty"`
}

// AuditStatus is how the audit log is.
type AuditStatus struct {
	Lost    int    `json:"lost"`              // lines that could not be written
	Problem string `json:"problem,omitempty"` // why, the last time
}

// Problems are all that is not in order, in words, each with whose it is.
func (s Status) Problems() (problems []string) {
	for _, iss := range s.Issuers {
		for _, problem := range iss.Problems {
			problems = append(problems, iss.Issuer+": "+problem)
		}
	}
	for _, t := range s.Trusted {
		if t.Expired || t.Keys == 0 {
			problems = append(problems, t.Issuer+": "+t.Described())
		}
	}
	if s.Audit != nil && s.Audit.Problem != "" {
		problems = append(problems, fmt.Sprintf("the audit log cannot be written (%d lines are lost): %s", s.Audit.Lost, s.Audit.Problem))
	}
	return append(problems, s.State.Problems...)
}

// IssuerStatus is how an issuer is.
type IssuerStatus struct {
	Issuer string `json:"issuer"`
	// Issues: this server issues its tokens, and does not only verify them.
	Issues       bool           `json:"issues"`
	Applications map[string]int `json:"applications"` // active and inactive
	Secrets      map[string]int `json:"secrets"`      // of active ones: valid, expiring and expired
	Files        []FileStatus   `json:"files"`
	// ActiveKey is the kid of the key that signs.
	ActiveKey string `json:"active_key,omitempty"`
	// Problems are all that is not in order, in words. None: all is.
	Problems []string `json:"problems"`
}

// FileStatus is how an applications file is.
type FileStatus struct {
	Path         string     `json:"path"`
	Applications int        `json:"applications"`
	LoadedAt     *time.Time `json:"loaded_at,omitempty"`  // the version in force
	ChangedAt    *time.Time `json:"changed_at,omitempty"` // the newest version
	Problem      string     `json:"problem,omitempty"`    // why the newest is not in force
	Since        *time.Time `json:"since,omitempty"`      // of the problem
	Departed     bool       `json:"departed,omitempty"`   // it is gone, with Applications that no other file has
}

// StateStatus is how the shared state is. It is one for all issuers.
type StateStatus struct {
	Kind        string     `json:"kind"`
	Synced      bool       `json:"synced"`
	LastSync    *time.Time `json:"last_sync,omitempty"` // when this server last knew all revocations
	Revocations int        `json:"revocations"`
	Identifiers int        `json:"identifiers"` // remembered in this server
	Bytes       int64      `json:"bytes"`       // of memory, about
	Warnings    []string   `json:"warnings"`
	Problems    []string   `json:"problems"` // all that is not in order, in words
}

// Status returns how the server is.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	s := new(Status)
	_, err := c.ask(ctx, http.MethodGet, "/tokenidp/status", nil, s)
	return s, err
}
