package e2e

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const reported = `
	handle /orders {
		verify orders.read
		respond fine
	}
	handle /stock {
		verify stock.read {
			report_only
		}
		respond fine
	}
`

// After Caddy has refused a configuration, commands and metrics speak for the one that
// serves, although Caddy's admin endpoint is the refused one's from then on.
func TestCommandsSpeakForTheConfigurationThatServes(t *testing.T) {
	t.Parallel()
	c := startShop(t, reported)
	busy, err := net.Listen("tcp", ":"+c.ports.free["5003"])
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	good := read(t, filepath.Join(c.dir, "Caddyfile"))
	c.do(http.MethodGet, "https://localhost:5001/stock", "", bearer(c.token("reader", "orders.read")))
	issued := 1
	for i, mistake := range []struct{ config, says string }{
		{strings.Replace(good, "orders.read", "orders.raed", 1), "unknown scope"},
		{c.url("{\n\tskip_install_trust\n}\nlocalhost:5001 {\n\tverify orders.read\n}\n"), "no issuer is configured"},
		{good + c.url(":5003 {\n\trespond busy\n}\n"), "address already in use"},
		{strings.Replace(good, "applications.yaml", "broken.yaml", 1), "broken.yaml"},
	} {
		c.rewrite("broken.yaml", "applications: 7")
		c.rewrite("Caddyfile", mistake.config)
		if output, code := c.tryReload(); code == 0 || !strings.Contains(output, mistake.says) {
			t.Fatalf("%s: reload: %d\n%s", mistake.says, code, output)
		}
		active := 4 - i%2
		c.rewrite("applications.yaml", []string{shopApplications, strings.Replace(shopApplications, "client_id: reader", "client_id: reader\n    active: false", 1)}[i%2])
		output, code := c.ctl("status")
		c.eventually("the change of Applications in status", func() bool {
			output, code = c.ctl("status")
			return strings.Contains(output, fmt.Sprintf("%d active, %d inactive", active, 5-active))
		})
		if code != 0 || !strings.Contains(output, "RELOAD FAILED") || !strings.Contains(output, "what serves is in order") {
			t.Errorf("%s: status: %d\n%s", mistake.says, code, output)
		}
		c.token("orders-worker", "orders.read")
		issued++
		c.speaksForWhatServes(mistake.says, active, issued)
	}
	c.rewrite("Caddyfile", good)
	for _, flags := range [][]string{nil, {"--force"}} {
		if output, code := c.tryReload(flags...); code != 0 {
			t.Fatalf("reload %v: %d\n%s", flags, code, output)
		}
		c.token("orders-worker", "orders.read")
		issued++
		c.speaksForWhatServes(fmt.Sprint("after reload ", flags), 3, issued)
	}
	if output, code := c.ctl("status"); code != 0 || !strings.Contains(output, "all is in order") || strings.Contains(output, "RELOAD") {
		t.Errorf("after a forced reload: %d\n%s", code, output)
	}
}

// speaksForWhatServes looks at report, access, keys and metrics.
func (c *caddy) speaksForWhatServes(when string, active, issued int) {
	c.t.Helper()
	if output, code := c.ctl("report"); code == 0 || !strings.Contains(output, "wrong_audience") {
		c.t.Errorf("%s: report: %d\n%s", when, code, output)
	}
	if output, code := c.ctl("access"); code != 0 || strings.Count(output, "Caddyfile:") < 2 {
		c.t.Errorf("%s: access: %d\n%s", when, code, output)
	}
	issuer := `{issuer="` + c.url("https://localhost:5001") + `"`
	metrics := c.administer(http.MethodGet, "/metrics", "").body
	for _, want := range []string{
		"caddy_tokenidp_tokens_issued_total" + issuer + "} " + strconv.Itoa(issued),
		"caddy_tokenidp_applications" + issuer + `,state="active"} ` + strconv.Itoa(active),
		"caddy_tokenidp_keys_in_order" + issuer + "} 1",
		"caddy_tokenidp_state_in_order 1",
		`caddy_tokenidp_verifications_total{reason="wrong_audience",result="reported"} 1`,
	} {
		if !strings.Contains(metrics, "\n"+want+"\n") {
			c.t.Errorf("%s: no %s in the metrics:\n%s", when, want, metrics)
		}
	}
	output, code := c.ctl("keys", "rotate", "--now")
	made := regexp.MustCompile(`20\d\d-\d\d-\d\d\.\d{6}`).FindString(output)
	if code != 0 || !slices.Contains(c.kids(), made) {
		c.t.Errorf("%s: keys rotate: %d\n%s", when, code, output)
	}
}

// tryReload has Caddy load its Caddyfile again.
func (c *caddy) tryReload(flags ...string) (output string, code int) {
	c.t.Helper()
	c.eventually("the admin endpoint", func() bool { // see administer
		cmd := caddyCommand(c.dir, c.home, c.admin, append([]string{"reload", "--config", "Caddyfile"}, flags...)...)
		printed, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState == nil {
			c.t.Fatal(err)
		}
		output, code = string(printed), cmd.ProcessState.ExitCode()
		return !strings.Contains(output, "EOF") && !strings.Contains(output, "connection reset")
	})
	return output, code
}
