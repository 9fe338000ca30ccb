//go:build peers

package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// readDeployment reads files as the programs do that they are for.
func readDeployment(t *testing.T, into any, args ...string) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "deployment")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "testdata/peers/deployment", "-o", bin, ".")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("reading %v: %v", args, err)
	}
	if err := json.Unmarshal(output, into); err != nil {
		t.Fatal(err)
	}
}

// stage is one of a Dockerfile.
type stage struct {
	Name, Base string
	Steps      []struct {
		Name        string
		Args        []string
		Shell       bool
		From, Owner string
	}
}

// image is what a Dockerfile makes: the root, and how it is run.
type image struct {
	root                      string
	env, entry, command, user []string
	health                    []string
}

// buildImage does the steps of a Dockerfile. A base other than scratch is this machine, so
// its steps write below their WORKDIR alone.
func buildImage(t *testing.T, dockerfile string) image {
	t.Helper()
	var stages []stage
	readDeployment(t, &stages, "dockerfile", dockerfile)
	source := filepath.Join(t.TempDir(), "context")
	sh(t, "", "git clone --quiet --no-local .. "+source)
	folders := make(map[string]string)
	var i image
	for _, s := range stages {
		if s.Base != "scratch" && !versioned.MatchString(s.Base) {
			t.Errorf("the base %s has no version", s.Base)
		}
		i.root = filepath.Join(t.TempDir(), "root")
		sh(t, "", "mkdir -p "+i.root)
		folders[s.Name] = i.root
		workdir := "/"
		for _, step := range s.Steps {
			switch step.Name {
			case "WORKDIR":
				workdir = step.Args[0]
				sh(t, "", "mkdir -p "+i.root+workdir)
			case "RUN":
				sh(t, i.root+workdir, strings.Join(step.Args, " "))
			case "COPY":
				from, target := source+"/", i.root+filepath.Join(workdir, step.Args[len(step.Args)-1])
				if step.From != "" {
					from = folders[step.From]
				}
				for _, name := range step.Args[:len(step.Args)-1] {
					copyStep(t, filepath.Join(from, name), target, step.Owner)
				}
			case "ENV":
				i.env = append(i.env, step.Args...)
			case "USER":
				i.user = step.Args
			case "HEALTHCHECK":
				i.health = step.Args[1:]
			case "ENTRYPOINT":
				i.entry = step.Args
			case "CMD":
				i.command = step.Args
			case "EXPOSE":
			default:
				t.Fatalf("no test does %s", step.Name)
			}
		}
	}
	return i
}

// versioned matches the name of an image with a version.
var versioned = regexp.MustCompile(`^[a-z0-9./-]+:[a-z-]*[0-9]+(\.[0-9]+)+[a-z0-9.-]*(@sha256:[0-9a-f]{64})?$`)

// copyStep copies a file, or what is in a folder.
func copyStep(t *testing.T, from, target, owner string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		from += "/."
	}
	sh(t, "", "cp -a "+from+" "+target)
	if owner == "" {
		return
	}
	entries, err := os.ReadDir(strings.TrimSuffix(from, "."))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		sh(t, target, asRoot+"chown -R "+owner+" "+entry.Name())
	}
}

// asRoot begins a command that only root may run.
var asRoot = map[bool]string{true: "", false: "sudo -n "}[os.Getuid() == 0]

func sh(t *testing.T, dir, command string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", command)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, output)
	}
	return string(output)
}

// container runs an image with mounts, of which each is a path and where it is.
type container struct {
	image
	t      *testing.T
	ports  *ports
	mounts []string
	// published is the first mount with the Caddyfile as it is in the page.
	published string
}

func (c container) execution(mounts []string, args ...string) *exec.Cmd {
	words := strings.Fields(asRoot)
	words = append(words, filepath.Join(peersFolder(c.t), "in-container"), c.root)
	words = append(append(words, mounts...), "--")
	words = append(append(words, c.env...), "CADDY_ADMIN=localhost:"+c.ports.free["2019"])
	return exec.CommandContext(c.t.Context(), words[0], append(words[1:], args...)...)
}

func (c container) exec(args ...string) (output string, code int) {
	cmd := c.execution(nil, args...)
	said, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	return string(said), cmd.ProcessState.ExitCode()
}

// start runs the image, and waits until it serves.
func (c container) start() *caddy {
	c.t.Helper()
	etc, _, _ := strings.Cut(c.mounts[0], ":")
	running := &caddy{t: c.t, dir: etc, config: "Caddyfile", ports: c.ports, exited: make(chan error, 1), ready: make(chan struct{})}
	running.cmd = c.execution(c.mounts, slices.Concat(c.entry, c.command)...)
	stdin, err := running.cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	running.begin()
	c.t.Cleanup(func() { _ = stdin.Close() }) // which ends it
	return running.serving()
}

// refused runs the image, which must not start, with the Caddyfile of the page and the
// mounts, and wants the page to show what it says.
func (c container) refused(page string, mounts []string) {
	c.t.Helper()
	mounts = append([]string{c.published}, mounts...)
	output, err := c.execution(mounts, slices.Concat(c.entry, c.command)...).CombinedOutput()
	if err == nil {
		c.t.Errorf("it ends well with %s", mounts)
	}
	for _, b := range blocks(page) {
		if b.kind == "text" && matches(string(output), "…"+strings.TrimSpace(b.text)+"…") {
			return
		}
	}
	c.t.Errorf("with %s it says what the page does not show:\n%s", mounts, output)
}

// newContainer lays out what the page has beside the image: the configuration, the volumes
// and the secret.
func newContainer(t *testing.T, page string, i image) container {
	t.Helper()
	c := container{image: i, t: t, ports: newPorts(t)}
	dir := t.TempDir()
	for _, b := range blocks(page) {
		if b.file() == "etc/Caddyfile" {
			caddyfile := strings.Replace(b.text, "\tskip_install_trust\n", "\tskip_install_trust\n\tauto_https disable_redirects\n", 1)
			write(t, filepath.Join(dir, "published/Caddyfile"), b.text)
			write(t, filepath.Join(dir, "etc/Caddyfile"), c.ports.replace(strings.ReplaceAll(caddyfile, "idp.example.com", "localhost:5001")))
		}
	}
	for _, folder := range []string{"etc", "published"} {
		write(t, filepath.Join(dir, folder, "applications/orders.yaml"), read(t, "../applications.example.yaml"))
	}
	sh(t, dir, "chmod -R a+rX . && mkdir -m 700 data config && openssl rand -base64 32 >kek && chmod 400 kek && "+asRoot+"chown 65532:65532 data config kek")
	t.Cleanup(func() { // or nobody but root could remove it
		own := exec.CommandContext(context.Background(), "sh", "-c", fmt.Sprintf("%schown -R %d %s %s", asRoot, os.Getuid(), dir, i.root))
		if output, err := own.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, output)
		}
	})
	sh(t, i.root, "mkdir proc && touch etc/hosts run/secrets/kek") // as Docker does, to mount there
	c.published = dir + "/published:/etc/caddy"
	c.mounts = []string{dir + "/etc:/etc/caddy", dir + "/kek:/run/secrets/kek", dir + "/data:/data", dir + "/config:/config"}
	return c
}

// The image of the page does what the page says, as far as this goes without Docker.
func TestPeerContainer(t *testing.T) {
	t.Parallel()
	page := read(t, "../docs/deploy/container.md")
	i := buildImage(t, "../packaging/container/Dockerfile")
	if programs := sh(t, i.root, "find . -type f -perm /111"); programs != "./usr/bin/caddy\n" || !slices.Equal(i.user, []string{"65532:65532"}) {
		t.Fatalf("the image has %s, user %s", programs, i.user)
	}
	c := newContainer(t, page, i)
	if version, code := c.exec("/usr/bin/caddy", "tokenidp", "--version"); code != 0 || strings.Contains(version, "devel") || strings.Contains(version, "dirty") {
		t.Errorf("the version is %s", version)
	}

	c.refused(page, c.mounts[1:2]) // no volumes
	data, _, _ := strings.Cut(c.mounts[2], ":")
	for _, mode := range []string{"755", "700"} {
		sh(t, "", asRoot+"chown 0:0 "+data+" && "+asRoot+"chmod "+mode+" "+data)
		c.refused(page, c.mounts[1:])
	}
	sh(t, "", asRoot+"chown 65532:65532 "+data)
	secret, _, _ := strings.Cut(c.mounts[1], ":")
	sh(t, "", asRoot+"chown 0:0 "+secret)
	c.refused(page, c.mounts[1:])
	sh(t, "", asRoot+"chown 65532:65532 "+secret)

	if output, code := c.exec(i.health...); code == 0 {
		t.Errorf("it is healthy before it runs: %s", output)
	}
	running := c.start()
	if output, code := c.exec(i.health...); code != 0 || output != "this server is ready\n" {
		t.Errorf("it is not healthy: %d %s", code, output)
	}
	c.wantNoPrivileges(running)
	if got := c.called(); got != "Hello orders-worker\n" {
		t.Errorf("a call is answered %q", got)
	}
	etc, _, _ := strings.Cut(c.mounts[0], ":")
	write(t, filepath.Join(etc, "applications/orders.yaml"), "applications:\n  - client_id: half")
	running.eventually("the broken file", func() bool {
		_, code := c.exec("/usr/bin/caddy", "tokenidp", "status")
		return code == 1
	})
	if output, code := c.exec(i.health...); code != 0 {
		t.Errorf("it is not healthy with a broken file: %d %s", code, output)
	}
	if got := c.called(); got != "Hello orders-worker\n" {
		t.Errorf("a call is answered %q with a broken file", got)
	}
}

// called gets a token, and calls the API.
func (c container) called() string {
	c.t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	issuer := c.ports.replace("https://localhost:5001")
	token := clientCredentials(c.t, client, issuer+"/token", "orders-worker", "replace-with-real-secret", url.Values{"scope": {"orders.read"}})
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, issuer+"/orders", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return send(c.t, client, r).body
}

// wantNoPrivileges looks for the users and the capabilities of what runs in the container.
func (c container) wantNoPrivileges(running *caddy) {
	c.t.Helper()
	found := false
	for _, pid := range descendants(c.t, strconv.Itoa(running.cmd.Process.Pid)) {
		status := read(c.t, "/proc/"+pid+"/status")
		if !strings.HasPrefix(status, "Name:\tcaddy\n") {
			continue
		}
		found = true
		for _, want := range []string{"\nUid:\t65532\t65532\t65532\t65532\n", "\nCapEff:\t0000000000000000\n", "\nCapPrm:\t0000000000000000\n"} {
			if !strings.Contains(status, want) {
				c.t.Errorf("process %s lacks %q:\n%s", pid, want, status)
			}
		}
	}
	if !found {
		c.t.Error("nothing runs in the container")
	}
}

// descendants are the processes that a process has started, and those that they have.
func descendants(t *testing.T, pid string) []string {
	t.Helper()
	var all []string
	for _, child := range strings.Fields(sh(t, "", "pgrep -P "+pid+" || true")) {
		all = append(append(all, child), descendants(t, child)...)
	}
	return all
}
