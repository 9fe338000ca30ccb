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
	// It is no reason to restart the server, which would not start.
	if output, code := c.ctl("status", "--ready"); code != 0 || output != "this server is ready\n" {
		t.Errorf("status --ready ends with %d: %s", code, output)
	}
	var all struct {
		Ready   bool
		Issuers []struct {
			Files    []struct{ Path, Problem, Since string }
			Problems []string
		}
		Version string
		State   struct {
			Kind     string
			Problems []string
		}
	}
	output, _ = c.ctl("status", "--json")
	line, _, _ := strings.Cut(output, "\n")
	if err := json.Unmarshal([]byte(line), &all); err != nil || !all.Ready || all.Version == "" || all.Version == "unknown" || len(all.Issuers) != 1 ||
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

	// A retired key that the storage has lost: its tokens would not outlive a restart.
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	retired := read(t, entries[0])
	c.ctl("keys", "rotate", "--now")
	if output, code := c.ctl("status"); code != 0 {
		t.Errorf("a rotation: %d\n%s", code, output)
	}
	if err := os.Remove(entries[0]); err != nil {
		t.Fatal(err)
	}
	c.ctl("keys", "rotate")
	if output, code := c.ctl("status"); code == 0 || !strings.Contains(output, "the storage has lost retired keys") || !strings.Contains(output, filepath.Base(entries[0])) ||
		!strings.Contains(c.metrics(), `caddy_tokenidp_keys_in_order{issuer="`+c.url("https://localhost:5001")+`"} 0`) {
		t.Errorf("a lost key: %d\n%s", code, output)
	}
	write(t, entries[0], retired)
	c.ctl("keys", "rotate")
	if output, code := c.ctl("status"); code != 0 {
		t.Errorf("the lost key is back: %d\n%s", code, output)
	}
}

// A file that leaves a glob may be a mistake: status and the metric name the Applications
// that are lost, until they are back or a reload confirms that.
func TestStatusNamesApplicationsThatLeftWithTheirFile(t *testing.T) {
	t.Parallel()
	c := startTwoTeams(t)
	guests := strings.NewReplacer("resources:", "", "  - name: guests-api", "", "    scopes: [{name: guests.read}, {name: guests.write}]", "", "guests.read", "orders.read").Replace(team("guests", "one", "two", "three"))
	inOrder := func(want bool) bool {
		output, code := c.ctl("status")
		metric := `caddy_tokenidp_applications_in_order{issuer="` + c.url("https://localhost:5001") + `"} `
		named := strings.Contains(output, "apps/guests.yaml: the file is gone, and with it 3 Applications: one two three")
		return (code == 0) == want && named != want && strings.Contains(c.metrics(), metric+map[bool]string{true: "1", false: "0"}[want])
	}
	remove := func() {
		t.Helper()
		c.rewrite("apps/guests.yaml", guests)
		c.eventually("three more Applications", func() bool {
			output, _ := c.ctl("status")
			return strings.Contains(output, "5 active") && inOrder(true)
		})
		if err := os.Remove(filepath.Join(c.dir, "apps/guests.yaml")); err != nil {
			t.Fatal(err)
		}
		c.eventually("the file to be missed", func() bool { return inOrder(false) })
	}
	remove()
	remove() // it was put back before
	if output, code := c.tryReload("--force"); code != 0 || !inOrder(true) {
		t.Errorf("after a reload: %d\n%s", code, output)
	}
	c.entries("a file of applications is gone, and Applications with it")
}
