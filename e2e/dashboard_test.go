package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/testport"
)

// A real Prometheus that scrapes a real Caddy has data for every query of the dashboard and
// of the alarms.
func TestDashboardShowsData(t *testing.T) {
	t.Parallel()
	shop := strings.Replace(auditedShop, "\ttokenidp {", "\ttokenidp {\n\t\ttrust https://login.example.com {\n\t\t\taudience orders-api\n\t\t\tjwks_file keys.json\n\t\t}", 1)
	shop = strings.ReplaceAll(shop, "verify orders.write", "verify orders.write {\n\t\t\tissuer https://localhost:5001\n\t\t}")
	shop = strings.ReplaceAll(shop, "report_only", "issuer https://localhost:5001\n\t\t\treport_only")
	c := start(t, shop, options{files: map[string]string{
		"applications.yaml": strings.Replace(shopApplications, `{id: "1", `, `{id: "1", expires: 2099-12-31, `, 1),
		"keys.json":         keySet(t, jwkOf(attackerKey(), "1", nil)),
	}})
	bearer := "Authorization: Bearer " + c.token("orders-worker", "orders.write")
	for range 3 {
		c.do(http.MethodGet, "https://localhost:5001/orders", "", bearer)
		c.do(http.MethodGet, "https://localhost:5001/orders", "")
	}
	address := startPrometheus(t, c)
	query := func(expression string) (found bool) {
		var answer struct {
			Data struct{ Result []any }
		}
		getJSON(t, address+"/api/v1/query?query="+url.QueryEscape(expression), &answer)
		return len(answer.Data.Result) > 0
	}
	c.eventually("Prometheus has two samples of every series", func() bool { return query("min(sum_over_time(up[1m])) > 2") })
	for title, expression := range dashboard(t) {
		if expression = strings.ReplaceAll(expression, "$__rate_interval", "1m"); !query(expression) {
			t.Errorf("%s: there is no data for %s", title, expression)
		}
	}
	selector := regexp.MustCompile(`(?:up|caddy_[a-z_]+)(?:\{[^}]*\})?`)
	for name, expression := range alarms(t) {
		for _, selected := range selector.FindAllString(expression, -1) {
			if !query(selected) {
				t.Errorf("%s: there is no data for %s", name, selected)
			}
		}
	}
	type rule struct{ Name, Health, LastError string }
	var rules struct {
		Data struct {
			Groups []struct{ Rules []rule }
		}
	}
	c.eventually("all alarms were evaluated", func() bool {
		getJSON(t, address+"/api/v1/rules", &rules)
		return len(rules.Data.Groups) == 1 && !slices.ContainsFunc(rules.Data.Groups[0].Rules, func(r rule) bool { return r.Health == "unknown" })
	})
	for _, rule := range rules.Data.Groups[0].Rules {
		if rule.Health != "ok" {
			t.Errorf("%s: %s %s", rule.Name, rule.Health, rule.LastError)
		}
	}
}

// startPrometheus starts one that scrapes the Caddy every second, with the alarms.
func startPrometheus(t *testing.T, c *caddy) (address string) {
	t.Helper()
	rules, err := filepath.Abs(monitoring + "rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir, listen := t.TempDir(), "127.0.0.1:"+testport.Free(t)
	write(t, filepath.Join(dir, "prometheus.yaml"), fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs: [{job_name: caddy, static_configs: [{targets: [%q]}]}]
`, rules, c.admin))
	prometheus := exec.Command("prometheus", "--config.file", filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", listen)
	if err := prometheus.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		prometheus.Process.Kill()
		prometheus.Wait()
	})
	c.eventually("Prometheus is ready", func() bool {
		response, err := http.Get("http://" + listen + "/-/ready")
		if err == nil {
			response.Body.Close()
		}
		return err == nil && response.StatusCode == http.StatusOK
	})
	return "http://" + listen
}

func getJSON(t *testing.T, url string, answer any) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, response.Status, err)
	}
}

// dashboard returns the queries of all panels by their titles.
func dashboard(t *testing.T) map[string]string {
	t.Helper()
	var file struct {
		Panels []struct {
			ID          int
			Type, Title string
			Targets     []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, monitoring+"dashboard.json")), &file); err != nil {
		t.Fatal(err)
	}
	queries, ids := make(map[string]string), make(map[int]bool)
	for _, panel := range file.Panels {
		if ids[panel.ID] || panel.Title == "" || panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("half a panel: %+v", panel)
		}
		ids[panel.ID] = true
		for i, target := range panel.Targets {
			queries[fmt.Sprint(panel.Title, " ", i)] = target.Expr
		}
	}
	if len(queries) == 0 {
		t.Error("the dashboard shows nothing")
	}
	return queries
}
