package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/tokenidp/caddy-tokenidp/caddyfile"
)

const (
	usualResources = `resources:
  - name: orders-api
    scopes:
      - name: orders.read
      - name: orders.write
`
	usualApplications = `applications:
  - client_id: orders-worker
    secrets:
      - id: "2026-11"
        hash: "$sha256$0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
        expires: 2027-06-30
    scopes: [orders.read]
`
	usualOptions = `{
	tokenidp {
		issuer https://localhost:5001 {
			applications applications.yaml
		}
	}
}

`
	usualRoutes = `handle /orders* {
	verify orders.read
	reverse_proxy localhost:5002
}
`
)

// noon is the clock of all tests.
func noon() time.Time { return time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC) }

// example is the example of a section of docs/checks.md: the blocks by their kind.
type example map[string]string

// examplesOf reads the blocks of a section. The passing example uses the blocks of the
// failing one that it does not replace.
func examplesOf(section string) (failing, passing example) {
	failing, passing = make(example), make(example)
	var into example
	kind := ""
	for line := range strings.Lines(section) {
		words := strings.Fields(strings.TrimPrefix(line, "```"))
		switch {
		case strings.TrimSpace(line) == "```":
			into = nil
		case strings.HasPrefix(line, "```") && len(words) == 2:
			kind, into = words[0], map[string]example{"failing": failing, "passing": passing}[words[1]]
		case into != nil:
			into[kind] += line
		}
	}
	for kind, text := range failing {
		if len(passing) > 0 && passing[kind] == "" {
			passing[kind] = text
		}
	}
	return failing, passing
}

// write makes the files of the example in the working directory.
func (e example) write(t *testing.T) {
	t.Helper()
	applications, caddyfile := e["yaml"], e["caddyfile"]
	if !strings.Contains("\n"+applications, "\napplications:") {
		applications = usualApplications + applications
	}
	if !strings.Contains("\n"+applications, "\nresources:") {
		applications = usualResources + applications
	}
	if caddyfile == "" {
		caddyfile = usualRoutes
	}
	if !strings.HasPrefix(caddyfile, "{") {
		caddyfile = usualOptions + "localhost:5001 {\n\ttokenidp\n" + caddyfile + "}\n"
	}
	writeFiles(t, map[string]string{"applications.yaml": applications, "Caddyfile": caddyfile})
	if script := e["sh"]; script != "" {
		if output, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, output)
		}
	}
}

func writeFiles(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// adapted returns a Caddyfile as JSON.
func adapted(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": file})
	if err != nil {
		t.Fatal(err)
	}
	return caddy.RemoveMetaFields(config)
}

// checkHere checks the Caddyfile of the working directory.
func checkHere(t *testing.T) *Report {
	t.Helper()
	report, err := Config(adapted(t, "Caddyfile"), Options{File: "Caddyfile", Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func (r *Report) has(rule *Rule) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Rule == rule && f.Ignored == nil })
}

// The failing example of each section has a finding of its rule, with a place, and the
// passing one has none.
func TestExamplesOfTheDocument(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules {
		t.Run(string(r.ID), func(t *testing.T) {
			_, section, _ := strings.Cut(string(text), "### "+string(r.ID)+"\n")
			section, _, _ = strings.Cut(section, "\n### ")
			failing, passing := examplesOf(section)
			if len(failing) == 0 || len(passing) == 0 {
				t.Fatal("docs/checks.md has no example that fails, or none that passes")
			}
			t.Chdir(t.TempDir())
			failing.write(t)
			report := checkHere(t)
			if !report.has(r) {
				t.Errorf("it does not fail: %s", report.ids())
			}
			for _, f := range report.Findings {
				if f.Place.File == "" || f.Subject == "" || f.Message == "" || filepath.IsAbs(f.Subject) {
					t.Errorf("this finding is not complete: %+v", f)
				}
			}
			t.Chdir(t.TempDir())
			passing.write(t)
			if report := checkHere(t); report.has(r) {
				t.Errorf("it does not pass: %+v", report.Findings)
			}
		})
	}
}

func (r *Report) ids() (ids []string) {
	for _, f := range r.Findings {
		ids = append(ids, string(f.Rule.ID))
	}
	return ids
}
