// Package probetest provisions configurations for tests.
package probetest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
)

// New provisions a Caddyfile, with these files beside it by their names. The test imports
// the modules that it needs.
func New(t testing.TB, caddyfile string, files map[string]string) *probe.Probe {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": filepath.Join(dir, "Caddyfile")})
	if err != nil {
		t.Fatal(err)
	}
	p, err := probe.New(adapted, probe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}
