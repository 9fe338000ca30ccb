package tokenidp

import "github.com/prometheus/client_golang/prometheus"

// serving are the Apps that run. The admin API and the metrics speak for the latest one.
// Caddy replaces its admin endpoint before it provisions a configuration, and does not go
// back if that is refused. So the App of the configuration that answers there may be one
// that never runs.
var serving succession[App]

// reloadFailed reports whether Caddy has refused the configuration that was loaded last.
func reloadFailed(registry prometheus.Gatherer) bool {
	families, _ := registry.Gather() // after an error, of all that could be collected
	for _, f := range families {
		if f.GetName() == "caddy_config_last_reload_successful" && len(f.GetMetric()) == 1 {
			return f.GetMetric()[0].GetGauge().GetValue() == 0
		}
	}
	return false
}
