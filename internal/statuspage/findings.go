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
	Now  Severity = iota // callers are refused, or requests pass that must be refused
	Soon                 // the same will happen if nobody acts
	Note                 // callers are not affected
)

// String returns the severity for people.
func (s Severity) String() string { return [...]string{"now", "soon", "note"}[s] }

// Finding is one problem, and what to do about it.
type Finding struct {
	Severity Severity
	Title    string
	Since    *Moment // nil if not known
	Until    *Moment // nil if there is no end
	Cause    string  // the error of the server, or ""
	Effect   string  // on callers
	Reason   string  // the reason of the refusals, or ""
	Command  string  // it shows more or corrects the problem
	Document Document
}

// Document is a paragraph of the documentation.
type Document struct{ Title, Path string }

// documents is the address of the documentation.
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

// Refusal returns the paragraph of the reason.
func (f Finding) Refusal() Document { return reasonDocument(f.Reason) }

// URL returns the address of the paragraph.
func (d Document) URL() string { return documents + d.Path }

// mostFindings limits the findings on the page.
const mostFindings = 12

// findings returns all problems, worst first.
func (f *Facts) findings() []Finding {
	all := slices.Concat(f.serverFindings(), f.issuerFindings(), f.secretFindings(), f.trustedFindings(), f.stateFindings(), f.routeFindings())
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), compareMoments(a.Since, b.Since))
	})
	return all
}

// compareMoments puts the oldest moment first, and unknown moments last.
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
