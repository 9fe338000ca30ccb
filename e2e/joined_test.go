package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// A flood of equal refusals is a few lines in the log, and one that counts the others.
// A configuration reload and a stop write it. The metrics count each.
func TestEqualRefusalsAreJoinedInTheLog(t *testing.T) {
	t.Parallel()
	c := startShop(t, "\thandle /orders {\n\t\tverify orders.read\n\t\trespond fine\n\t}")
	const each = 40
	flood := func() {
		for range each {
			c.do(http.MethodGet, "https://localhost:5001/orders", "")
			c.do(http.MethodPost, "https://localhost:5001/token", "", "Content-Type: text/plain")
			c.do(http.MethodPost, "https://localhost:5001/introspect", "", "Content-Type: text/plain")
			c.do(http.MethodPost, "https://localhost:5001/revoke", "", "Content-Type: text/plain")
		}
	}
	check := func(log string) {
		t.Helper()
		for _, message := range []string{"request refused", "token refused", "introspection refused", "revocation refused"} {
			if n := strings.Count(log, `"msg":"`+message+`"`); n != 11 || !strings.Contains(log, `"msg":"`+message+`","joined":30,"since":`) {
				t.Errorf("%d lines %s", n, message)
			}
		}
	}
	flood()
	if metrics := c.metrics(); !strings.Contains(metrics, `caddy_tokenidp_verifications_total{reason="no_token",result="refused"} 40`) {
		t.Error("the metrics do not count each")
	}
	reload := c.administer(http.MethodPost, "/load", strings.Replace(c.adapted(), `"Caddyfile:`, `"again/Caddyfile:`, 1), "Content-Type: application/json")
	if reload.StatusCode != http.StatusOK {
		t.Fatalf("reload: %d %s", reload.StatusCode, reload.body)
	}
	c.eventually("the joined lines", func() bool { return strings.Count(c.logged(), `"joined":30`) == 4 })
	before := len(c.logged())
	check(c.logged())
	flood()
	c.stop()
	check(c.logged()[before:])
}
