package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is in force, and what is not in order, is one command away, with an exit
// code for whoever watches.
func TestStatusTellsWhatIsNotInOrder(t *testing.T) {
	t.Parallel()
	c := startTwoTeams(t)
	output, code := c.ctl("status")
	for _, want := range []string{"issues, with key " + c.kids()[0], "2 active, 0 inactive", "2 valid, 0 expiring", "apps/orders.yaml", "all is in order"} {
		if code != 0 || !strings.Contains(output, want) {
			t.Errorf("status lacks %q: %d\n%s", want, code, output)
		}
	}
	c.rewrite("apps/orders.yaml", "applications:\n  - client_id: half")
	c.eventually("the broken file", func() bool { output, code = c.ctl("status"); return code != 0 })
	if !strings.Contains(output, "PROBLEM") || !strings.Contains(output, "apps/orders.yaml:2:") || strings.Contains(output, "all is in order") {
		t.Errorf("a broken file:\n%s", output)
	}
	var all struct {
		Ready   bool
		Issuers []struct {
			Files    []struct{ Path, Problem, Since string }
			Problems []string
		}
		State struct {
			Kind     string
			Problems []string
		}
	}
	output, _ = c.ctl("status", "--json")
	line, _, _ := strings.Cut(output, "\n")
	if err := json.Unmarshal([]byte(line), &all); err != nil || !all.Ready || len(all.Issuers) != 1 ||
		len(all.Issuers[0].Problems) != 1 || all.Issuers[0].Files[0].Problem == "" || all.Issuers[0].Files[0].Since == "" ||
		all.State.Kind != "storage" || len(all.State.Problems) != 0 {
		t.Errorf("status --json: %v\n%s", err, output)
	}
	c.rewrite("apps/orders.yaml", team("orders", "worker"))
	c.eventually("order again", func() bool { output, code = c.ctl("status"); return code == 0 })

	// An entry that is no key.
	entries, err := filepath.Glob(filepath.Join(c.home, ".local/share/caddy/tokenidp/*/keys/*.json"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v %v", entries, err)
	}
	broken := filepath.Join(filepath.Dir(entries[0]), "2026-01-01.47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU.json")
	if err := os.WriteFile(broken, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.ctl("keys", "rotate") // reads the storage
	if output, code := c.ctl("status"); code == 0 || !strings.Contains(output, filepath.Base(broken)) {
		t.Errorf("an unreadable key: %d\n%s", code, output)
	}
}
