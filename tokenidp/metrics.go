package tokenidp

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
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

	applications *prometheus.GaugeVec
	reload       *prometheus.GaugeVec
	keys         *prometheus.GaugeVec
	secrets      *prometheus.GaugeVec
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
		applications: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "applications",
			Help: "Applications in force, by state: active or inactive.",
		}, []string{"issuer", "state"}),
		reload: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "applications_in_order",
			Help: "1 while every file of Applications is in force as it is, 0 while one is broken or does not fit.",
		}, []string{"issuer"}),
		keys: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "keys_in_order",
			Help: "1 while the signing keys can be read and rotated, 0 while the storage fails.",
		}, []string{"issuer"}),
		secrets: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "secrets",
			Help: "Secrets of active Applications, by state: valid, expiring (within 30 days) or expired.",
		}, []string{"issuer", "state"}),
	}
	m.allowed = m.checks.WithLabelValues("allowed", "")
	for _, c := range []prometheus.Collector{m.tokens, m.refused, m.checks, m.revocations, m.introspections, m.applications, m.reload, m.keys, m.secrets} {
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

func (m *metrics) applicationsLoaded(issuer string, set *application.Set, inOrder bool) {
	all := set.Applications()
	active := countActive(all)
	m.applications.WithLabelValues(issuer, "active").Set(float64(active))
	m.applications.WithLabelValues(issuer, "inactive").Set(float64(len(all) - active))
	setBool(m.reload.WithLabelValues(issuer), inOrder)
	m.secretsKept(issuer, set, time.Now())
}

func (m *metrics) secretsKept(issuer string, set *application.Set, now time.Time) {
	for state, count := range countSecrets(set, now) {
		m.secrets.WithLabelValues(issuer, state).Set(float64(count))
	}
}

func (m *metrics) keysMaintained(issuer string, inOrder bool) {
	setBool(m.keys.WithLabelValues(issuer), inOrder)
}

func setBool(g prometheus.Gauge, value bool) {
	if value {
		g.Set(1)
	} else {
		g.Set(0)
	}
}

func (m *metrics) requestAllowed() { m.allowed.Inc() }

func (m *metrics) requestRefused(reason verifier.Reason) {
	m.checks.WithLabelValues("refused", string(reason)).Inc()
}

func (m *metrics) requestReported(reason verifier.Reason) {
	m.checks.WithLabelValues("reported", string(reason)).Inc()
}
