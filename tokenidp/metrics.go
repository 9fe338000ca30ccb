package tokenidp

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// metrics are this app's, in the registry of one configuration. Every label has
// few values, all known from the configuration: nothing a caller sends is one.
type metrics struct {
	tokens  *prometheus.CounterVec
	refused *prometheus.CounterVec
	checks  *prometheus.CounterVec

	revocations    *prometheus.CounterVec
	introspections *prometheus.CounterVec
	allowed        prometheus.Counter // of checks, found once
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "tokens_issued_total",
			Help: "Access tokens issued.",
		}, []string{"issuer"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "token_requests_refused_total",
			Help: "Token requests refused, by reason code.",
		}, []string{"issuer", "reason"}),
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "verifications_total",
			Help: "Requests judged by verify: result is allowed, refused, or reported (let through, with report_only); reason is the code of a refusal.",
		}, []string{"result", "reason"}),
		revocations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "revocations_total",
			Help: "Revocation requests: result is revoked, nothing_to_revoke, or refused; reason is the code of a refusal.",
		}, []string{"issuer", "result", "reason"}),
		introspections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "introspections_total",
			Help: "Introspection requests: result is active, inactive, or refused; reason is why not active.",
		}, []string{"issuer", "result", "reason"}),
	}
	m.allowed = m.checks.WithLabelValues("allowed", "")
	for _, c := range []prometheus.Collector{m.tokens, m.refused, m.checks, m.revocations, m.introspections} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) tokenIssued(issuer string) { m.tokens.WithLabelValues(issuer).Inc() }

func (m *metrics) tokenRefused(issuer string, reason oauth.Reason) {
	m.refused.WithLabelValues(issuer, string(reason)).Inc()
}

func (m *metrics) revocation(issuer, result string, reason oauth.Reason) {
	m.revocations.WithLabelValues(issuer, result, string(reason)).Inc()
}

func (m *metrics) introspection(issuer, result, reason string) {
	m.introspections.WithLabelValues(issuer, result, reason).Inc()
}

func (m *metrics) requestAllowed() { m.allowed.Inc() }

func (m *metrics) requestRefused(reason verifier.Reason) {
	m.checks.WithLabelValues("refused", string(reason)).Inc()
}

func (m *metrics) requestReported(reason verifier.Reason) {
	m.checks.WithLabelValues("reported", string(reason)).Inc()
}
