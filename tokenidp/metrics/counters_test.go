package metrics

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// samples are the values of the metrics, by name and labels.
func samples(t *testing.T, m *Counters) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]float64)
	for _, f := range families {
		for _, sample := range f.GetMetric() {
			found[fmt.Sprint(f.GetName(), sample.GetLabel())] = sample.GetCounter().GetValue() + float64(sample.GetHistogram().GetSampleCount())
		}
	}
	return found
}

// Whatever is counted adds to a series that was there before, with 0.
func TestEverySeriesIsThereBeforeItsFirstEvent(t *testing.T) {
	t.Parallel()
	m := NewCounters()
	m.BeginIssuer("https://a.example")
	before := samples(t, m)
	for series, value := range before {
		if value != 0 {
			t.Errorf("%s begins with %v", series, value)
		}
	}
	m.TokenIssued("https://a.example")
	m.Revocation("https://a.example", "revoked", "")
	m.Revocation("https://a.example", "nothing_to_revoke", "")
	m.Introspection("https://a.example", "active", "")
	m.Introspection("https://a.example", "inactive", string(oauth.ReasonNotPermitted))
	for _, reason := range oauth.Reasons() {
		m.TokenRefused("https://a.example", reason)
		m.Revocation("https://a.example", "refused", reason)
		m.Introspection("https://a.example", "refused", string(reason))
	}
	m.VerifyDuration.Observe(1)
	for _, phase := range []string{WholeRequest, Authenticate, Sign} {
		m.TokenDuration("https://a.example", phase).Observe(1)
	}
	for _, operation := range []string{"once", "take", "revoke"} {
		m.StateDuration(operation).Observe(1)
	}
	m.RequestAllowed()
	for _, reason := range verifier.Reasons() {
		m.RequestRefused(reason)
		m.RequestReported(reason)
		m.Introspection("https://a.example", "inactive", string(reason))
	}
	for series, value := range samples(t, m) {
		if _, found := before[series]; !found || value == 0 {
			t.Errorf("%s: %v; it was there before: %t", series, value, found)
		}
	}
	m.EndIssuer("https://a.example")
	for series := range samples(t, m) {
		if strings.Contains(series, "https://a.example") {
			t.Errorf("%s is left of an issuer that is gone", series)
		}
	}
}
