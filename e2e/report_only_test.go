package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

const reporting = `
	handle /orders* {
		verify orders.read {
			report_only
			claim_header X-Client-Id client_id
		}
		@writer token_scope orders.write
		respond @writer "writer {header.X-Client-Id} {header.Authorization}"
		respond "{header.X-Client-Id}|{header.Authorization}|{http.tokenidp.reason}"
	}
`

type reportRow struct {
	ClientID string `json:"client_id"`
	Reason   string
	Times    int
	Path     string
	ClientIP string `json:"client_ip"`
}

// report is what a route with report_only has seen, by client and reason.
func (c *caddy) report() (passed int, rows map[string]reportRow) {
	c.t.Helper()
	var all []struct {
		Route       string
		Source      string
		Passed      int
		WouldRefuse []reportRow `json:"would_refuse"`
	}
	a := c.administer(http.MethodGet, "/tokenidp/report", "")
	if err := json.Unmarshal([]byte(a.body), &all); err != nil || len(all) != 1 || all[0].Route != c.url("localhost:5001/orders*") || !strings.Contains(all[0].Source, "Caddyfile:") {
		c.t.Fatalf("report: %v %s", err, a.body)
	}
	rows = make(map[string]reportRow)
	for _, row := range all[0].WouldRefuse {
		rows[row.ClientID+" "+row.Reason] = row
	}
	return all[0].Passed, rows
}

// Nobody is refused, nothing of a request changes but forged claim headers, and
// who would be refused is known, by Application and reason, over a reload.
func TestReportOnlyTellsWhomEnforcementWouldHit(t *testing.T) {
	t.Parallel()
	c := startShop(t, reporting)
	if output, code := c.ctl("report"); code != 0 || !strings.Contains(output, "nobody would be refused") {
		t.Errorf("before: %d\n%s", code, output)
	}
	writer, reader, stock := c.token("orders-worker", "orders.read orders.write"), c.token("reader", "orders.read"), c.token("orders-worker", "stock.read")
	for _, row := range []struct{ authorization, want string }{
		{"Bearer " + writer, "writer orders-worker Bearer " + writer},
		{"Bearer " + reader, "reader|Bearer " + reader + "|{http.tokenidp.reason}"},
		{"Bearer " + stock, "|Bearer " + stock + "|wrong_audience"},
		{"Bearer x.y.z", "|Bearer x.y.z|malformed_token"},
		{"Basic eDp5", "|Basic eDp5|no_token"},
	} {
		for range 2 {
			a := c.do(http.MethodGet, "https://localhost:5001/orders/7", "", "Authorization: "+row.authorization, "X-Client-Id: forged", "X_Client_Id: forged")
			if a.StatusCode != http.StatusOK || a.body != row.want || a.Header.Get("Www-Authenticate") != "" {
				t.Errorf("%.20s: %d %q, want %q", row.authorization, a.StatusCode, a.body, row.want)
			}
		}
	}
	check := func() {
		t.Helper()
		passed, rows := c.report()
		if r := rows["orders-worker wrong_audience"]; passed != 4 || len(rows) != 3 || r.Times != 2 || r.Path != "/orders/7" || r.ClientIP != "127.0.0.1" {
			t.Errorf("%d passed, refused %+v", passed, rows)
		}
		if rows[" no_token"].Times != 2 || rows[" malformed_token"].Times != 2 {
			t.Errorf("refused %+v", rows)
		}
	}
	check()
	if metrics := c.metrics(); !strings.Contains(metrics, `caddy_tokenidp_verifications_total{reason="wrong_audience",result="reported"}`) {
		t.Errorf("metrics:\n%s", metrics)
	}
	c.reload()
	check()
	output, code := c.ctl("report")
	if code == 0 || !strings.Contains(output, "orders-worker") || !strings.Contains(output, "wrong_audience") || !strings.Contains(output, "(no valid token)") {
		t.Errorf("report: %d\n%s", code, output)
	}
	if strings.Contains(output, stock) || strings.Contains(c.logged(), stock[:40]) {
		t.Error("a token is shown")
	}
	if log := c.entries("request would be refused"); log[0]["reason"] != "wrong_audience" {
		t.Errorf("the log says %v", log[0])
	}
	c.entries("report_only: this route lets every request through; take it away to enforce, once `caddy tokenidp report` says whom that hits")
}

// A verify behind one that only reports enforces.
func TestReportOnlyDoesNotWeakenTheNextVerify(t *testing.T) {
	t.Parallel()
	c := startShop(t, "\troute /orders* {\n\t\tverify orders.read {\n\t\t\treport_only\n\t\t}\n\t\tverify orders.write\n\t\trespond fine\n\t}")
	for token, want := range map[string]int{"": http.StatusUnauthorized, c.token("reader", "orders.read"): http.StatusForbidden, c.token("orders-worker", "orders.read orders.write"): http.StatusOK} {
		if a := c.get("https://localhost:5001/orders", token); token != "" && a.StatusCode != want {
			t.Errorf("status %d, want %d", a.StatusCode, want)
		}
	}
	if a := c.do(http.MethodGet, "https://localhost:5001/orders", ""); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", a.StatusCode)
	}
}
