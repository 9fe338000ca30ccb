package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// foreignMain is the program that `xcaddy build --with
// github.com/tokenidp/caddy-tokenidp` writes.
const foreignMain = `package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/tokenidp/caddy-tokenidp"
)

func main() { caddycmd.Main() }
`

// xcaddy makes a module of its own that imports this one and nothing else of
// ours, as xcaddy does, and builds it without the network.
func xcaddy(t *testing.T) (caddy string) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/tokenidp/caddy-tokenidp"
	dir := t.TempDir()
	write(t, filepath.Join(dir, "main.go"), foreignMain)
	write(t, filepath.Join(dir, "go.sum"), read(t, "../go.sum"))
	write(t, filepath.Join(dir, "go.mod"), strings.Replace(read(t, "../go.mod"), "module "+module, "module caddy", 1)+
		"\nrequire "+module+" v0.0.0\n\nreplace "+module+" => "+root+"\n")
	caddy = filepath.Join(dir, "caddy")
	build := exec.Command("go", "build", "-mod=mod", "-o", caddy, ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building as xcaddy does: %v\n%s", err, output)
	}
	return caddy
}

func TestXcaddyBuild(t *testing.T) {
	t.Parallel()
	caddy := xcaddy(t)
	run := func(t *testing.T, args ...string) string {
		t.Helper()
		cmd := exec.Command(caddy, args...)
		cmd.Dir, cmd.Env = "..", environment(t.TempDir(), "localhost:0")
		output, err := cmd.Output()
		if err != nil {
			t.Fatalf("caddy %s: %v", strings.Join(args, " "), err)
		}
		return string(output)
	}

	t.Run("its modules", func(t *testing.T) {
		var modules []string
		for line := range strings.Lines(run(t, "list-modules", "--skip-standard")) {
			if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, ": ") {
				modules = append(modules, line)
			}
		}
		want := []string{"admin.api.tokenidp", "http.handlers.protected_resource", "http.handlers.tokenidp", "http.handlers.tokenidp_status", "http.handlers.verify", "http.matchers.token_scope", "http.matchers.tokenidp_ready", "tokenidp", "tokenidp.state.memory", "tokenidp.state.redis", "tokenidp.state.storage"}
		slices.Sort(modules)
		if !slices.Equal(modules, want) {
			t.Errorf("modules %v, want %v", modules, want)
		}
	})
	t.Run("the example adapts", func(t *testing.T) {
		var config struct {
			Apps map[string]json.RawMessage
		}
		if err := json.Unmarshal([]byte(run(t, "adapt", "--config", "Caddyfile.example")), &config); err != nil {
			t.Fatal(err)
		}
		if config.Apps["tokenidp"] == nil || !strings.Contains(string(config.Apps["http"]), `"handler":"verify"`) {
			t.Errorf("adapted to %v", config.Apps)
		}
	})
	t.Run("its command", func(t *testing.T) {
		if help := run(t, "tokenidp", "--help"); !strings.Contains(help, "\n  secret  ") {
			t.Errorf("the help lists no command secret:\n%s", help)
		}
		if help := run(t, "help"); !strings.Contains(help, "\n  tokenidp  ") {
			t.Errorf("the help lists no command tokenidp:\n%s", help)
		}
	})
}
