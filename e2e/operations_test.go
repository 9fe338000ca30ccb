package e2e

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// The alarms of docs/operations.md are about metrics that there are, with labels that
// they have, and no metric is without one.
func TestAlarmsAreAboutMetricsThatExist(t *testing.T) {
	t.Parallel()
	shown := metricsOfEverything(t)
	used := make(map[string]bool)
	for _, expression := range alarms(t) {
		for _, match := range regexp.MustCompile(`(caddy_tokenidp_[a-z_]+)(?:\{([a-z_]+)=)?`).FindAllStringSubmatch(expression, -1) {
			used[match[1]] = true
			if !slices.ContainsFunc(shown[match[1]], func(sample string) bool { return match[2] == "" || strings.Contains(sample, match[2]+`="`) }) {
				t.Errorf("/metrics has no %s with a label %q, as in %s", match[1], match[2], expression)
			}
		}
	}
	for name := range shown {
		if !used[name] {
			t.Errorf("there is no alarm about %s", name)
		}
	}
	if len(used) == 0 {
		t.Error("there are no alarms")
	}
}

// alarms are the expressions of all rules.
func alarms(t *testing.T) (expressions []string) {
	t.Helper()
	for _, b := range blocks(read(t, "../docs/operations.md")) {
		if b.kind != "yml" {
			continue
		}
		var file struct {
			Groups []struct {
				Name  string
				Rules []struct{ Alert, Expr, For string }
			}
		}
		decoder := yaml.NewDecoder(strings.NewReader(b.text))
		decoder.KnownFields(true)
		if err := decoder.Decode(&file); err != nil {
			t.Fatal(err)
		}
		for _, group := range file.Groups {
			for _, rule := range group.Rules {
				if group.Name == "" || rule.Alert == "" || rule.Expr == "" {
					t.Errorf("half a rule: %+v", rule)
				}
				expressions = append(expressions, rule.Expr)
			}
		}
	}
	return expressions
}

// metricsOfEverything are the samples of all metrics of a Caddy that was asked for
// everything once, by name.
func metricsOfEverything(t *testing.T) map[string][]string {
	t.Helper()
	c := start(t, strings.Replace(shopOptions, "\ttokenidp {", "\ttokenidp {\n\t\ttrust https://login.example.com {\n\t\t\taudience orders-api\n\t\t\tjwks_file keys.json\n\t\t}", 1)+`
localhost:5001 {
	tokenidp
	handle /orders {
		verify orders.read {
			issuer https://localhost:5001
		}
		respond fine
	}
}
`, options{files: map[string]string{"applications.yaml": shopApplications, "keys.json": keySet(t, jwkOf(attackerKey(), "1", nil))}})
	const form = "Content-Type: application/x-www-form-urlencoded"
	c.do(http.MethodGet, "https://localhost:5001/orders", "", bearer(c.token("reader", "orders.read")))
	for _, path := range []string{"/token", "/revoke", "/introspect"} {
		c.do(http.MethodPost, "https://localhost:5001"+path, "grant_type=client_credentials&token=x", form)
	}
	shown := make(map[string][]string)
	for line := range strings.Lines(c.metrics()) {
		if name, _, ok := strings.Cut(line, " "); ok && strings.HasPrefix(name, "caddy_tokenidp_") {
			name, _, _ = strings.Cut(name, "{")
			shown[name] = append(shown[name], line)
		}
	}
	return shown
}
