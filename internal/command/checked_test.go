package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/check"
)

// checked has an error, a warning, and a note that is suppressed.
const checkedApplications = `resources:
  - name: orders-api
    scopes: [{name: orders.read}, {name: orders.write}]
# tokenidp:ignore secret-never-expires for reader until 2999-01-31: it is in a vault
applications:
  - client_id: reader
    secrets:
      - {id: "1", hash: "$sha256$636222aa3dcfeec0e6cfe08ce9445ec2dcd02e0c3384ec6962f622377e07e995"}
    scopes: [orders.read]
    token_lifetime: 2h
`

func runChecked(t *testing.T, applications string, args ...string) ran {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{"Caddyfile": testedCaddyfile, "applications.yaml": applications} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return run(t, append([]string{"check"}, args...)...)
}

func TestCheck(t *testing.T) {
	r := runChecked(t, checkedApplications)
	for _, want := range []string{
		"applications.yaml:8   error    example-secret", `  application "reader": secret "1": it is the secret of an example`, "  Make a secret with `caddy tokenidp secret`",
		"applications.yaml:10  warning  long-token-lifetime", "Caddyfile:29", "report-only", "not here, and taken as present: ", ", 1 suppressed\n",
	} {
		if !strings.Contains(strings.Join(strings.Fields(r.stdout), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%q is not in\n%s", want, r.stdout)
		}
	}
	if strings.Contains(r.stdout, "secret-never-expires") || r.code != 1 || !strings.Contains(r.stderr, "findings are at least as bad as --fail-on error") {
		t.Errorf("%d %s%s", r.code, r.stdout, r.stderr)
	}
}

// The exit code is 1 for a finding that is as bad as --fail-on says, and not suppressed.
func TestCheckFailsOn(t *testing.T) {
	const fine = "resources: [{name: a, scopes: [{name: a.read}]}]\napplications: [{client_id: reader, scopes: [a.read], active: false}]\n"
	note := strings.Replace(fine, "active: false", `secrets: [{id: "1", hash: "$sha256$`+strings.Repeat("0a", 32)+`"}]`, 1)
	warned := strings.Replace(note, "secrets:", "token_lifetime: 2h, secrets:", 1)
	ignored := "# tokenidp:ignore secret-never-expires for reader until 2999-01-31: it is in a vault\n" + note
	dir := t.TempDir()
	file := filepath.Join(dir, "team.yaml")
	for _, row := range []struct {
		text, failOn string
		want         int
	}{
		{fine, "note", 0}, {note, "note", 1}, {note, "warning", 0}, {warned, "warning", 1}, {warned, "error", 0}, {warned, "never", 0}, {ignored, "note", 0},
	} {
		if err := os.WriteFile(file, []byte(row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := run(t, "check", file, "--fail-on", row.failOn); r.code != row.want {
			t.Errorf("--fail-on %s: %d, want %d: %s%s", row.failOn, r.code, row.want, r.stdout, r.stderr)
		}
	}
}

func TestCheckWithoutAnswer(t *testing.T) {
	for want, args := range map[string][]string{
		`--fail-on "eror" is not one of error, warning, note, never; did you mean error?`: {"--fail-on", "eror"},
		"leave these out, or the files":           {"applications.yaml", "--config", "Caddyfile"},
		"--resource is for files of Applications": {"--resource", "orders-api"},
		"nothing.yaml cannot be read":             {"nothing.yaml"},
		"Caddyfile:2: not YAML":                   {"Caddyfile"},
		"--sarif: ":                               {"--sarif", "no-folder/results.sarif"},
		"connection refused":                      {"--address", "127.0.0.1:1"},
		"the resource orders-api is in the file; name those that are el": {"applications.yaml", "--resource", "orders-api"},
	} {
		if r := runChecked(t, checkedApplications, args...); r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("%q: %d %s, want %q", args, r.code, r.stderr, want)
		}
	}
	const unowned = "applications: [{client_id: reader, scopes: [a.read], active: false}]\n"
	if r := runChecked(t, unowned, "applications.yaml"); r.code != 2 || !strings.Contains(r.stderr, `scope "a.read" is owned by no resource`) {
		t.Errorf("%d %s", r.code, r.stderr)
	}
	if r := runChecked(t, unowned, "applications.yaml", "--resource", "a"); r.code != 0 || !strings.Contains(r.stdout, "taken as present: the scopes a.read, which count as those of a\n") {
		t.Errorf("%d %s%s", r.code, r.stdout, r.stderr)
	}
}

// The check of a file alone reports that its tests did not run.
func TestCheckLeavesOutTests(t *testing.T) {
	r := runChecked(t, checkedApplications+"tests:\n  - {anonymous: true, deny: [GET https://a.example.com/]}\n", "applications.yaml")
	if want := "not run: applications.yaml:12: the test is about routes, which are in a configuration of Caddy\n"; r.code != 1 || !strings.Contains(r.stdout, want) {
		t.Errorf("%d %s%s", r.code, r.stdout, r.stderr)
	}
}

func TestCheckAsJSONAndSARIF(t *testing.T) {
	r := runChecked(t, checkedApplications, "--json", "--sarif", "results.sarif")
	var report check.JSON
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || report.Counts[check.Error] < 1 {
		t.Fatalf("%v %s", err, r.stdout)
	}
	suppressed := 0
	for _, f := range report.Findings {
		if f.Suppressed != nil {
			suppressed++
			if f.Suppressed.Reason != "it is in a vault" || f.Suppressed.Until != "2999-01-31" || !strings.HasSuffix(f.Suppressed.Source, "applications.yaml:4") {
				t.Errorf("%+v", f.Suppressed)
			}
		}
	}
	if suppressed != 1 {
		t.Errorf("%d findings are suppressed", suppressed)
	}
	written, err := os.ReadFile("results.sarif")
	if err != nil {
		t.Fatal(err)
	}
	if printed := runChecked(t, checkedApplications, "--sarif", "-"); !strings.Contains(printed.stdout, `"version":"2.1.0"`) || !strings.Contains(string(written), `"ruleId":"example-secret"`) {
		t.Errorf("%s\n%s", printed.stdout, written)
	}
}
