package e2e

import (
	"bytes"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// pipeline is a repository with the files of examples/ci, and a base revision.
type pipeline struct {
	t       *testing.T
	dir     string
	results string
}

func newPipeline(t *testing.T) *pipeline {
	t.Helper()
	p := &pipeline{t: t, dir: t.TempDir(), results: filepath.Join(t.TempDir(), "results")}
	if err := os.CopyFS(filepath.Join(p.dir, "ci"), os.DirFS("../examples/ci")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Caddyfile", "applications.yaml"} {
		write(t, filepath.Join(p.dir, name), read(t, filepath.Join("../examples/ci", name)))
	}
	p.run("git init --quiet && git add . && git -c user.name=a -c user.email=a@example.com commit --quiet -m base")
	return p
}

// run runs a script, as a runner does, and returns what it prints, and its exit code.
func (p *pipeline) run(script string, environment ...string) (string, int) {
	p.t.Helper()
	cmd := exec.Command("bash", "-eo", "pipefail", "-c", script)
	cmd.Dir = p.dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.t.TempDir(), "CADDY=" + binary, "RESULTS=" + p.results, "XDG_DATA_HOME=" + p.t.TempDir(),
	}, environment...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return output.String(), cmd.ProcessState.ExitCode()
}

func (p *pipeline) change(file, from, to string) {
	p.t.Helper()
	text := read(p.t, filepath.Join(p.dir, file))
	if !strings.Contains(text, from) {
		p.t.Fatalf("%s has no %q", file, from)
	}
	write(p.t, filepath.Join(p.dir, file), strings.ReplaceAll(text, from, to))
}

// The review of a change says who gains what, and its exit code whether all is in order.
func TestPipelineReviews(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		file, from, to string
		environment    []string
		code           int
		want           string
	}{
		"nothing":              {"Caddyfile", "handle", "handle", nil, 0, "### Who can reach what: no difference\n"},
		"a rule is gone":       {"Caddyfile", "\t\tverify @write orders.write\n", "", nil, 1, "| gain | `orders-report` | `localhost:5001/orders*` |"},
		"a grant":              {"applications.yaml", "    scopes: [orders.read]\n", "    scopes: [orders.read, orders.write]\n", nil, 1, "\n#### Findings\n\n    applications.yaml:30  error  test-fails  orders-report\n"},
		"another upstream":     {"Caddyfile", "localhost:5002", "localhost:5003", nil, 0, "| change | `orders-report, orders-worker` |"},
		"and that is too much": {"Caddyfile", "localhost:5002", "localhost:5003", []string{"FAIL_ON=any"}, 1, "| change | `orders-report, orders-worker` |"},
		"a mistake":            {"Caddyfile", "orders.write", "orders.wriet", nil, 2, "#### The configurations cannot be compared\n\n    "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPipeline(t)
			p.change(row.file, row.from, row.to)
			output, code := p.run("bash ci/review.sh HEAD", row.environment...)
			if comment := read(t, filepath.Join(p.results, "comment.md")); code != row.code || !strings.HasPrefix(comment, "<!-- tokenidp -->\n") || !strings.Contains(comment, row.want) {
				t.Errorf("%d, want %d with %q: %s\n%s", code, row.code, row.want, comment, output)
			}
			if row.code < 2 {
				var junit struct {
					Tests int `xml:"tests,attr"`
				}
				if err := xml.Unmarshal([]byte(read(t, filepath.Join(p.results, "tests.xml"))), &junit); err != nil || junit.Tests != 6 {
					t.Errorf("%v %+v", err, junit)
				}
				if sarif := read(t, filepath.Join(p.results, "check.sarif")); !strings.Contains(sarif, `"2.1.0"`) {
					t.Error(sarif)
				}
			}
		})
	}
	p := newPipeline(t)
	if output, code := p.run("bash ci/review.sh --output=x"); code != 2 || !strings.Contains(output, "is not a revision") {
		t.Errorf("%d %s", code, output)
	}
	if output, code := p.run("CONFIG=other/Caddyfile bash ci/review.sh HEAD"); code != 2 || !strings.Contains(output, "There was no configuration before.") {
		t.Errorf("%d %s", code, output)
	}
}

// workflow is a workflow of GitHub.
type workflow struct {
	On          any            `yaml:"on"`
	Permissions map[string]any `yaml:"permissions"`
	Jobs        map[string]struct {
		If          string            `yaml:"if"`
		Permissions map[string]string `yaml:"permissions"`
		Steps       []struct {
			Name, Uses, Run string
			Env             map[string]string
			With            map[string]any
		}
	}
}

var pinned = regexp.MustCompile(`^[a-z-]+/[a-z-]+(/[a-z-]+)?@[0-9a-f]{40}$`)

// The workflow has least permissions, actions by their commit, and nothing of a pull
// request in a script. Its scripts do what they are for.
func TestGitHubWorkflow(t *testing.T) {
	t.Parallel()
	var w workflow
	if err := yaml.Unmarshal([]byte(read(t, "../examples/ci/github.yaml")), &w); err != nil {
		t.Fatal(err)
	}
	if w.On != "pull_request" || w.Permissions == nil || len(w.Permissions) != 0 {
		t.Errorf("on %v, permissions %v", w.On, w.Permissions)
	}
	scripts := make(map[string]string)
	for name, job := range w.Jobs {
		checksOut := false
		for _, s := range job.Steps {
			scripts[s.Name] = s.Run
			checksOut = checksOut || strings.HasPrefix(s.Uses, "actions/checkout@")
			if s.Uses != "" && !pinned.MatchString(s.Uses) || strings.Contains(s.Run, "${{") || strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
				t.Errorf("%s: %+v", name, s)
			}
		}
		for scope, access := range job.Permissions {
			if access == "write" && (checksOut || !strings.Contains(job.If, "head.repo.full_name == github.repository")) {
				t.Errorf("%s runs the pull request's files, or those of a fork, and may write %s", name, scope)
			}
		}
		if job.Permissions == nil {
			t.Errorf("%s has no permissions of its own", name)
		}
	}
	p := newPipeline(t)
	p.run(`git switch --quiet --create change && sed -i '/verify @write/d' Caddyfile && git -c user.name=a -c user.email=a@example.com commit --quiet -am change`)
	p.run(`git switch --quiet - && git -c user.name=a -c user.email=a@example.com merge --quiet --no-ff change -m merge`)
	if output, code := p.run(scripts["Review"]); code != 1 || !strings.Contains(output, "| gain | `orders-report` |") {
		t.Errorf("%d %s", code, output)
	}
	p.comments(scripts["Comment"])
}

// comments runs the script twice: first there is no comment, then there is one.
func (p *pipeline) comments(script string) {
	p.t.Helper()
	bin := p.t.TempDir()
	calls := filepath.Join(p.t.TempDir(), "calls")
	write(p.t, filepath.Join(bin, "gh"), "#!/bin/sh\necho \"$*\" >>"+calls+"\ncase \"$*\" in *paginate*) if [ -n \"$EXISTING\" ]; then printf '%s\\n' \"$EXISTING\" 99; fi;; esac\n")
	if err := os.Chmod(filepath.Join(bin, "gh"), 0o700); err != nil {
		p.t.Fatal(err)
	}
	environment := []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "REPOSITORY=o/r", "NUMBER=7"}
	for _, existing := range []string{"", "42"} {
		if output, code := p.run(script, append(environment, "EXISTING="+existing)...); code != 0 {
			p.t.Fatalf("%d %s", code, output)
		}
	}
	text := read(p.t, calls)
	for _, want := range []string{"--method POST repos/o/r/issues/7/comments -F body=@comment.md\n", "--method PATCH repos/o/r/issues/comments/42 -F body=@comment.md\n"} {
		if strings.Count(text, want) != 1 {
			p.t.Errorf("%q is not once in\n%s", want, text)
		}
	}
}

// The job of GitLab and the hook run the same script.
func TestOtherPipelines(t *testing.T) {
	t.Parallel()
	var jobs map[string]struct {
		Script    []string
		Variables map[string]string
		Artifacts struct{ Reports map[string]string }
	}
	text := read(t, "../examples/ci/gitlab.yaml")
	text = text[strings.Index(text, "\ntokenidp-review:"):] // the variables before it are no job
	if err := yaml.Unmarshal([]byte(text), &jobs); err != nil {
		t.Fatal(err)
	}
	p := newPipeline(t)
	p.change("Caddyfile", "\t\tverify @write orders.write\n", "")
	review := jobs["tokenidp-review"]
	if output, code := p.run(strings.Join(review.Script, "\n"), "CI_MERGE_REQUEST_DIFF_BASE_SHA=HEAD", "RESULTS="+review.Variables["RESULTS"]); code != 1 || !strings.Contains(output, "| gain | `orders-report` |") {
		t.Errorf("%d %s", code, output)
	}
	if file := filepath.Join(p.dir, review.Artifacts.Reports["junit"]); !strings.Contains(read(t, file), "<testsuites") {
		t.Error(file)
	}
	var hooks struct {
		Repos []struct {
			Hooks []struct{ Entry, Files string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../examples/ci/pre-commit.yaml")), &hooks); err != nil {
		t.Fatal(err)
	}
	hook := hooks.Repos[0].Hooks[0]
	if output, code := p.run(hook.Entry); code != 1 || !strings.Contains(output, "| gain | `orders-report` |") {
		t.Errorf("%d %s", code, output)
	}
	files := regexp.MustCompile(hook.Files)
	for _, name := range []string{"Caddyfile", "conf/Caddyfile", "applications.yaml", "conf/a.yml", "sites/a.caddyfile"} {
		if !files.MatchString(name) {
			t.Errorf("%s is not reviewed", name)
		}
	}
	for _, name := range []string{"README.md", "Caddyfile.orig"} {
		if files.MatchString(name) {
			t.Errorf("%s is reviewed", name)
		}
	}
}
