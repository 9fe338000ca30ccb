//go:build peers

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The pages for the teams of the clients, with the libraries that they use.
func TestPeerPages(t *testing.T) {
	t.Parallel()
	for _, path := range pages(t, "clients") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".md"), func(t *testing.T) {
			t.Parallel()
			runDocument(t, read(t, path), func(root string) []string { return preparePage(t, root, path) })
		})
	}
}

// preparePage puts the libraries where the programs of a page look for them, and returns
// the variables that they need. Python is that of the system, which has the packages.
func preparePage(t *testing.T, root, page string) []string {
	t.Helper()
	bin := filepath.Join(root, ".bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		".bin/python3": "/usr/bin/python3",
		"node_modules": filepath.Join(peersFolder(t), "node_modules"),
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if strings.HasSuffix(page, "php.md") { // in Go's module, it would stand for the libraries of Go
		write(t, filepath.Join(root, "vendor/autoload.php"), "<?php require 'GuzzleHttp/autoload.php';\n")
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		write(t, filepath.Join(root, name), read(t, filepath.Join("..", name)))
	}
	env := []string{"PATH=" + bin + ":" + filepath.Dir(binary) + ":" + os.Getenv("PATH")}
	output, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS").Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, value := range strings.Split(strings.TrimSuffix(string(output), "\n"), "\n") {
		env = append(env, []string{"GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS"}[i]+"="+value)
	}
	return env
}

// page is what a page has for the test: the commands that call the API three times, and
// those that come before them.
type page struct {
	path     string
	setup    []string
	programs []program
}

type program struct {
	command string
	keyed   bool
}

func readPage(t *testing.T, path string) page {
	t.Helper()
	p := page{path: path}
	for _, b := range blocks(read(t, path)) {
		if b.kind != "console" {
			continue
		}
		for _, s := range parseConsole(b.text) {
			switch command, keyed := strings.CutPrefix(s.command, "CLIENT_ID=orders-keyed "); {
			case strings.Count(s.output, "Hello orders-") == 3:
				p.programs = append(p.programs, program{command, keyed})
			case !strings.Contains(command, "examples/clients/environment"):
				p.setup = append(p.setup, command)
			}
		}
	}
	return p
}

// situations are what a program meets that calls the API three times.
var situations = []struct {
	name, lifetime      string
	refused             int // tokens that the API refuses
	fewest, most, calls int // tokens, and calls that succeed
}{
	{"kept", "1h", 0, 1, 1, 3},
	{"refused", "1h", 1, 2, 2, 3},
	{"closed", "1h", 9, 2, 4, 0},
	{"brief", "10s", 0, 3, 3, 3},
}

// A program of a page must keep its token, get another before it expires, and another one,
// once, if the API refuses it.
func TestPeerPagesKeepTheirToken(t *testing.T) {
	t.Parallel()
	key := makeKey(t, t.TempDir(), "ES256")
	applications := "resources: [{name: orders-api, scopes: [{name: orders.read}]}]\napplications:\n"
	var all []page
	for _, path := range pages(t, "clients") {
		p := readPage(t, path)
		for i, program := range p.programs {
			applications += p.applications(i, program, key)
		}
		all = append(all, p)
	}
	c := start(t, shopOptions+"localhost:5001 {\n\ttokenidp\n}\nlocalhost:5002 {\n\treverse_proxy "+startAPI(t)+"\n}\n",
		options{files: map[string]string{"applications.yaml": applications}})
	for _, p := range all {
		t.Run(filepath.Base(p.path), func(t *testing.T) {
			t.Parallel()
			r := newPageRunner(t, c, p, key)
			for _, command := range p.setup {
				if output, err := r.run(t, command); err != nil {
					t.Fatalf("%s: %v\n%s", command, err, output)
				}
			}
			for i, program := range p.programs {
				r.meet(t, p, i, program)
			}
		})
	}
}

// applications declares an Application for each situation of a program.
func (p page) applications(i int, program program, key madeKey) (text string) {
	credentials := "    secrets: [{id: \"1\", hash: " + shopHash + "}]\n"
	if program.keyed {
		credentials = key.declaration
	}
	for _, s := range situations {
		text += fmt.Sprintf("  - client_id: %s\n    scopes: [orders.read]\n    token_lifetime: %s\n%s", p.client(i, s.name), s.lifetime, credentials)
	}
	return text
}

func (p page) client(i int, situation string) string {
	return fmt.Sprintf("%s-%d-%s", strings.TrimSuffix(filepath.Base(p.path), ".md"), i, situation)
}

// pageRunner runs the commands of a page in a folder with its files.
type pageRunner struct {
	*caddy
	root string
	env  []string
}

func newPageRunner(t *testing.T, c *caddy, p page, key madeKey) *pageRunner {
	t.Helper()
	r := &pageRunner{caddy: c, root: t.TempDir()}
	r.env = append(environment(t.TempDir(), c.admin), preparePage(t, r.root, p.path)...)
	r.env = append(r.env, "KEY_FILE="+key.file, "CLIENT_SECRET="+shopSecret, "ISSUER="+c.url("https://localhost:5001"))
	for _, name := range []string{"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"} {
		r.env = append(r.env, name+"="+rootOf(c.home))
	}
	for _, b := range blocks(read(t, p.path)) {
		if name := b.file(); name != "" {
			write(t, filepath.Join(r.root, name), b.text)
		}
	}
	return r
}

func (r *pageRunner) run(t *testing.T, command string, env ...string) (output string, err error) {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "bash", "-c", command)
	shell.Dir, shell.Env = r.root, append(r.env, env...)
	printed, err := shell.CombinedOutput()
	return string(printed), err
}

// meet runs a program in all situations.
func (r *pageRunner) meet(t *testing.T, p page, i int, program program) {
	t.Helper()
	for _, s := range situations {
		id := p.client(i, s.name)
		output, err := r.run(t, program.command, "CLIENT_ID="+id, fmt.Sprintf("API=%s/%d/%s", r.url("https://localhost:5002"), s.refused, id))
		if calls := strings.Count(output, "Hello"); calls != s.calls || (err != nil && s.calls > 0) {
			t.Errorf("%s: %d calls succeed, %v\n%s", id, calls, err, output)
		}
		if n := r.tokensOf(t, id, s.fewest); n < s.fewest || n > s.most {
			t.Errorf("%s: %d tokens, not %d to %d\n%s", id, n, s.fewest, s.most, output)
		}
	}
}

// tokensOf returns how many tokens a client has got. It waits for the log, which is
// written after the answer, and not for long: all answers have arrived.
func (c *caddy) tokensOf(t *testing.T, id string, fewest int) (n int) {
	t.Helper()
	for deadline := time.Now().Add(patience / 12); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		n = 0
		for line := range strings.Lines(c.logged()) {
			if strings.Contains(line, `"msg":"token issued"`) && strings.Contains(line, `"client_id":"`+id+`"`) {
				n++
			}
		}
		if n >= fewest {
			break
		}
	}
	return n
}

// startAPI runs an API that refuses, below /<n>/, the first n tokens that it sees for each
// path, and returns its address.
func startAPI(t *testing.T) string {
	t.Helper()
	var mu sync.Mutex
	refused := make(map[string][]string)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		before := refused[r.URL.Path]
		most := int(r.URL.Path[1] - '0')
		if !slices.Contains(before, token) && len(before) < most {
			before = append(before, token)
			refused[r.URL.Path] = before
		}
		if token == "" || slices.Contains(before, token) {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, "Hello")
	}))
	t.Cleanup(api.Close)
	return strings.TrimPrefix(api.URL, "http://")
}
