//go:build linux

package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"golang.org/x/sys/unix"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

// Where there are two cores, Caddy has the first for itself, and the load comes
// from the second.
const (
	serverCore = "0"
	loadCore   = "1"
)

const config = `{
	admin ADMIN
	auto_https off
	GLOBAL
	tokenidp {
		OBSERVED
		issuer http://SITE/rs {
			applications applications.yaml
			signing_key file RS256.pem
			insecure_http
		}
		issuer http://SITE/es {
			applications applications.yaml
			signing_algorithm ES256
			signing_key file ES256.pem
			insecure_http
		}
		issuer http://SITE/ed {
			applications applications.yaml
			signing_algorithm EdDSA
			signing_key file EdDSA.pem
			insecure_http
		}
	}
}

http://SITE {
	tokenidp http://SITE/rs
	tokenidp http://SITE/es
	tokenidp http://SITE/ed
}
`

// routes are measured, each at an address of its own: the same answer, behind
// nothing else.
var routes = map[string]string{
	"bare":    "",
	"vars":    "vars a b",
	"RS256":   "verify orders.read {\n issuer http://SITE/rs\n }",
	"ES256":   "verify orders.read {\n issuer http://SITE/es\n }",
	"headers": "verify orders.read {\n issuer http://SITE/rs\n claim_header X-Client-Id client_id\n claim_header X-Scope scope\n }",
	"two":     "verify orders.read {\n issuer http://SITE/es http://SITE/rs\n }",
	"all":     "verify orders.read {\n issuer http://SITE/es http://SITE/rs\n claim_header X-Client-Id client_id\n claim_header X-Scope scope\n }",
}

const applications = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}]
applications:
  - client_id: generated
    secrets: [{id: "1", hash: "%s"}]
    scopes: [orders.read]
  - client_id: chosen
    secrets: [{id: "1", hash: "%s"}]
    scopes: [orders.read]
`

// server is the Caddy that is measured.
type server struct {
	site, admin string
	routes      map[string]string // address by name
	config      string
	secrets     map[string]string // by client_id
	process     *exec.Cmd
}

// observation is what a server counts and writes down of its requests.
type observation struct{ global, tokenidp string }

var (
	byDefault = observation{}
	nothing   = observation{tokenidp: "usage off"}
	all       = observation{global: "metrics", tokenidp: "audit {\n output file audit.log {\n roll_disabled\n }\n }"}
)

// build is Caddy as a release is built, without the race detector.
func build(b *testing.B) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "caddy")
	if output, err := exec.Command("go", "build", "-o", binary, "../../cmd/caddy").CombinedOutput(); err != nil {
		b.Fatalf("building Caddy: %v\n%s", err, output)
	}
	return binary
}

// start runs Caddy on one core with its log in a file.
func start(b *testing.B, binary string, observed observation) *server {
	b.Helper()
	dir := b.TempDir()
	free := freeAddresses(b, 2+len(routes))
	s := &server{site: free[0], admin: free[1], routes: make(map[string]string), secrets: make(map[string]string)}
	s.config, free = config, free[2:]
	for name, handlers := range routes {
		s.routes[name], free = free[0], free[1:]
		s.config += fmt.Sprintf("\nhttp://%s {\n %s\n respond ok\n}\n", s.routes[name], handlers)
	}
	s.config = strings.NewReplacer("SITE", s.site, "ADMIN", s.admin, "GLOBAL", observed.global, "OBSERVED", observed.tokenidp).Replace(s.config)
	s.secrets["generated"], s.secrets["chosen"] = secret.Generate(), "a secret that an operator chose"
	generated, err := secret.HashGenerated(s.secrets["generated"])
	check(b, err)
	chosen, err := secret.HashChosen(s.secrets["chosen"])
	check(b, err)
	files := map[string][]byte{"Caddyfile": []byte(s.config), "applications.yaml": fmt.Appendf(nil, applications, generated, chosen)}
	for algorithm := range keys {
		files[algorithm+".pem"] = encodeKey(b, algorithm)
	}
	for name, content := range files {
		check(b, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	check(b, err)
	b.Cleanup(func() { log.Close() })
	s.process = onServerCore(binary, "run", "--config", "Caddyfile")
	s.process.Dir, s.process.Stderr = dir, log
	s.process.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "GOMAXPROCS=1"}
	check(b, s.process.Start())
	b.Cleanup(func() {
		s.process.Process.Signal(syscall.SIGTERM)
		s.process.Wait()
		if b.Failed() {
			text, _ := os.ReadFile(log.Name()) // or none
			b.Logf("the log ends:\n%s", text[max(0, len(text)-3000):])
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if response, err := http.Get("http://" + s.routes["bare"]); err == nil {
			response.Body.Close()
			return s
		}
		if time.Now().After(deadline) {
			b.Fatal("Caddy does not start")
		}
	}
}

// freeAddresses takes all before it gives one back, so that none comes twice.
func freeAddresses(b *testing.B, n int) []string {
	b.Helper()
	addresses := make([]string, n)
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(b, err)
		defer l.Close()
		addresses[i] = fmt.Sprint("localhost:", l.Addr().(*net.TCPAddr).Port)
	}
	return addresses
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// onServerCore is a command pinned to the server's core, where that is possible.
func onServerCore(name string, args ...string) *exec.Cmd {
	if taskset := pinning(); taskset != "" {
		return exec.Command(taskset, append([]string{"-c", serverCore, name}, args...)...)
	}
	return exec.Command(name, args...)
}

// pinning is the program that pins, or empty.
func pinning() string {
	taskset, err := exec.LookPath("taskset")
	if err != nil || runtime.NumCPU() < 2 {
		return ""
	}
	return taskset
}

// leaveServerCore moves this process, which makes the load, to the other core.
func leaveServerCore(b *testing.B) {
	b.Helper()
	if taskset := pinning(); taskset != "" {
		output, err := exec.Command(taskset, "-a", "-c", "-p", loadCore, strconv.Itoa(os.Getpid())).CombinedOutput()
		if err != nil {
			b.Fatalf("pinning: %v\n%s", err, output)
		}
	}
}

// forget reloads the configuration, and with it drops what was remembered of
// tokens.
func (s *server) forget(b *testing.B) {
	b.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+s.admin+"/load", strings.NewReader(s.config))
	check(b, err)
	r.Header.Set("Content-Type", "text/caddyfile")
	r.Header.Set("Cache-Control", "must-revalidate") // though it is the same
	response, err := http.DefaultClient.Do(r)
	check(b, err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		b.Fatalf("reloading: %d %s", response.StatusCode, text)
	}
}

// revoke takes back that many tokens, none of those measured, as another server on
// the same storage does.
func (s *server) revoke(b *testing.B, n int) {
	b.Helper()
	files := &certmagic.FileStorage{Path: filepath.Join(s.process.Dir, ".local", "share", "caddy")}
	other := state.NewStorage(state.NewNode(state.Options{}), files, path.Join(storage.Folder("state"), "revocations"), state.DefaultPoll, nil)
	revocations := make([]state.Revocation, n)
	for i := range revocations {
		revocations[i] = state.Revocation{Issuer: "http://" + s.site + "/rs", TokenID: strconv.Itoa(i), Until: time.Now().Add(time.Hour)}
	}
	check(b, other.Revoke(b.Context(), revocations...))
	for s.metric(b, "caddy_tokenidp_state_revocations") < float64(n) {
		time.Sleep(100 * time.Millisecond)
	}
}

// cpu is the time that Caddy has spent computing, in seconds. The clock of the process is
// a million times as fine as what /proc has, and asking Caddy would make it compute.
func (s *server) cpu(b *testing.B) float64 {
	b.Helper()
	const scheduled = 2 // CPUCLOCK_SCHED; see clock_getcpuclockid(3)
	var spent unix.Timespec
	check(b, unix.ClockGettime(int32(^s.process.Process.Pid)<<3|scheduled, &spent))
	return float64(spent.Nano()) / 1e9
}

// metric is one without labels.
func (s *server) metric(b *testing.B, name string) float64 {
	b.Helper()
	response, err := http.Get("http://" + s.admin + "/metrics")
	check(b, err)
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, ok := bytes.CutPrefix(lines.Bytes(), []byte(name+" ")); ok {
			number, err := strconv.ParseFloat(string(value), 64)
			check(b, err)
			return number
		}
	}
	b.Fatalf("no metric %s", name)
	return 0
}
