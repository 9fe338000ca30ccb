package reachdiff

import (
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
)

// Kind is what becomes of the access of somebody to a route.
type Kind string

// The kinds of differences.
const (
	Opened    Kind = "opened"    // anybody gets through without a token
	Gained    Kind = "gained"    // who did not get through does
	Weakened  Kind = "weakened"  // less is asked of those who get through
	Changed   Kind = "changed"   // another handler answers, or it gets other claim headers
	Closed    Kind = "closed"    // nobody gets through without a token any more
	Lost      Kind = "lost"      // who got through does not
	Tightened Kind = "tightened" // more is asked of those who get through
)

// Difference is what becomes of the access of the same callers to one route.
type Difference struct {
	Kind Kind
	// Issuer is whose tokens the callers have. "": anybody, without a token.
	Issuer string
	// Clients are the Applications of the issuer, sorted. None: whoever has a token of the
	// issuer, whose clients are not known.
	Clients []string
	// NewClients: the older configuration does not have them. GoneClients: the newer one
	// does not.
	NewClients, GoneClients bool
	// Route is the ID of the route in the configuration in which they get through.
	Route string
	// NewRoute: only the newer configuration has the route. GoneRoute: only the older one.
	NewRoute, GoneRoute bool
	// Requests show the difference, the plainest first.
	Requests []probe.Request
	// Before and After are what becomes of them.
	Before, After Outcome

	order int
}

// IsGain reports whether somebody can do more.
func (d *Difference) IsGain() bool { return slices.Contains([]Kind{Opened, Gained, Weakened}, d.Kind) }

// IsLoss reports whether somebody can do less.
func (d *Difference) IsLoss() bool { return slices.Contains([]Kind{Closed, Lost, Tightened}, d.Kind) }

// byDanger has the most dangerous kind first.
var byDanger = []Kind{Opened, Gained, Weakened, Changed, Closed, Lost, Tightened}

// danger is the rank: tokens of an issuer whose clients are not known come before those
// of Applications.
func (d *Difference) danger() int {
	rank := 2 * slices.Index(byDanger, d.Kind)
	if len(d.Clients) > 0 {
		rank++
	}
	return rank
}

// key is the same for differences that differ in nothing but the request.
func (d *Difference) key() string {
	var clients uint64
	for _, client := range d.Clients {
		clients += maphash.String(seed, client)
	}
	return fmt.Sprintf("%s %q %d %x %t %t %q %+v %+v", d.Kind, d.Issuer, len(d.Clients), clients, d.NewClients, d.GoneClients, d.Route, d.Before, d.After)
}

// Outcome is what becomes of a request.
type Outcome struct {
	Allowed bool
	// Status is that of the answer to a request without a token; 0 for others.
	Status int
	// Handler is what answers, Scope the least scope for it (none: any scope of the
	// Audience), Conditions what else must hold, and ClaimHeaders what the handler gets, as
	// in: X-Client: client_id.
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
