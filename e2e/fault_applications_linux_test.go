package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const brokenApplications = "applications:\n  - client_id: half"

// F9: a broken file stops the start, with its place.
func TestF09ABrokenFileStopsTheStart(t *testing.T) {
	t.Parallel()
	dir := workspace(t, newPorts(t), shopOptions+"localhost:5001 {\n\ttokenidp\n}\n", map[string]string{"applications.yaml": brokenApplications})
	if output := fails(t, dir, t.TempDir()); !strings.Contains(output, "applications.yaml:2:") {
		t.Errorf("it names no place:\n%s", output)
	}
}

// F9: a broken file stops a reload, with its place, and what ran goes on.
func TestF09ABrokenFileStopsTheReload(t *testing.T) {
	t.Parallel()
	c := startShop(t, "verify /orders* orders.read\nrespond /orders* orders")
	token := c.token("reader", "orders.read")
	write(t, filepath.Join(c.dir, "applications.yaml"), brokenApplications)
	output, err := caddyCommand(c.dir, c.home, c.admin, "reload", "--force").CombinedOutput()
	if err == nil || !strings.Contains(string(output), "applications.yaml:2:") {
		t.Errorf("%v\n%s", err, output)
	}
	if a := c.get("https://localhost:5001/orders", token); a.body != "orders" {
		t.Errorf("a verified request gets %d", a.StatusCode)
	}
	if a := c.get("https://localhost:5001/orders", c.token("reader", "orders.read")); a.body != "orders" {
		t.Errorf("a new token gets %d", a.StatusCode)
	}
}

// saves are ways in which a file gets its new content.
var saves = []struct {
	name string
	save func(t *testing.T, path, content string)
}{
	{"written in place", write},
	{"written beside and renamed", func(t *testing.T, path, content string) {
		write(t, path+".swp", content)
		rename(t, path+".swp", path)
	}},
	{"moved away and written anew", func(t *testing.T, path, content string) {
		rename(t, path, path+"~")
		write(t, path, content)
	}},
	{"removed and written anew", func(t *testing.T, path, content string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		write(t, path, content)
	}},
	{"written in two halves", func(t *testing.T, path, content string) {
		write(t, path, content[:len(content)/2])
		write(t, path, content)
	}},
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// mount puts a new version into a folder as Kubernetes does: the file is a link
// through ..data, which is a link that is exchanged.
func mount(t *testing.T, folder, content string) {
	t.Helper()
	version, err := os.MkdirTemp(folder, "..2026_")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(version, "stock.yaml"), content)
	data := filepath.Join(folder, "..data")
	before, _ := os.Readlink(data)
	if err := os.Symlink(filepath.Base(version), data+"_tmp"); err != nil {
		t.Fatal(err)
	}
	rename(t, data+"_tmp", data)
	if before == "" {
		if err := os.Symlink("..data/stock.yaml", filepath.Join(folder, "stock.yaml")); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.RemoveAll(filepath.Join(folder, before)); err != nil {
		t.Fatal(err)
	}
}

// F10: however files are saved, and however often, the last version is in force
// in the end, and nothing is left of those before.
func TestF10TheLastSaveWins(t *testing.T) {
	t.Parallel()
	p := newPorts(t)
	dir := workspace(t, p, strings.ReplaceAll(shopOptions, "applications.yaml", "orders.yaml mounted/*.yaml")+"localhost:5001 {\n\ttokenidp\n}\n",
		map[string]string{"orders.yaml": team("orders", "first")})
	orders, mounted := filepath.Join(dir, "orders.yaml"), filepath.Join(dir, "mounted")
	if err := os.Mkdir(mounted, 0o755); err != nil {
		t.Fatal(err)
	}
	mount(t, mounted, team("stock", "planner"))
	c := launch(t, &caddy{dir: dir, home: t.TempDir(), ports: p, admin: "localhost:" + p.free["2019"]}, "Caddyfile")
	inForce := func(client, scope string) {
		t.Helper()
		c.eventually(client, func() bool { return strings.Contains(c.logged(), `application \"`+client+`\" added`) })
		if status := c.tokenStatus(client, scope); status != http.StatusOK {
			t.Errorf("%s gets %d", client, status)
		}
	}
	files := c.descriptors()
	all, _ := c.goroutines("")

	for i, s := range saves {
		client := fmt.Sprint("saved-", i)
		s.save(t, orders, team("orders", client))
		inForce(client, "orders.read")
	}
	mount(t, mounted, team("stock", "remounted"))
	inForce("remounted", "stock.read")
	for i := range 1000 {
		saves[i%len(saves)].save(t, orders, team("orders", fmt.Sprint("passing-", i)))
		if i%10 == 0 {
			mount(t, mounted, team("stock", fmt.Sprint("passing-", i)))
		}
	}
	saves[1].save(t, orders, team("orders", "last"))
	mount(t, mounted, team("stock", "final"))
	inForce("last", "orders.read")
	inForce("final", "stock.read")
	if status := c.tokenStatus("passing-999", "orders.read"); status != http.StatusUnauthorized {
		t.Errorf("a version before gives a token: %d", status)
	}
	if metrics := c.metrics(); !strings.Contains(metrics, `caddy_tokenidp_applications_in_order{issuer="`+c.url("https://localhost:5001")+`"} 1`) {
		t.Errorf("it is not in order:\n%s", metrics)
	}
	c.eventually("everything to be closed", func() bool {
		now, _ := c.goroutines("")
		return c.descriptors() <= files+10 && now <= all+10
	})
}
