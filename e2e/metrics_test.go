package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// The metrics pass Prometheus' own check, and what callers send makes no series.
func TestMetricsAreInOrder(t *testing.T) {
	t.Parallel()
	c := start(t, auditedShop, options{files: map[string]string{"applications.yaml": shopApplications}})
	series := func() (own []string) {
		for line := range strings.Lines(c.metrics()) {
			if strings.HasPrefix(line, "caddy_tokenidp_") {
				own = append(own, line[:strings.LastIndexByte(line, ' ')])
			}
		}
		return own
	}
	before := series()
	token := c.token("orders-worker", "orders.write")
	for i := range 100 {
		c.do(http.MethodGet, fmt.Sprintf("https://localhost:5001/orders/%d?q=%d", i, i), "", fmt.Sprintf("Authorization: Bearer %s%d", token, i))
		c.do("ODD"+fmt.Sprint(i), fmt.Sprintf("https://localhost:5001/orders/%d", i), "", "Authorization: Bearer "+token)
		c.do(http.MethodPost, "https://localhost:5001/token", fmt.Sprintf("grant_type=odd%d&client_id=odd%d&client_secret=odd%d&scope=odd%d", i, i, i, i), "Content-Type: application/x-www-form-urlencoded")
	}
	if after := series(); len(after) != len(before) {
		t.Errorf("%d series, before %d:\n%s", len(after), len(before), strings.Join(after, "\n"))
	}
	check := exec.Command("promtool", "check", "metrics")
	var own strings.Builder // Caddy's are its own
	for line := range strings.Lines(c.metrics()) {
		if strings.Contains(line, "caddy_tokenidp_") {
			own.WriteString(line)
		}
	}
	check.Stdin = strings.NewReader(own.String())
	if output, err := check.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, output)
	}
	for _, want := range []string{
		`caddy_tokenidp_verify_duration_seconds_count `, `caddy_tokenidp_token_request_duration_seconds_count{issuer="` + c.url("https://localhost:5001") + `",phase="sign"} 1`,
		`caddy_tokenidp_route_requests_total{result="allowed",route="` + c.url("localhost:5001/orders*") + `"} 1`,
		`caddy_tokenidp_client_requests_total{client_id="orders-worker",issuer="` + c.url("https://localhost:5001") + `",result="allowed"} 1`,
		`caddy_tokenidp_client_tokens_issued_total{client_id="reader",issuer="` + c.url("https://localhost:5001") + `"} 0`,
		`caddy_tokenidp_audit_lines_lost_total 0`, `caddy_tokenidp_build_info{`, `caddy_tokenidp_signatures_verified_total{`,
		`caddy_tokenidp_state_duration_seconds_count{operation="once"} 0`, `caddy_tokenidp_key_created_timestamp_seconds{`,
	} {
		if !strings.Contains(own.String(), "\n"+want) {
			t.Errorf("there is no %s:\n%s", want, own.String())
		}
	}
}
