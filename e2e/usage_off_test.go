package e2e

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// With usage off, a server counts nothing, writes nothing, and says so. A reload turns it on
// and off.
func TestUsageOff(t *testing.T) {
	t.Parallel()
	const on = shopOptions + "localhost:5001 {\n\ttokenidp\n\thandle /orders* {\n\t\tverify orders.read\n\t\trespond fine\n\t}\n}\n"
	off := strings.Replace(on, "\ttokenidp {\n", "\ttokenidp {\n\t\tusage off\n", 1)
	c := start(t, off, options{files: map[string]string{"applications.yaml": shopApplications}})
	c.call()
	c.countsNothing()
	if found, err := filepath.Glob(filepath.Join(c.home, ".local/share/caddy/tokenidp/usage-*")); err != nil || len(found) > 0 {
		t.Errorf("the storage has %v, %v", found, err)
	}
	c.rewrite("Caddyfile", c.ports.replace(on))
	if output, code := c.tryReload(); code != 0 {
		t.Fatal(output)
	}
	c.call()
	if u := c.usage(); len(u.Routes[0].Callers) != 1 || u.Routes[0].Callers[0].Times != 1 {
		t.Errorf("after a reload that turns it on: %+v", u)
	}
	c.rewrite("Caddyfile", c.ports.replace(off))
	if output, code := c.tryReload(); code != 0 {
		t.Fatal(output)
	}
	c.call()
	c.countsNothing()
}

// call is a request that passes.
func (c *caddy) call() {
	c.t.Helper()
	if a := c.get("https://localhost:5001/orders", c.token("reader", "orders.read")); a.StatusCode != http.StatusOK {
		c.t.Fatalf("%d %s", a.StatusCode, a.body)
	}
}

// countsNothing checks what a server with usage off says.
func (c *caddy) countsNothing() {
	c.t.Helper()
	for _, args := range [][]string{{"usage"}, {"usage", "--storms", "--json"}, {"report", "--enforced"}} {
		if output, code := c.ctl(args...); code != 2 || !containsAll(output, "counts no usage", "usage off") {
			c.t.Errorf("%s: %d\n%s", args, code, output)
		}
	}
	if output, code := c.ctl("secrets"); code != 0 || !strings.Contains(output, "reader") {
		c.t.Errorf("secrets: %d\n%s", code, output)
	}
	if body := c.administer(http.MethodGet, "/tokenidp/status-page", "").body; !containsAll(body, ">All in order</h1>", "<code>usage off</code>") {
		c.t.Errorf("the page: %s", body)
	}
	if all := c.metrics(); strings.Contains(all, "caddy_tokenidp_route_requests_total{") || !strings.Contains(all, "caddy_tokenidp_tokens_issued_total{") {
		c.t.Error("there are metrics of usage, or none at all")
	}
}
