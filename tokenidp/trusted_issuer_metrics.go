package tokenidp

import "github.com/prometheus/client_golang/prometheus"

// trustedMetrics tell of the keys of the trusted issuers, as they are when they are
// asked for. The one label is the issuer's URL in the configuration.
type trustedMetrics struct{ trusted []*TrustedIssuer }

var (
	trustedKeys = prometheus.NewDesc("caddy_tokenidp_trusted_keys",
		"Keys of a trusted issuer that verify its tokens; 0 before the first fetch, and when they are too old.", []string{"issuer"}, nil)
	trustedConfirmed = prometheus.NewDesc("caddy_tokenidp_trusted_keys_confirmed_timestamp_seconds",
		"When a trusted issuer last confirmed its keys; 0 for never.", []string{"issuer"}, nil)
	trustedInOrder = prometheus.NewDesc("caddy_tokenidp_trusted_keys_in_order",
		"1 while the keys of a trusted issuer can be read, 0 before the first time and while they cannot.", []string{"issuer"}, nil)
)

func (m trustedMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- trustedKeys
	descriptions <- trustedConfirmed
	descriptions <- trustedInOrder
}

func (m trustedMetrics) Collect(samples chan<- prometheus.Metric) {
	for _, t := range m.trusted {
		var keys, confirmed, inOrder float64
		h := t.keys.Health()
		if !h.Expired {
			keys = float64(h.Keys)
		}
		if !h.LastSuccess.IsZero() {
			confirmed = float64(h.LastSuccess.Unix())
		}
		if h.Keys > 0 && !h.Stale && !h.Expired {
			inOrder = 1
		}
		for description, value := range map[*prometheus.Desc]float64{trustedKeys: keys, trustedConfirmed: confirmed, trustedInOrder: inOrder} {
			samples <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, t.Issuer)
		}
	}
}

var _ prometheus.Collector = trustedMetrics{}
