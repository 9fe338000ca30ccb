package tokenidp

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// TestDeactivationByReloadIsEmitted checks that subscribers hear of an Application that a
// reload deactivates. Caddy starts its apps in any order, so the events app may start last:
// ten reloads have both orders.
func TestDeactivationByReloadIsEmitted(t *testing.T) {
	dir, _ := writeCostApplications(t)
	declared, err := os.ReadFile(filepath.Join(dir, "applications.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	load := func(active bool) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "applications.yaml") // another file, so that no watcher sees the change
		if err := os.WriteFile(file, fmt.Appendf(nil, "%s    active: %t\n", declared, active), 0o600); err != nil {
			t.Fatal(err)
		}
		config := strings.NewReplacer("DIR/applications.yaml", file, "DIR", dir, "EVENT", eventDeactivated).Replace(eventsConfig)
		if err := caddy.Load([]byte(config), true); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = caddy.Stop() })
	for n := range 10 {
		load(true)
		load(false)
		if data := heard(t); data["event"] != eventDeactivated || data["client_id"] != "orders-worker" {
			t.Errorf("reload %d: %v", n, data)
		}
	}
}

// heard returns what the subscriber was told.
func heard(t *testing.T) map[string]any {
	t.Helper()
	select {
	case data := <-told:
		return data
	case <-time.After(time.Minute):
		t.Fatal("nobody was told")
		return nil
	}
}
