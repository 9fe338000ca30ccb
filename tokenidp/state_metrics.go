package tokenidp

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
)

// stateMetrics tell of the shared state as it is when they are asked for. The one
// label has two values.
type stateMetrics struct{ state state.State }

var (
	stateSynced = prometheus.NewDesc("caddy_tokenidp_state_synced_timestamp_seconds",
		"When this server last knew all revocations; 0 for never.", nil, nil)
	stateInOrder = prometheus.NewDesc("caddy_tokenidp_state_in_order",
		"1 while the shared state is within reach and current, 0 before the first time and while it is not.", nil, nil)
	stateRevocations = prometheus.NewDesc("caddy_tokenidp_state_revocations",
		"Revocations in force in this server.", nil, nil)
	stateWarnings = prometheus.NewDesc("caddy_tokenidp_state_warnings",
		"Dangers in the set-up of the shared state, and parts of it that cannot be read, as `caddy tokenidp status` tells them.", nil, nil)
	stateRefused = prometheus.NewDesc("caddy_tokenidp_state_identifiers_refused_total",
		"Single-use identifiers refused: replayed, for they were used before, or unavailable, for that could not be told.", []string{"cause"}, nil)
)

func (m stateMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{stateSynced, stateInOrder, stateRevocations, stateWarnings, stateRefused} {
		descriptions <- d
	}
}

func (m stateMetrics) Collect(samples chan<- prometheus.Metric) {
	h := m.state.Health()
	var synced, inOrder float64
	if !h.LastSync.IsZero() {
		synced = float64(h.LastSync.Unix())
	}
	if h.Synced && h.Problem == "" {
		inOrder = 1
	}
	for description, value := range map[*prometheus.Desc]float64{
		stateSynced: synced, stateInOrder: inOrder,
		stateRevocations: float64(h.Revocations), stateWarnings: float64(len(h.Warnings)),
	} {
		samples <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value)
	}
	samples <- prometheus.MustNewConstMetric(stateRefused, prometheus.CounterValue, float64(h.Replayed), "replayed")
	samples <- prometheus.MustNewConstMetric(stateRefused, prometheus.CounterValue, float64(h.Unavailable), "unavailable")
}

var _ prometheus.Collector = stateMetrics{}
