package tokenidp

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// metrics count what this process has done. Every label has few values, all known from
// the configuration: nothing a caller sends is one.
type metrics struct {
	tokens  *prometheus.CounterVec
	refused *prometheus.CounterVec
	checks  *prometheus.CounterVec

	revocations    *prometheus.CounterVec
	introspections *prometheus.CounterVec
	allowed        prometheus.Counter // of checks, found once
}

func newMetrics() *metrics {
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
	m.beginRequests()
	return m
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.tokens, m.refused, m.checks, m.revocations, m.introspections}
}

// counters are the one set of this process: they go on over a reload of the
// configuration.
var counters = newMetrics()

// RegisterMetrics adds the metrics to the registry of a configuration. All registries
// have the same ones, so that none of them speaks for a configuration that was refused.
func RegisterMetrics(registry prometheus.Registerer) error {
	for _, c := range append(counters.collectors(), servingMetrics{}) {
		err := registry.Register(c)
		if _, registered := errors.AsType[prometheus.AlreadyRegisteredError](err); err != nil && !registered {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

// servingMetrics are the gauges of the App that serves when they are asked for.
type servingMetrics struct{}

func (servingMetrics) of(a *App) []prometheus.Collector {
	return []prometheus.Collector{issuerMetrics{a.Issuers}, trustedMetrics{a.Trusted}, stateMetrics{a.state}}
}

// Describe describes the gauges, which are the same for every App.
func (m servingMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, c := range m.of(new(App)) {
		c.Describe(descriptions)
	}
}

// Collect collects nothing while no App runs.
func (m servingMetrics) Collect(samples chan<- prometheus.Metric) {
	if a := serving.latest(); a != nil {
		for _, c := range m.of(a) {
			c.Collect(samples)
		}
	}
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

var _ prometheus.Collector = servingMetrics{}
