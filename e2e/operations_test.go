package e2e

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const monitoring = "../examples/monitoring/"

// The alarms are about metrics that there are before anybody asks for anything, with
// labels that they have, and no metric is without one.
func TestAlarmsAreAboutMetricsThatExist(t *testing.T) {
	t.Parallel()
	shown := metricsAtStart(t)
	used := make(map[string]bool)
	for _, expression := range alarms(t) {
		for _, match := range regexp.MustCompile(`(caddy_tokenidp_[a-z_]+)(?:\{([a-z_]+)=~?"(\w+))?`).FindAllStringSubmatch(expression, -1) {
			used[match[1]] = true
			if !slices.ContainsFunc(shown[match[1]], func(sample string) bool {
				return match[2] == "" || strings.Contains(sample, match[2]+`="`+match[3]+`"`)
			}) {
				t.Errorf("/metrics has no %s with %s %q, as in %s", match[1], match[2], match[3], expression)
			}
		}
	}
	dashboard := read(t, monitoring+"dashboard.json")
	for name := range shown {
		name = regexp.MustCompile("_(count|sum)$").ReplaceAllString(name, "_bucket") // of a histogram
		if !used[name] && !strings.Contains(dashboard, name) && name != "caddy_tokenidp_build_info" {
			t.Errorf("there is no alarm about %s, and the dashboard does not show it", name)
		}
	}
	if len(used) == 0 {
		t.Error("there are no alarms")
	}
}

// alarms are the expressions of all rules, by their names.
func alarms(t *testing.T) map[string]string {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For string
				Labels           struct{ Severity string }
				Annotations      struct {
					Summary string
					Runbook string `yaml:"runbook_url"`
				}
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(read(t, monitoring+"rules.yaml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	expressions := make(map[string]string)
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if group.Name == "" || rule.Alert == "" || rule.Expr == "" {
				t.Errorf("half a rule: %+v", rule)
			}
			section := "\n## " + rule.Alert + "\n\n`" + rule.Labels.Severity + "`: `" + rule.Expr + "`"
			if rule.For != "" {
				section += ", for " + rule.For
			}
			if !strings.Contains(read(t, "../docs/alarms.md"), section+".\n") {
				t.Errorf("docs/alarms.md has no section%s", section)
			}
			const documents = "https://github.com/tokenidp/caddy-tokenidp/blob/main/docs/"
			if rule.Annotations.Summary == "" || rule.Annotations.Runbook != documents+"alarms.md#"+strings.ToLower(rule.Alert) {
				t.Errorf("%s: %+v", rule.Alert, rule.Annotations)
			}
			expressions[rule.Alert] = rule.Expr
		}
	}
	return expressions
}

// Prometheus' own tool simulates a situation for each alarm, in which it fires and the
// others do not. docs/alarms.md has a section for each.
func TestEachAlarmFiresInItsSituationAlone(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"check", "config", "prometheus.yaml"}, {"test", "rules", "rules_test.yaml"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = monitoring
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, output)
		}
	}
	tests := read(t, monitoring+"rules_test.yaml")
	for name := range alarms(t) {
		if !strings.Contains(tests, `exp_samples: [{labels: '{alertname="`+name+`"}', value: 1}]`) {
			t.Errorf("rules_test.yaml has no situation in which %s alone fires", name)
		}
	}
}

// metricsAtStart are the samples of all metrics of a Caddy that was asked for nothing
// yet, by name.
func metricsAtStart(t *testing.T) map[string][]string {
	t.Helper()
	c := start(t, strings.Replace(shopOptions, "\ttokenidp {", "\ttokenidp {\n\t\taudit {\n\t\t\toutput discard\n\t\t}\n\t\ttrust https://login.example.com {\n\t\t\taudience orders-api\n\t\t\tjwks_file keys.json\n\t\t}", 1)+`
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
	shown := make(map[string][]string)
	for line := range strings.Lines(c.metrics()) {
		if name, _, ok := strings.Cut(line, " "); ok && strings.HasPrefix(name, "caddy_tokenidp_") {
			name, _, _ = strings.Cut(name, "{")
			shown[name] = append(shown[name], line)
		}
	}
	return shown
}
