package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// What a document shows is run. In the order of the document:
//
//   - a `sh` block with `go run ./cmd/caddy run --config <file>` starts Caddy, and
//     one with `examples/<folder>/run` what that starts, beside those that the
//     section started before it
//   - a `caddyfile` block starts a new Caddy with it; one that does not begin
//     with global options is put into the site of Caddyfile.example
//   - a `yaml` block is a whole applications.yaml, and must be valid
//   - a `console` block is typed in: after `$ ` a command, then what it prints,
//     "…" standing for anything
//   - a block with a file name after its kind, as "python orders.py", is written to that
//     file
//
// Blocks of other kinds are for reading. The pages in docs/clients need programs of other
// languages: TestPeerPages runs them.
func TestDocuments(t *testing.T) {
	t.Parallel()
	for _, path := range documents(t) {
		t.Run(strings.TrimPrefix(path, "../"), func(t *testing.T) {
			t.Parallel()
			runDocument(t, read(t, path), nil)
		})
	}
}

func documents(t *testing.T) []string {
	t.Helper()
	paths := []string{"../README.md"}
	for _, pattern := range []string{"../docs/*.md", "../docs/migrate/*.md", "../docs/deploy/*.md", "../examples/*/README.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	return paths
}

// Every example has a document, which is run.
func TestEveryExampleIsRun(t *testing.T) {
	t.Parallel()
	folders, err := os.ReadDir("../examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if !folder.IsDir() {
			continue // the index
		}
		document := read(t, filepath.Join("../examples", folder.Name(), "README.md"))
		if !startsCaddy(document) || !strings.Contains(document, "```console\n$ ") {
			t.Errorf("examples/%s/README.md shows no Caddy to start, or no command to type", folder.Name())
		}
	}
	if len(folders) == 0 {
		t.Error("there are no examples")
	}
}

var (
	runCommand = regexp.MustCompile(`(?m)^go run \./cmd/caddy run --config (\S+)$`)
	runScript  = regexp.MustCompile(`(?m)^(examples/[a-z0-9-]+/run)$`)
)

// startsCaddy reports whether a document has a block that does.
func startsCaddy(document string) bool {
	return slices.ContainsFunc(blocks(document), func(b block) bool {
		return b.kind == "sh" && (runCommand.MatchString(b.text) || runScript.MatchString(b.text))
	})
}

// block is a fenced block of a document.
type block struct {
	kind, text string
	heading    string
	line       int
}

// file returns the name of the file that the block is, or "".
func (b block) file() string {
	_, name, _ := strings.Cut(b.kind, " ")
	return name
}

func blocks(document string) []block {
	var found []block
	var open *block
	heading := ""
	for i, line := range strings.Split(document, "\n") {
		switch {
		case open != nil && strings.TrimSpace(line) == "```":
			found = append(found, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "```"):
			open = &block{kind: strings.TrimPrefix(line, "```"), heading: heading, line: i + 2}
		case strings.HasPrefix(line, "#"):
			heading = line
		}
	}
	return found
}

// runDocument runs a document in a copy of the repository, into which prepare may put
// more. It returns variables for the commands.
func runDocument(t *testing.T, document string, prepare func(root string) []string) {
	p := newPorts(t)
	root := repository(t, p)
	var env []string
	if prepare != nil {
		env = prepare(root)
	}
	home := t.TempDir()
	var running []interface{ stop() }
	stopAll := func() {
		for _, c := range slices.Backward(running) {
			c.stop()
		}
		running = nil
	}
	restart := func() {
		if len(running) > 0 {
			stopAll()
			// What was revoked a moment ago takes the tokens of this second with it. A reader
			// takes longer.
			time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
		}
	}
	runs := 0
	heading, fromBlock := "", false // what runs is of this section, and of a caddyfile block
	for _, b := range blocks(document) {
		if name := b.file(); name != "" {
			write(t, filepath.Join(root, name), p.replace(b.text))
			continue
		}
		if b.heading != heading && b.kind != "console" {
			restart()
		}
		switch b.kind {
		case "sh":
			if fromBlock && len(running) > 0 && (runCommand.MatchString(b.text) || runScript.MatchString(b.text)) {
				t.Fatalf("line %d: the Caddy of the block before runs at the same ports, and Linux gives each some of the requests; begin a section", b.line)
			}
			fromBlock = false
			if match := runCommand.FindStringSubmatch(b.text); match != nil {
				running = append(running, startIn(t, root, match[1], home, p))
				heading = b.heading
			}
			if match := runScript.FindStringSubmatch(b.text); match != nil {
				running = append(running, startScript(t, root, match[1], home, p))
				heading = b.heading
			}
		case "caddyfile":
			restart()
			heading = b.heading
			write(t, filepath.Join(root, "Caddyfile.block"), p.replace(wholeCaddyfile(b.text)))
			running, fromBlock = append(running, startIn(t, root, "Caddyfile.block", home, p)), true
		case "yaml":
			checkApplications(t, b)
		case "console":
			runs++
			runConsole(t, root, home, p, b, len(running) > 0, env)
		}
	}
	stopAll()
	if runs == 0 && strings.Contains(document, "```console") {
		t.Error("no console block was run")
	}
}

// repository is a copy of what a reader has, ports aside.
func repository(t *testing.T, p *ports) string {
	t.Helper()
	root := t.TempDir()
	copyFile := func(path string) {
		write(t, filepath.Join(root, path), p.replace(read(t, filepath.Join("..", path))))
		if info, err := os.Stat(filepath.Join("..", path)); err != nil || os.Chmod(filepath.Join(root, path), info.Mode()) != nil {
			t.Fatalf("copying the mode of %s: %v", path, err)
		}
	}
	copyFile("Caddyfile.example")
	copyFile("applications.example.yaml")
	err := fs.WalkDir(os.DirFS(".."), "examples", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "made": // by whoever typed the commands here
			return fs.SkipDir
		case !entry.IsDir():
			copyFile(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// wholeCaddyfile puts a block that is part of a site into the site of the
// example, in place of what that shows.
func wholeCaddyfile(text string) string {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return text
	}
	return `
{
	auto_https disable_redirects
	skip_install_trust
	tokenidp {
		issuer https://localhost:5001 {
			applications applications.example.yaml
		}
	}
}

localhost:5001 {
	tokenidp
` + text + `
}

http://localhost:5002 {
	bind 127.0.0.1
	respond "Hello {header.X-Client-Id}, you may {header.X-Scope}
"
}
`
}

// checkApplications has Caddy validate a block as an applications.yaml.
func checkApplications(t *testing.T, b block) {
	t.Helper()
	dir := workspace(t, newPorts(t), shopOptions+"localhost:5001 {\n\ttokenidp\n}\n", map[string]string{"applications.yaml": b.text})
	if _, errs, code := command(t, dir, "", "validate", "--config", "Caddyfile"); code != 0 {
		t.Errorf("line %d: not a valid applications.yaml: %s", b.line, errs)
	}
}

// runConsole types the commands of a block into one shell and compares what
// they print. Without a server, only commands of Caddy's own can be typed.
func runConsole(t *testing.T, root, home string, p *ports, b block, serving bool, env []string) {
	t.Helper()
	steps := parseConsole(b.text)
	if len(steps) == 0 {
		t.Errorf("line %d: a console block without a command", b.line)
	}
	const mark = "----- end of step -----"
	var script strings.Builder
	for _, s := range steps {
		if !serving && strings.Contains(s.command, "curl") {
			t.Errorf("line %d: no Caddy is running for %s", b.line, s.command)
			return
		}
		fmt.Fprintf(&script, "%s\nprintf '\\n%s\\n'\n", inPath(p, s.command), mark)
	}
	run := func(script string) (string, error) {
		shell := exec.Command("bash")
		shell.Dir = root
		shell.Env = append(environment(home, "localhost:"+p.free["2019"]), "BASH_ENV="+shellState(home))
		shell.Env[1] = "PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH")
		shell.Env = append(shell.Env, env...)
		shell.Stdin = strings.NewReader(script)
		output, err := shell.CombinedOutput()
		return string(output), err
	}
	output, err := run(script.String())
	if err != nil {
		t.Errorf("line %d: %v\n%s", b.line, err, output)
		return
	}
	printed := strings.Split(output, "\n"+mark+"\n")
	for i, s := range steps {
		if i >= len(printed) {
			t.Fatalf("line %d: the shell ended before: %s", b.line, s.command)
		}
		got, want := strings.TrimRight(printed[i], "\n"), p.replace(s.output)
		for deadline := time.Now().Add(patience); question.MatchString(s.command) && !matches(got, want) && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			again, _ := run(inPath(p, s.command))
			got = strings.TrimRight(again, "\n")
		}
		if !matches(got, want) {
			t.Errorf("line %d: $ %s\nprints:\n%s\nthe document says:\n%s", b.line, s.command, got, want)
		}
	}
}

// question matches the commands that ask a server, and change nothing. What the server does
// in the background, such as to make the next key, may come later than a script asks. A
// reader takes longer.
var question = regexp.MustCompile(`^go run ./cmd/caddy tokenidp (keys|status|report|trusted|usage)( --[^;|>]*)?(;|$)`)

// inPath returns the command of a document with the Caddy that is in the path, at the ports
// of the test.
func inPath(p *ports, command string) string {
	return strings.ReplaceAll(p.replace(command), "go run ./cmd/caddy", "caddy")
}

// shellState carries variables and functions from one console block of a
// document to the next, as one terminal would.
func shellState(home string) string {
	path := filepath.Join(home, ".shell-state")
	prelude := fmt.Sprintf("[ -f %[1]q.vars ] && . %[1]q.vars 2>/dev/null\ntrap '{ declare -p TOKEN; declare -f; } > %[1]q.vars 2>/dev/null' EXIT\n", path)
	_ = os.WriteFile(path, []byte(prelude), 0o600)
	return path
}

// step is a command and what it prints.
type step struct{ command, output string }

func parseConsole(text string) []step {
	var steps []step
	continued := false
	for line := range strings.Lines(text) {
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case continued:
			steps[len(steps)-1].command += line
		case isCommand:
			steps = append(steps, step{command: command})
		case len(steps) > 0:
			steps[len(steps)-1].output += line
		}
		continued = (isCommand || continued) && strings.HasSuffix(line, "\\\n")
	}
	for i := range steps {
		steps[i].command = strings.TrimRight(steps[i].command, "\n")
		steps[i].output = strings.TrimRight(steps[i].output, "\n")
	}
	return steps
}

// matches compares with a pattern in which "…" stands for anything.
func matches(got, pattern string) bool {
	parts := strings.Split(pattern, "…")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile(`(?s)^` + strings.Join(parts, ".*") + `$`).MatchString(got)
}

// startIn runs Caddy in the folder of the reader.
func startIn(t *testing.T, root, config, home string, p *ports) *caddy {
	t.Helper()
	return launch(t, &caddy{dir: root, home: home, ports: p, admin: "localhost:" + p.free["2019"]}, config)
}

// Every reason code has its paragraph, and every paragraph its code.
func TestEveryReasonIsExplained(t *testing.T) {
	t.Parallel()
	var reasons []string
	for _, r := range verifier.Reasons() {
		reasons = append(reasons, string(r))
	}
	for _, r := range oauth.Reasons() {
		reasons = append(reasons, string(r))
	}
	var explained []string
	for _, match := range regexp.MustCompile("(?m)^### `([a-z_]+)`$").FindAllStringSubmatch(read(t, "../docs/troubleshooting.md"), -1) {
		explained = append(explained, match[1])
	}
	for _, r := range reasons {
		if !slices.Contains(explained, r) {
			t.Errorf("docs/troubleshooting.md has no paragraph on %s", r)
		}
	}
	for _, e := range explained {
		if !slices.Contains(reasons, e) {
			t.Errorf("docs/troubleshooting.md explains %s, which is no reason", e)
		}
	}
}
