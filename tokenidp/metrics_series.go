package tokenidp

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Every series is there from the start, with 0. Otherwise Prometheus would first see it
// with the value 1, and increase() would be 0 for the first event.

// beginRequests begins the series of the requests at routes.
func (m *metrics) beginRequests() {
	m.allowed = m.checks.WithLabelValues("allowed", "")
	for _, reason := range verifier.Reasons() {
		m.checks.WithLabelValues("refused", string(reason))
		m.checks.WithLabelValues("reported", string(reason))
	}
}

// beginIssuer begins the series of an issuer whose endpoints are here.
func (m *metrics) beginIssuer(issuer string) {
	m.tokens.WithLabelValues(issuer)
	m.revocations.WithLabelValues(issuer, "revoked", "")
	m.revocations.WithLabelValues(issuer, "nothing_to_revoke", "")
	m.introspections.WithLabelValues(issuer, "active", "")
	m.introspections.WithLabelValues(issuer, "inactive", string(oauth.ReasonNotPermitted))
	for _, reason := range verifier.Reasons() {
		m.introspections.WithLabelValues(issuer, "inactive", string(reason))
	}
	for _, reason := range oauth.Reasons() {
		m.refused.WithLabelValues(issuer, string(reason))
		m.revocations.WithLabelValues(issuer, "refused", string(reason))
		m.introspections.WithLabelValues(issuer, "refused", string(reason))
	}
}

// endIssuer removes the series of an issuer.
func (m *metrics) endIssuer(issuer string) {
	for _, vec := range []*prometheus.CounterVec{m.tokens, m.refused, m.revocations, m.introspections} {
		vec.DeletePartialMatch(prometheus.Labels{"issuer": issuer})
	}
}

// beginSeries begins the series of this App. They continue over a reload.
func (a *App) beginSeries() {
	for _, iss := range a.Issuers {
		if iss.issues {
			counters.beginIssuer(iss.Issuer)
		}
	}
}

// endSeries removes the series of the issuers that the App which serves now has not.
func (a *App) endSeries() {
	now := serving.latest()
	if now == nil {
		return
	}
	for _, iss := range a.Issuers {
		if !slices.ContainsFunc(now.Issuers, func(other *Issuer) bool { return other.Issuer == iss.Issuer && other.issues }) {
			counters.endIssuer(iss.Issuer)
		}
	}
}
