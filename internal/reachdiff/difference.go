package reachdiff

import (
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
)

// Kind is how the access to a route changes.
type Kind string

// The kinds of differences.
const (
	Opened    Kind = "opened"    // anybody gets through without a token
	Gained    Kind = "gained"    // clients get through that did not before
	Weakened  Kind = "weakened"  // those who get through need less
	Changed   Kind = "changed"   // another handler answers, or it gets other claim headers
	Closed    Kind = "closed"    // nobody gets through without a token any more
	Lost      Kind = "lost"      // clients no longer get through
	Tightened Kind = "tightened" // those who get through need more
)

// Difference is how the access of the same callers to one route changes.
type Difference struct {
	Kind Kind
	// Issuer is the issuer of the callers' tokens. "" means anybody, without a token.
	Issuer string
	// Clients are the Applications of the issuer, sorted. If it is empty, it means every
	// client with a token of the issuer, because the clients of the issuer are not known.
	Clients []string
	// NewClients: only the newer configuration has them. GoneClients: only the older one
	// has them.
	NewClients, GoneClients bool
	// Route is the ID of the route in the configuration in which they get through.
	Route string
	// NewRoute: only the newer configuration has the route. GoneRoute: only the older one.
	NewRoute, GoneRoute bool
	// Requests show the difference, the plainest first.
	Requests []probe.Request
	// Before and After are the outcomes of the requests.
	Before, After Outcome

	order int
}

// IsGain reports whether somebody can do more.
func (d *Difference) IsGain() bool { return slices.Contains([]Kind{Opened, Gained, Weakened}, d.Kind) }

// IsLoss reports whether somebody can do less.
func (d *Difference) IsLoss() bool { return slices.Contains([]Kind{Closed, Lost, Tightened}, d.Kind) }

// byDanger lists the kinds, the most dangerous first.
var byDanger = []Kind{Opened, Gained, Weakened, Changed, Closed, Lost, Tightened}

// danger returns the rank. Tokens of an issuer with unknown clients come before tokens of
// Applications.
func (d *Difference) danger() int {
	rank := 2 * slices.Index(byDanger, d.Kind)
	if len(d.Clients) > 0 {
		rank++
	}
	return rank
}

// key returns equal keys for differences that differ only in the request.
func (d *Difference) key() string {
	var clients uint64
	for _, client := range d.Clients {
		clients += maphash.String(seed, client)
	}
	return fmt.Sprintf("%s %q %d %x %t %t %q %+v %+v", d.Kind, d.Issuer, len(d.Clients), clients, d.NewClients, d.GoneClients, d.Route, d.Before, d.After)
}

// Outcome is the result of a request.
type Outcome struct {
	Allowed bool
	// Status is the status of the answer to a request without a token; 0 for others.
	Status int
	// Handler is the handler that answers, Scope the least scope for it (empty: any scope
	// of the Audience), Conditions the other conditions, and ClaimHeaders the headers that
	// the handler gets, such as: X-Client: client_id.
	Handler      string
	Scope        []string
	Audience     string
	Conditions   []string
	ClaimHeaders []string
	// ReportOnly: a verify would refuse it, but only reports.
	ReportOnly bool
	// Reason is why it is not allowed: a code, or NotServed. Cause says it in words, and Rule
	// is the verify that refuses, as file:line.
	Reason, Cause, Rule string
}

// The reasons that no verdict has.
const (
	// NotServed: no site of the configuration has the host, or no server the address.
	NotServed = "not_served"
	// UnknownClient: the configuration has no such Application.
	UnknownClient = "unknown_client"
)
