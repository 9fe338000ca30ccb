// Package metrics has the counters and gauges of this software for Prometheus. Every label
// has few values, all known from the configuration: nothing that a caller sends is one.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Counters count events. Every series is there from the start, with 0. Otherwise Prometheus
// would first see it with the value 1, and increase() would be 0 for the first event.
type Counters struct {
	tokens  *prometheus.CounterVec
	refused *prometheus.CounterVec
	checks  *prometheus.CounterVec

	revocations    *prometheus.CounterVec
	introspections *prometheus.CounterVec
	allowed        prometheus.Counter // of checks, found once

	// VerifyDuration are the seconds that a verify takes to decide.
	VerifyDuration prometheus.Histogram
	tokenDurations *prometheus.HistogramVec
	stateDurations *prometheus.HistogramVec
}

// The phases of a token request.
const (
	WholeRequest = "all"
	Authenticate = "authenticate"
	Sign         = "sign"
)

// NewCounters returns counters that are all 0, with the series of verified requests.
func NewCounters() *Counters {
	c := &Counters{
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
			Help: "Requests checked by verify: result is allowed, refused, or reported (let through, with report_only); reason is the code of a refusal.",
		}, []string{"result", "reason"}),
		revocations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "revocations_total",
			Help: "Revocation requests: result is revoked, nothing_to_revoke, or refused; reason is the code of a refusal.",
		}, []string{"issuer", "result", "reason"}),
		introspections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "introspections_total",
			Help: "Introspection requests: result is active, inactive, or refused; reason is why not active.",
		}, []string{"issuer", "result", "reason"}),
		VerifyDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "verify_duration_seconds",
			Help:    "How long a verify takes to decide on a request.",
			Buckets: []float64{1e-6, 2.5e-6, 1e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 1e-2, 0.1, 1},
		}),
		tokenDurations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "token_request_duration_seconds",
			Help:    "How long a token request takes: all of it, or the phase authenticate or sign.",
			Buckets: []float64{1e-4, 2.5e-4, 1e-3, 2.5e-3, 1e-2, 2.5e-2, 0.1, 0.25, 1, 2.5, 10},
		}, []string{"issuer", "phase"}),
		stateDurations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "caddy", Subsystem: "tokenidp", Name: "state_duration_seconds",
			Help:    "How long a request waits for the shared state: once (a single-use identifier), take (a quota) or revoke.",
			Buckets: []float64{1e-5, 1e-4, 1e-3, 2.5e-3, 1e-2, 2.5e-2, 0.1, 0.25, 1, 2.5, 10},
		}, []string{"operation"}),
	}
	for _, operation := range []string{"once", "take", "revoke"} {
		c.StateDuration(operation)
	}
	c.allowed = c.checks.WithLabelValues("allowed", "")
	for _, reason := range verifier.Reasons() {
		c.checks.WithLabelValues("refused", string(reason))
		c.checks.WithLabelValues("reported", string(reason))
	}
	return c
}

// Collectors returns what to register.
func (c *Counters) Collectors() []prometheus.Collector {
	return []prometheus.Collector{c.tokens, c.refused, c.checks, c.revocations, c.introspections, c.VerifyDuration, c.tokenDurations, c.stateDurations}
}

// BeginIssuer begins the series of an issuer whose endpoints are served. It keeps those
// that are there.
func (c *Counters) BeginIssuer(issuer string) {
	c.tokens.WithLabelValues(issuer)
	for _, phase := range []string{WholeRequest, Authenticate, Sign} {
		c.TokenDuration(issuer, phase)
	}
	c.revocations.WithLabelValues(issuer, "revoked", "")
	c.revocations.WithLabelValues(issuer, "nothing_to_revoke", "")
	c.introspections.WithLabelValues(issuer, "active", "")
	c.introspections.WithLabelValues(issuer, "inactive", string(oauth.ReasonNotPermitted))
	for _, reason := range verifier.Reasons() {
		c.introspections.WithLabelValues(issuer, "inactive", string(reason))
	}
	for _, reason := range oauth.Reasons() {
		c.refused.WithLabelValues(issuer, string(reason))
		c.revocations.WithLabelValues(issuer, "refused", string(reason))
		c.introspections.WithLabelValues(issuer, "refused", string(reason))
	}
}

// EndIssuer removes the series of an issuer.
func (c *Counters) EndIssuer(issuer string) {
	for _, vec := range []*prometheus.CounterVec{c.tokens, c.refused, c.revocations, c.introspections} {
		vec.DeletePartialMatch(prometheus.Labels{"issuer": issuer})
	}
	c.tokenDurations.DeletePartialMatch(prometheus.Labels{"issuer": issuer})
}

// StateDuration are the seconds that an operation on the shared state takes.
func (c *Counters) StateDuration(operation string) prometheus.Observer {
	return c.stateDurations.WithLabelValues(operation)
}

// TokenDuration are the seconds that a phase of token requests takes.
func (c *Counters) TokenDuration(issuer, phase string) prometheus.Observer {
	return c.tokenDurations.WithLabelValues(issuer, phase)
}

// TokenIssued counts an access token.
func (c *Counters) TokenIssued(issuer string) { c.tokens.WithLabelValues(issuer).Inc() }

// TokenRefused counts a token request that was refused.
func (c *Counters) TokenRefused(issuer string, reason oauth.Reason) {
	c.refused.WithLabelValues(issuer, string(reason)).Inc()
}

// Revocation counts a revocation request. The reason is "" unless it was refused.
func (c *Counters) Revocation(issuer, result string, reason oauth.Reason) {
	c.revocations.WithLabelValues(issuer, result, string(reason)).Inc()
}

// Introspection counts an introspection request. The reason is why the token is not active,
// or why the request was refused.
func (c *Counters) Introspection(issuer, result, reason string) {
	c.introspections.WithLabelValues(issuer, result, reason).Inc()
}

// RequestAllowed counts a request that a verify let through.
func (c *Counters) RequestAllowed() { c.allowed.Inc() }

// RequestRefused counts a request that a verify refused.
func (c *Counters) RequestRefused(reason verifier.Reason) {
	c.checks.WithLabelValues("refused", string(reason)).Inc()
}

// RequestReported counts a request that a verify with report_only would have refused.
func (c *Counters) RequestReported(reason verifier.Reason) {
	c.checks.WithLabelValues("reported", string(reason)).Inc()
}
