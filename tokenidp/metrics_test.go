package tokenidp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// samples are the values of the metrics, by name and labels.
func samples(t *testing.T, m *metrics) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m.collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]float64)
	for _, f := range families {
		for _, sample := range f.GetMetric() {
			found[fmt.Sprint(f.GetName(), sample.GetLabel())] = sample.GetCounter().GetValue()
		}
	}
	return found
}

// Whatever is counted adds to a series that was there before, with 0.
func TestEverySeriesIsThereBeforeItsFirstEvent(t *testing.T) {
	t.Parallel()
	m := newMetrics()
	m.beginIssuer("https://a.example")
	before := samples(t, m)
	for series, value := range before {
		if value != 0 {
			t.Errorf("%s begins with %v", series, value)
		}
	}
	m.tokenIssued("https://a.example")
	m.revocation("https://a.example", "revoked", "")
	m.revocation("https://a.example", "nothing_to_revoke", "")
	m.introspection("https://a.example", "active", "")
	m.introspection("https://a.example", "inactive", string(oauth.ReasonNotPermitted))
	for _, reason := range oauth.Reasons() {
		m.tokenRefused("https://a.example", reason)
		m.revocation("https://a.example", "refused", reason)
		m.introspection("https://a.example", "refused", string(reason))
	}
	m.requestAllowed()
	for _, reason := range verifier.Reasons() {
		m.requestRefused(reason)
		m.requestReported(reason)
		m.introspection("https://a.example", "inactive", string(reason))
	}
	for series, value := range samples(t, m) {
		if _, found := before[series]; !found || value == 0 {
			t.Errorf("%s: %v; it was there before: %t", series, value, found)
		}
	}
	m.endIssuer("https://a.example")
	for series := range samples(t, m) {
		if strings.Contains(series, "https://a.example") {
			t.Errorf("%s is left of an issuer that is gone", series)
		}
	}
}
