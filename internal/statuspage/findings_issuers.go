package statuspage

import (
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

func (f *Facts) issuerFindings() (all []Finding) {
	for _, iss := range f.Status.Issuers {
		if iss.ActiveKey == "" {
			all = append(all, f.noKey(iss))
		}
		for _, file := range iss.Files {
			if file.Problem != "" {
				all = append(all, f.brokenFile(file))
			}
		}
		for _, problem := range otherProblems(iss) {
			all = append(all, Finding{
				Severity: Note, Title: "The storage of " + iss.Issuer + " is not in order", Cause: problem,
				Effect:   "Tokens are issued and verified as before. Keys may not rotate in time.",
				Command:  "caddy tokenidp keys",
				Document: Document{"Monitoring", "operations.md#watch"},
			})
		}
	}
	return all
}

func (f *Facts) noKey(iss adminapi.IssuerStatus) Finding {
	effect := "It issues no tokens."
	if !iss.Issues {
		effect = "Its tokens are refused."
	}
	return Finding{
		Severity: Now, Title: iss.Issuer + " has no signing key", Effect: effect,
		Command:  "caddy tokenidp keys",
		Document: Document{"All keys are lost", "operations.md#all-keys-are-lost"},
	}
}

func (f *Facts) brokenFile(file adminapi.FileStatus) Finding {
	finding := Finding{
		Severity: Soon, Title: "The newest version of " + file.Path + " is not in force",
		Since: f.moment(file.Since), Cause: file.Problem,
		Effect:   "Callers notice nothing: the last good version serves. What changed in the file has no effect, except a deactivation.",
		Command:  "caddy validate --config <Caddyfile>",
		Document: Document{"Changes while running", "applications.md#changes-while-running"},
	}
	if file.Departed {
		finding.Title = file.Path + " is gone, with its Applications"
		finding.Effect = "Clients that only this file had get no tokens."
		finding.Severity = Now
	}
	return finding
}

// otherProblems returns the problems that no field of the status has.
func otherProblems(iss adminapi.IssuerStatus) (others []string) {
	for _, problem := range iss.Problems {
		known := problem == "there is no signing key"
		for _, file := range iss.Files {
			known = known || file.Problem != "" && strings.Contains(problem, file.Path) && strings.HasSuffix(problem, file.Problem)
		}
		if !known {
			others = append(others, problem)
		}
	}
	return others
}

func (f *Facts) trustedFindings() (all []Finding) {
	for _, t := range f.Status.Trusted {
		finding := Finding{
			Since: f.moment(t.LastSuccess), Cause: t.LastError,
			Command:  "caddy tokenidp trusted",
			Document: Document{"What happens when", "foreign-issuers.md#what-happens-when"},
		}
		switch {
		case t.Expired:
			finding.Title = "The keys of " + t.Issuer + " are too old"
			finding.Effect, finding.Reason = "Its tokens are refused until it answers again.", "keys_unavailable"
		case t.Keys == 0:
			finding.Title = t.Issuer + " has no usable key"
			finding.Effect, finding.Reason = "Its tokens are refused.", "keys_unavailable"
		case t.Stale:
			finding.Severity, finding.Title = Soon, t.Issuer+" is out of reach"
			finding.Effect = "Callers notice nothing: its last keys serve. They are refused when these keys are too old, or when it signs with another key."
			finding.Until = f.moment(t.UsedUntil)
		case t.Warning != "" || len(t.Skipped) > 0:
			finding.Severity, finding.Title, finding.Since = Note, "Not every key of "+t.Issuer+" is usable", nil
			finding.Cause = t.Described()
			finding.Effect = "Tokens that are signed with such a key are refused."
		default:
			continue
		}
		all = append(all, finding)
	}
	return all
}

func (f *Facts) stateFindings() (all []Finding) {
	s := f.Status.State
	for _, problem := range s.Problems {
		finding := Finding{
			Severity: Soon, Title: "The shared state is not in order", Cause: problem,
			Effect:   "What other nodes revoke may be accepted here, and quotas and single-use identifiers may count for this node alone.",
			Command:  "caddy tokenidp status",
			Document: Document{"Shared state", "state.md#watch-it"},
		}
		if !s.Synced {
			finding.Since = f.moment(s.LastSync)
		}
		all = append(all, finding)
	}
	return all
}
