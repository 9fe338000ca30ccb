package tokenidp

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// issuerMetrics are the gauges of the issuers, as they are when they are asked for. The
// labels are the issuer's URL in the configuration, and a state of a few.
type issuerMetrics struct{ issuers []*Issuer }

var (
	issuerApplications = prometheus.NewDesc("caddy_tokenidp_applications",
		"Applications in force, by state: active or inactive.", []string{"issuer", "state"}, nil)
	issuerApplicationsInOrder = prometheus.NewDesc("caddy_tokenidp_applications_in_order",
		"1 while every file of Applications is in force as it is, 0 while one is broken or does not fit.", []string{"issuer"}, nil)
	issuerKeysInOrder = prometheus.NewDesc("caddy_tokenidp_keys_in_order",
		"1 while the signing keys can be read and rotated, 0 while the storage fails.", []string{"issuer"}, nil)
	issuerSecrets = prometheus.NewDesc("caddy_tokenidp_secrets",
		"Secrets of active Applications, by state: valid, expiring (within 30 days) or expired.", []string{"issuer", "state"}, nil)
)

func (m issuerMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{issuerApplications, issuerApplicationsInOrder, issuerKeysInOrder, issuerSecrets} {
		descriptions <- d
	}
}

func (m issuerMetrics) Collect(samples chan<- prometheus.Metric) {
	for _, iss := range m.issuers {
		gauge := func(d *prometheus.Desc, value float64, state ...string) {
			samples <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{iss.Issuer}, state...)...)
		}
		if h := iss.keys.Health(); h.Checked {
			gauge(issuerKeysInOrder, oneIf(h.Problem == ""))
		}
		if iss.library == nil {
			continue
		}
		gauge(issuerApplicationsInOrder, oneIf(iss.library.Health().InOrder))
		set := iss.applications.Load()
		active, inactive := set.CountActive()
		gauge(issuerApplications, float64(active), "active")
		gauge(issuerApplications, float64(inactive), "inactive")
		for validity, count := range set.CountSecrets(time.Now()) {
			gauge(issuerSecrets, float64(count), string(validity))
		}
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

var _ prometheus.Collector = issuerMetrics{}
