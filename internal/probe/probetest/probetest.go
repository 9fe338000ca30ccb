// Package probetest provisions configurations for tests.
package probetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// New provisions a Caddyfile, with these files beside it by their names. The test imports
// the modules that it needs.
func New(t testing.TB, caddyfile string, files map[string]string) *probe.Probe {
	t.Helper()
	p, err := probe.New(Adapt(t, caddyfile, files), probe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// Adapt returns the JSON of a Caddyfile, with these files beside it by their names.
func Adapt(t testing.TB, caddyfile string, files map[string]string) []byte {
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
	return adapted
}

// App provisions a configuration like `caddy validate`, until the test ends.
func App(t testing.TB, config []byte) *tokenidp.App {
	t.Helper()
	var cfg caddy.Config
	if err := json.Unmarshal(config, &cfg); err != nil {
		t.Fatal(err)
	}
	ctx := Context(t, &cfg)
	if _, err := ctx.App("http"); err != nil {
		t.Fatal(err)
	}
	app, err := ctx.App("tokenidp")
	if err != nil {
		t.Fatal(err)
	}
	return app.(*tokenidp.App)
}

// Context provisions a configuration like `caddy validate`. What is loaded with the context
// is cleaned up when the test ends.
func Context(t testing.TB, cfg *caddy.Config) caddy.Context {
	t.Helper()
	ctx, err := caddy.ProvisionContext(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := caddy.NewContext(ctx)
	t.Cleanup(end)
	return ctx
}
