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
	flood := func() { // within the minute of which they are joined
		client := c.client()
		for range each {
			send(t, client, c.request(http.MethodGet, "https://localhost:5001/orders", ""))
			for _, endpoint := range []string{"/token", "/introspect", "/revoke"} {
				send(t, client, c.request(http.MethodPost, "https://localhost:5001"+endpoint, "", "Content-Type: text/plain"))
			}
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
