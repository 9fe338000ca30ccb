package statuspage

import (
	"cmp"
	"slices"
	"time"
)

// Severity says how urgent a finding is.
type Severity int

// The severities, worst first.
const (
	Now  Severity = iota // callers are refused, or what must be refused is not
	Soon                 // that will happen if nobody acts
	Note                 // callers notice nothing
)

// String is for people.
func (s Severity) String() string { return [...]string{"now", "soon", "note"}[s] }

// Finding is one thing that is wrong, and what to do about it.
type Finding struct {
	Severity Severity
	Title    string
	Since    *Moment // nil if not known
	Until    *Moment // nil if there is no end
	Cause    string  // in the words of the server, or ""
	Effect   string  // on callers
	Reason   string  // with which they are refused, or ""
	Command  string  // that says more or mends it
	Document Document
}

// Document is a paragraph of the documentation.
type Document struct{ Title, Path string }

// documents is where the documentation is.
const documents = "https://github.com/tokenidp/caddy-tokenidp/blob/main/docs/"

// longestReason is more than any reason has.
const longestReason = 64

// reasonDocument is the paragraph of a reason.
func reasonDocument(reason string) Document {
	if len(reason) > longestReason || printable(reason) != reason {
		return Document{visible(reason), "troubleshooting.md#reasons-of-verify"}
	}
	return Document{reason, "troubleshooting.md#" + reason}
}

// Refusal is the paragraph of the reason.
func (f Finding) Refusal() Document { return reasonDocument(f.Reason) }

// URL is where to read it.
func (d Document) URL() string { return documents + d.Path }

// mostFindings bounds what the page shows.
const mostFindings = 12

// findings returns everything that is wrong, worst first.
func (f *Facts) findings() []Finding {
	all := slices.Concat(f.serverFindings(), f.issuerFindings(), f.secretFindings(), f.trustedFindings(), f.stateFindings(), f.routeFindings())
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), compareMoments(a.Since, b.Since))
	})
	return all
}

// compareMoments puts the oldest first, and what is not known last.
func compareMoments(a, b *Moment) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.at.Compare(b.at)
}

func (f *Facts) moment(at *time.Time) *Moment { return newMoment(at, f.Now) }

func (f *Facts) serverFindings() (all []Finding) {
	if f.Status.ReloadFailed {
		all = append(all, Finding{
			Severity: Note, Title: "The newest configuration was refused",
			Effect:   "Callers notice nothing: the configuration before it serves. A restart would fail.",
			Command:  "caddy validate --config <Caddyfile>",
			Document: Document{"A reload that failed", "operations.md#a-reload-that-failed"},
		})
	}
	if !f.Status.Ready {
		all = append(all, Finding{
			Severity: Now, Title: "This server is not ready",
			Effect:   "It refuses tokens. A load balancer that asks tokenidp_ready sends it no requests.",
			Command:  "caddy tokenidp status",
			Document: Document{"Readiness", "caddyfile.md#matcher-tokenidp_ready"},
		})
	}
	return all
}
