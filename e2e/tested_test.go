package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Tests in a file of Applications are run by the configuration of a Caddy that runs, and
// by that of a file, and the server that has them serves. A mistake in them is a warning
// of the server.
func TestTestsOfAServerThatRuns(t *testing.T) {
	const tests = `
tests:
  - client_id: reader
    allow: [GET https://localhost:5001/orders]
    deny: ["* https://localhost:5001/stock"]
  - anonymous: true
    deny: ["* https://localhost:5001/orders"]
`
	c := start(t, shopOptions+"localhost:5001 {\n\ttokenidp\n\thandle /orders {\n\t\tverify orders.read\n\t\treverse_proxy localhost:5002\n\t}\n\thandle /stock {\n\t\tverify stock.read\n\t\trespond fine\n\t}\n}\n",
		options{files: map[string]string{"applications.yaml": shopApplications + tests}})
	running, code := c.ctl("test", "--address", c.admin)
	if code != 0 || !strings.HasSuffix(running, "3 passed, 0 failed\n") {
		t.Errorf("%d: %s", code, running)
	}
	if got := c.do("GET", "https://localhost:5001/orders", "", "Authorization: Bearer "+c.token("reader", "orders.read")); got.StatusCode == 401 {
		t.Errorf("the server answers with %d", got.StatusCode)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "applications.yaml"), []byte(c.url(shopApplications+tests+"  - {client_id: reader, dany: []}\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	c.eventually("a warning of the tests", func() bool { return strings.Contains(c.logged(), "dany") })
	if output, code := c.operate("", "test", "--config", "Caddyfile"); code != 2 {
		t.Errorf("%d: %s", code, output)
	}
	if status, code := c.ctl("status"); code != 0 {
		t.Errorf("the server is not in order: %s", status)
	}
}
