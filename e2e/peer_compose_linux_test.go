//go:build peers

package e2e

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/redistest"
)

// composed is what the loader of Compose has read.
type composed struct {
	Services map[string]struct {
		Image       string
		Command     []string
		CapDrop     []string `json:"cap_drop"`
		SecurityOpt []string `json:"security_opt"`
		ReadOnly    bool     `json:"read_only"`
		Ports       []struct{ Target int }
		HealthCheck struct{ Test []string }
		Networks    map[string]struct {
			Address string `json:"ipv4_address"`
		}
	}
}

// compose lays out the folder of the page, with its secrets, on this machine.
type compose struct {
	t     *testing.T
	dir   string
	read  composed
	ports *ports
	redis *redistest.Server
	// secret is that of the Application, which a step of the page makes.
	secret string
}

func newCompose(t *testing.T) *compose {
	t.Helper()
	c := &compose{t: t, dir: filepath.Join(t.TempDir(), "compose"), ports: newPorts(t)}
	sh(t, "", "cp -a ../docs/deploy/compose "+c.dir+" && "+c.dir+"/secrets/make")
	readDeployment(t, &c.read, "compose", filepath.Join(c.dir, "compose.yaml"))
	command := c.read.Services["redis"].Command
	if len(command) < 2 || !slices.Equal(command[:2], []string{"redis-server", "/run/secrets/redis.conf"}) {
		t.Fatalf("the command of Redis is %q", command)
	}
	args := slices.DeleteFunc(command[2:], func(arg string) bool { return arg == "--dir" || arg == "/data" })
	c.redis = redistest.New(t, c.ports.free["5006"], append([]string{"--include", c.dir + "/secrets/redis.conf"}, args...)...)
	return c
}

// declare does the step of the page that makes a secret and declares the Application.
func (c *compose) declare() {
	c.t.Helper()
	page := strings.ReplaceAll(read(c.t, "../docs/deploy/compose.md"), "\n   ", "\n") // those of a list too
	for _, b := range blocks(page) {
		if strings.Contains(b.text, "tokenidp secret") {
			sh(c.t, c.dir, strings.ReplaceAll(b.text, "docker run --rm --network none caddy-tokenidp:0.1.0", binary))
		}
	}
	c.secret, _, _ = strings.Cut(read(c.t, filepath.Join(c.dir, "orders-worker.secret")), "\n")
}

// trusted is the one address that the nodes trust.
func (c *compose) trusted() string {
	c.t.Helper()
	found := regexp.MustCompile(`trusted_proxies static (\S+)/32\n`).FindStringSubmatch(read(c.t, filepath.Join(c.dir, "node/Caddyfile")))
	if found == nil {
		c.t.Fatal("the nodes trust more than one address")
	}
	return found[1]
}

// start runs a Caddyfile with the places of this machine for those of the containers.
func (c *compose) start(file, home, admin string, places ...string) *caddy {
	c.t.Helper()
	text := read(c.t, filepath.Join(c.dir, file))
	places = append(places, "idp.example.com", "localhost:5001", "/run/secrets", c.dir+"/secrets", "/etc/caddy-applications", c.dir+"/applications",
		"redis:6379", "127.0.0.1:5006", c.trusted()+"/32", "127.0.0.1/32", "\n{\n", "\n{\n\tauto_https disable_redirects\n\tskip_install_trust\n")
	if file == "balancer/Caddyfile" {
		text = strings.Replace(text, "\nidp.example.com", "\n{\n}\n\nidp.example.com", 1)
	}
	text = strings.NewReplacer(places...).Replace(text)
	return start(c.t, text, options{ports: c.ports, home: home, admin: "localhost:" + c.ports.free[admin]})
}

func (c *compose) node(number, port, home, admin string) *caddy {
	c.t.Helper()
	return c.start("node/Caddyfile", home, admin, "http://:8080 {", "http://:"+port+" {\n\tbind 127.0.0.1", "{system.hostname}", "node-"+number)
}

// plainly asks a node itself.
func (c *compose) plainly(n *caddy, path, token string) *answer {
	c.t.Helper()
	return send(c.t, adminClient, n.request(http.MethodGet, "http://127.0.0.1:"+path, "", bearer(token)))
}

// post asks an endpoint of the issuer at the balancer.
func (c *compose) post(front *caddy, path string, form url.Values) *answer {
	c.t.Helper()
	r := front.request(http.MethodPost, "https://localhost:5001"+path, form.Encode(), "Content-Type: application/x-www-form-urlencoded")
	r.SetBasicAuth("orders-worker", c.secret)
	return front.once(r)
}

// Compose reads the file of the page, and gives no service more than it needs.
func TestPeerComposeFile(t *testing.T) {
	t.Parallel()
	c := newCompose(t)
	for name, s := range c.read.Services {
		if !versioned.MatchString(s.Image) || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s: %+v", name, s)
		}
		if name != "balancer" && len(s.Ports) > 0 {
			t.Errorf("everybody reaches %s at %v", name, s.Ports)
		}
	}
	if address := c.read.Services["balancer"].Networks["back"].Address; address == "" || address != c.trusted() {
		t.Errorf("the nodes trust %s, and the balancer is %s", c.trusted(), address)
	}
	if info, err := os.Stat(c.dir + "/secrets"); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others read the secrets: %v %v", info, err)
	}
	if output, err := exec.CommandContext(t.Context(), c.dir+"/secrets/make").CombinedOutput(); err == nil || !strings.Contains(string(output), "is there already") {
		t.Errorf("the secrets are made again: %v %s", err, output)
	}
}

// What the page says of two nodes, with the real Redis.
func TestPeerCompose(t *testing.T) {
	t.Parallel()
	c := newCompose(t)
	c.redis.Start()
	c.declare()
	sh(t, c.dir, "sed -e 's|/run/secrets|"+c.dir+"/secrets|; s|/etc/caddy-applications|"+c.dir+"/applications|' node/Caddyfile >Caddyfile")
	wantChecked(t, filepath.Join(c.dir, "Caddyfile"))
	health := strings.NewReplacer("/run/secrets", c.dir+"/secrets", "$$", "$", "redis-cli", "redis-cli -p "+c.redis.Port).
		Replace(c.read.Services["redis"].HealthCheck.Test[1])
	sh(t, "", health)

	shared := t.TempDir()
	one := c.node("1", "5002", shared, "2019")
	two := c.node("2", "5003", shared, "5004")
	front := c.start("balancer/Caddyfile", t.TempDir(), "5005", "node-1:8080", "127.0.0.1:5002", "node-2:8080", "127.0.0.1:5003")
	token := func() string {
		return accessToken(c.post(front, "/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"orders.read"}}).body)
	}
	first := token()
	for n, number := range map[*caddy]string{one: "1", two: "2"} {
		port := map[string]string{"1": "5002", "2": "5003"}[number]
		n.eventually("the node to be ready", func() bool { return c.plainly(n, port+"/ready", "").StatusCode == http.StatusOK })
		if a := c.plainly(n, port+"/orders", first); a.body != "Hello orders-worker, this is node-"+number+"\n" {
			t.Errorf("node %s says %d %s", number, a.StatusCode, a.body)
		}
	}
	if a := front.get("https://localhost:5001/ready", ""); a.StatusCode != http.StatusNotFound {
		t.Errorf("everybody sees which node is ready: %d", a.StatusCode)
	}
	if a := c.post(front, "/revoke", url.Values{"token": {first}}); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	for n, port := range map[*caddy]string{one: "5002", two: "5003"} {
		n.eventually("the revocation", func() bool { return c.plainly(n, port+"/orders", first).StatusCode == http.StatusUnauthorized })
	}

	// A node that ends says so, serves on for a while, and nobody sees it at the balancer.
	second := token()
	one.signal(syscall.SIGTERM)
	one.eventually("the end to be told", func() bool { return c.plainly(one, "5002/ready", "").StatusCode == http.StatusServiceUnavailable })
	if a := c.plainly(one, "5002/orders", second); a.StatusCode != http.StatusOK {
		t.Errorf("a node that ends answers %d", a.StatusCode)
	}
	one.ended()
	for range 20 {
		if a := front.get("https://localhost:5001/orders", second); a.body != "Hello orders-worker, this is node-2\n" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}

	// Redis is not there when a node starts.
	c.redis.Kill()
	again := c.node("1", "5002", shared, "2019")
	if _, code := again.ctl("status", "--ready"); code != 1 {
		t.Errorf("without Redis, status --ready ends with %d", code)
	}
	if a := c.plainly(again, "5002/orders", second); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without Redis, it answers %d", a.StatusCode)
	}
	if a := c.plainly(two, "5003/orders", second); a.StatusCode != http.StatusOK {
		t.Errorf("the node that runs answers %d", a.StatusCode)
	}
	c.redis.Start()
	again.eventually("it to be ready", func() bool { return c.plainly(again, "5002/ready", "").StatusCode == http.StatusOK })
	if _, code := again.ctl("status", "--ready"); code != 0 {
		t.Errorf("with Redis again, status --ready ends with %d", code)
	}
}
