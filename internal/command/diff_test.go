package command

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// diffed writes both Caddyfiles with the same Applications, and returns their folders.
func diffed(t *testing.T, older, newer string) (olderDir, newerDir string) {
	t.Helper()
	dir := t.TempDir()
	for name, caddyfile := range map[string]string{"old": older, "new": newer} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		writeTo(t, filepath.Join(dir, name, "Caddyfile"), caddyfile)
		writeTo(t, filepath.Join(dir, name, "applications.yaml"), testedApplications)
	}
	return filepath.Join(dir, "old"), filepath.Join(dir, "new")
}

func writeTo(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(strings.TrimSuffix(text, "tests:\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

var (
	withoutWrite = strings.Replace(testedCaddyfile, "\t\tverify @write orders.write\n", "", 1)
	withoutRead  = strings.Replace(testedCaddyfile, "\t\tverify orders.read\n\t\tverify @write orders.write\n", "", 1)
)

// The exit code follows --fail-on, and 2 means no answer.
func TestDiffExitCodes(t *testing.T) {
	older, newer := diffed(t, testedCaddyfile, withoutRead)
	for _, row := range []struct {
		args []string
		want int
	}{
		{[]string{older, newer}, 0},
		{[]string{older, newer, "--fail-on", "gain"}, 1},
		{[]string{older, newer, "--fail-on", "loss"}, 0},
		{[]string{older, newer, "--fail-on", "any"}, 1},
		{[]string{newer, older, "--fail-on", "gain"}, 0},
		{[]string{newer, older, "--fail-on", "loss"}, 1},
		{[]string{older, older, "--fail-on", "any"}, 0},
		{[]string{filepath.Join(older, "Caddyfile"), newer}, 0},
		{[]string{older}, 2},
		{[]string{older, newer, older}, 2},
		{[]string{older, newer, "--fail-on", "gains"}, 2},
		{[]string{older, newer, "--running"}, 2},
		{[]string{older, "--running=both"}, 2},
		{[]string{older, "--running", "--address", "127.0.0.1:1"}, 2},
		{[]string{older, filepath.Join(older, "nothing")}, 2},
		{[]string{older, "git:HEAD"}, 2},
		{[]string{older, "git:--output=x:Caddyfile"}, 2},
	} {
		if r := run(t, append([]string{"diff"}, row.args...)...); r.code != row.want {
			t.Errorf("%q: exit code %d, want %d: %s%s", row.args, r.code, row.want, r.stdout, r.stderr)
		}
	}
}

func TestDiffPrints(t *testing.T) {
	older, newer := diffed(t, testedCaddyfile, withoutWrite)
	r := run(t, "diff", older, newer)
	for _, want := range []string{
		"gain: reader: api.example.com/orders*\n  POST,PUT,DELETE,PATCH,OPTIONS https://api.example.com/orders and ",
		"  before: refused: missing_scope: it lacks orders.write, by " + older + "/Caddyfile:16\n",
		"  now:    reverse_proxy localhost:9000, with orders.read\n",
		"not here, and taken as present: ", "1 gain, 0 losses, 0 changes\n",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("%q is not in\n%s", want, r.stdout)
		}
	}
	r = run(t, "diff", older, newer, "--json")
	var report diffReport
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || report.Gains != 1 || report.Differences[0].Clients[0] != "reader" || report.Old != older {
		t.Errorf("%v: %s", err, r.stdout)
	}
	r = run(t, "diff", older, older, "--markdown")
	if !strings.HasPrefix(r.stdout, "### Who can reach what: no difference\n") {
		t.Error(r.stdout)
	}
}

// Any text from a configuration stays text in a comment.
func TestDiffMarkdownIsText(t *testing.T) {
	nasty := "[x](javascript:a) <img src=x> @everyone | `` ` \\| **b** \u202e\n# title"
	d := diffRow{Kind: "opened", Route: nasty, Requests: []string{"GET https://a.example/" + nasty}, After: diffOutcome{Allowed: true, Handler: nasty}}
	row := d.markdown()
	if strings.Count(row, "\n") != 1 || !strings.HasPrefix(row, "| **OPEN** | `anybody` | ``` ") {
		t.Errorf("%s", row)
	}
	bare := strings.ReplaceAll(strings.ReplaceAll(row, `\\`, ""), `\|`, "")
	if strings.Count(bare, "|") != 7 {
		t.Errorf("the row has other cells: %s", row)
	}
	for range 1000 {
		report.Differences = append(report.Differences, d)
	}
	if text := report.markdown(); len(text) > 65_000 || !strings.Contains(text, "more differences are not shown here") {
		t.Errorf("%d characters", len(text))
	}
}

var report = diffReport{}

// A revision of Git is read without a change to the work tree, with the files next to it.
func TestDiffOfGitRevisions(t *testing.T) {
	older, newer := diffed(t, testedCaddyfile, withoutRead)
	repo := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", repo, "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"}, args...)...)
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %s", err, output)
		}
	}
	git("init")
	for _, dir := range []string{older, newer} {
		if err := os.RemoveAll(filepath.Join(repo, "conf")); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(repo, "conf"), os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		git("add", ".")
		git("commit", "-m", "x")
	}
	t.Chdir(filepath.Join(repo, "conf"))
	for _, args := range [][]string{{"git:HEAD~1:Caddyfile", "Caddyfile"}, {"git:HEAD~1:.", "git:main:."}} {
		r := run(t, append([]string{"diff", "--fail-on", "gain"}, args...)...)
		if r.code != 1 || !strings.Contains(r.stdout, "OPEN: anybody: api.example.com/orders*\n") || !strings.Contains(r.stdout, "by conf/Caddyfile:15\n") {
			t.Errorf("%q: %d\n%s%s", args, r.code, r.stdout, r.stderr)
		}
	}
	if r := run(t, "diff", "git:nothing:Caddyfile", "Caddyfile"); r.code != 2 || !strings.Contains(r.stderr, "finding the revision") {
		t.Errorf("%d %s", r.code, r.stderr)
	}
}

// A configuration from before TokenIDP can be the old one.
func TestDiffWithoutIssuers(t *testing.T) {
	older, newer := diffed(t, "api.example.com {\nreverse_proxy localhost:9000\n}\n", testedCaddyfile)
	r := run(t, "diff", older, newer, "--fail-on", "loss")
	if r.code != 1 || !strings.Contains(r.stdout, "closed: anybody: api.example.com") {
		t.Errorf("%d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
