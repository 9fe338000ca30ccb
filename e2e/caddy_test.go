package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/testport"
)

// binary is the Caddy under test, built with the race detector.
var binary string

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tokenidp-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "caddy")
	compile := exec.Command("go", "build", "-race", "-o", binary, "../cmd/caddy")
	if output, err := compile.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building Caddy: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

// patience bounds every wait for another process. A test that needs so long has
// failed.
const patience = 60 * time.Second

// ports maps the ports that files and documents are written with to free ones.
// Tests, examples and documents all say 5001 for the issuer, and up from there.
type ports struct {
	pattern *regexp.Regexp
	free    map[string]string
}

func newPorts(t *testing.T) *ports {
	t.Helper()
	p := &ports{pattern: regexp.MustCompile(`\b(50[0-9]{2}|2019)\b`), free: make(map[string]string)}
	for _, port := range []string{"2019", "5001", "5002", "5003", "5004", "5005", "5006"} {
		p.free[port] = testport.Free(t)
	}
	return p
}

func (p *ports) replace(s string) string {
	return p.pattern.ReplaceAllStringFunc(s, func(port string) string {
		if free, ok := p.free[port]; ok {
			return free
		}
		return port
	})
}

// caddy is one running Caddy.
type caddy struct {
	t     *testing.T
	dir   string // of the Caddyfile
	home  string // holds the storage
	ports *ports
	admin string
	env   []string // beside the usual
	flags []string // of `caddy run`

	config string // the Caddyfile's name
	cmd    *exec.Cmd
	ending sync.Once
	exited chan error
	mu     sync.Mutex
	log    bytes.Buffer
	ready  chan struct{}
}

// options say how a Caddy under test differs from the usual one.
type options struct {
	home  string            // default: a new, empty one
	ports *ports            // default: new ones
	files map[string]string // written beside the Caddyfile; ports are replaced
	admin string            // default: the ports' 2019
	env   []string          // beside the usual
	flags []string          // of `caddy run`
}

// workspace writes a Caddyfile and its files into a new folder.
func workspace(t *testing.T, p *ports, caddyfile string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Caddyfile"), p.replace(caddyfile))
	for name, content := range files {
		write(t, filepath.Join(dir, name), p.replace(content))
	}
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// start runs Caddy with the Caddyfile and waits until it serves.
func start(t *testing.T, caddyfile string, o options) *caddy {
	t.Helper()
	if o.ports == nil {
		o.ports = newPorts(t)
	}
	if o.home == "" {
		o.home = t.TempDir()
	}
	if o.admin == "" {
		o.admin = "localhost:" + o.ports.free["2019"]
	}
	dir := workspace(t, o.ports, caddyfile, o.files)
	return launch(t, &caddy{dir: dir, home: o.home, ports: o.ports, admin: o.admin, env: o.env, flags: o.flags}, "Caddyfile")
}

// launch runs Caddy in its folder and waits until it serves.
func launch(t *testing.T, c *caddy, config string) *caddy {
	t.Helper()
	return run(t, c, config, nil).serving()
}

// run runs Caddy in its folder, as somebody else if attributes say so.
func run(t *testing.T, c *caddy, config string, as *syscall.SysProcAttr) *caddy {
	t.Helper()
	c.t, c.config, c.exited, c.ready = t, config, make(chan error, 1), make(chan struct{})
	c.cmd = caddyCommand(c.dir, c.home, c.admin, append([]string{"run", "--config", config}, c.flags...)...)
	c.cmd.SysProcAttr = as
	c.cmd.Env = append(c.cmd.Env, c.env...)
	return c.begin()
}

// begin starts the command, and follows its log.
func (c *caddy) begin() *caddy {
	c.t.Helper()
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go c.follow(stderr)
	c.t.Cleanup(c.stop)
	return c
}

// serving waits until Caddy serves.
func (c *caddy) serving() *caddy {
	c.t.Helper()
	select {
	case <-c.ready:
	case err := <-c.exited:
		c.exited <- err
		c.t.Fatalf("Caddy ended: %v\n%s", err, c.logged())
	case <-time.After(patience):
		c.t.Fatalf("Caddy does not start\n%s", c.logged())
	}
	for _, site := range secureSite.FindAllStringSubmatch(read(c.t, filepath.Join(c.dir, c.config)), -1) {
		c.eventually("the certificate of "+site[1], func() bool { return handshakes(site[1]) })
	}
	return c
}

// secureSite finds the sites that Caddy gets certificates for.
var secureSite = regexp.MustCompile(`(?m)^(?:https://)?(localhost:\d+) \{$`)

// handshakes reports whether a site has its certificate, which Caddy gets in the
// background.
func handshakes(site string) bool {
	connection, err := tls.Dial("tcp", site, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return false
	}
	return connection.Close() == nil
}

// caddyCommand is a command of Caddy's in a folder.
func caddyCommand(dir, home, admin string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Env = dir, environment(home, admin)
	return cmd
}

// environment is that of a new machine: an empty HOME, and nothing of ours. The
// race detector would let each process wait a second at its end.
func environment(home, admin string) []string {
	return []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "CADDY_ADMIN=" + admin, "GORACE=halt_on_error=0 atexit_sleep_ms=0"}
}

// follow collects the log and says when Caddy serves.
func (c *caddy) follow(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	serving := sync.OnceFunc(func() { close(c.ready) })
	for lines.Scan() {
		c.mu.Lock()
		c.log.Write(lines.Bytes())
		c.log.WriteByte('\n')
		c.mu.Unlock()
		if strings.Contains(lines.Text(), "serving initial configuration") {
			serving()
		}
	}
	c.exited <- c.cmd.Wait()
}

func (c *caddy) logged() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.String()
}

// stop ends Caddy as an operator would, and looks at its log.
func (c *caddy) stop() { c.ending.Do(c.end) }

// raceOfCaddy is a report of a race in Caddy v2.11.9 itself, since its pull request
// 7719: reverse_proxy counts the bytes of a request's body without a lock, while an
// HTTP/2 upstream that has answered makes the transport close it.
var raceOfCaddy = regexp.MustCompile(`(?s)={18}\nWARNING: DATA RACE\n[^\n]+\n  [^\n]+\.\(\*bodyNopCloserIfNotRead\)\.(?:Read|Close)\(\)\n.*?\n={18}\n`)

func (c *caddy) end() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.exited:
	case <-time.After(patience):
		_ = c.cmd.Process.Kill()
		c.t.Error("Caddy does not end")
	}
	c.look()
}

// look looks for what no log may hold.
func (c *caddy) look() {
	log := raceOfCaddy.ReplaceAllString(c.logged(), "")
	for _, word := range []string{"DATA RACE", "panic", "goroutine "} {
		if strings.Contains(log, word) {
			c.t.Errorf("the log has %q:\n%s", word, log)
		}
	}
	if c.t.Failed() {
		c.t.Logf("the log:\n%s", log)
	}
}

// entries are the log lines with the message, as objects. It waits for the
// first: a line is written after its answer is sent.
func (c *caddy) entries(message string) []map[string]any {
	c.t.Helper()
	var found []map[string]any
	c.eventually("a log line "+message, func() bool {
		found = nil
		for line := range strings.Lines(c.logged()) {
			var entry map[string]any
			if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == message {
				found = append(found, entry)
			}
		}
		return len(found) > 0
	})
	return found
}

// eventually waits for another process, and fails when it takes too long.
func (c *caddy) eventually(what string, done func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	c.t.Fatalf("waited in vain for %s\n%s", what, c.logged())
}

// url is a URL written with the usual ports, on this Caddy's.
func (c *caddy) url(u string) string { return c.ports.replace(u) }

// tlsConfig trusts this Caddy's own CA, and nothing else.
func (c *caddy) tlsConfig() *tls.Config {
	c.t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(read(c.t, filepath.Join(c.home, ".local/share/caddy/pki/authorities/local/root.crt")))) {
		c.t.Fatal("no root certificate")
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// client speaks HTTP/2 where it can, follows no redirect, and shares nothing.
func (c *caddy) client() *http.Client {
	c.t.Helper()
	transport := &http.Transport{TLSClientConfig: c.tlsConfig(), ForceAttemptHTTP2: true}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

// request makes a request; a URL is written with the usual ports, and headers
// as "Name: value".
func (c *caddy) request(method, url, body string, headers ...string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url(url), strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header[name] = append(r.Header[name], value) // spelled as given
	}
	return r
}

func (c *caddy) do(method, url, body string, headers ...string) *answer {
	c.t.Helper()
	return c.once(c.request(method, url, body, headers...))
}

// once sends a request on a connection of its own.
func (c *caddy) once(r *http.Request) *answer {
	c.t.Helper()
	client := c.client()
	defer client.CloseIdleConnections()
	return send(c.t, client, r)
}

// adminClient speaks to admin endpoints, on a connection of its own for each
// request.
var adminClient = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

// administer makes a request to the admin endpoint. A reload replaces that, and
// the one before, as it ends, may close a connection that came for the next.
func (c *caddy) administer(method, path, body string, headers ...string) *answer {
	c.t.Helper()
	var a *answer
	c.eventually("the admin endpoint", func() (done bool) {
		var err error
		a, err = exchange(adminClient, c.request(method, "http://"+c.admin+path, body, headers...))
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			c.t.Fatal(err)
		}
		return err == nil
	})
	return a
}

// exchange sends a request and reads all of the answer.
func exchange(client *http.Client, r *http.Request) (*answer, error) {
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return &answer{Response: response, body: string(body)}, err
}

func send(t *testing.T, client *http.Client, r *http.Request) *answer {
	t.Helper()
	a, err := exchange(client, r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// command runs a command of Caddy's in the folder and returns what it printed
// and its exit code.
func command(t *testing.T, dir, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	cmd.Env = environment(t.TempDir(), "localhost:"+testport.Free(t))
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
