package check

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// The examples of this repository have no findings, except those that they ignore.
func TestNothingIsFoundInTheExamples(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", t.TempDir())
	checked := 0
	for _, pattern := range []string{"Caddyfile.example", "examples/*/Caddyfile", "examples/*/*/Caddyfile"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name, _ := filepath.Rel(root, file)
			t.Run(name, func(t *testing.T) { checkExample(t, file) })
			checked++
		}
	}
	if checked < 15 {
		t.Errorf("only %d examples", checked)
	}
}

// withoutIssuer has nothing of this project.
const withoutIssuer = "examples/cluster/balancer/Caddyfile"

func checkExample(t *testing.T, file string) {
	t.Chdir(filepath.Dir(file))
	config := string(adapted(t, file))
	if strings.Contains(config, inContainer) {
		config = strings.ReplaceAll(config, inContainer, withoutTests(t, filepath.Join(filepath.Dir(file), "../applications.yaml")))
	}
	report, err := Config([]byte(config), Options{File: file, Now: noon})
	if strings.HasSuffix(filepath.ToSlash(file), withoutIssuer) {
		if err == nil || err.Error() != "no issuer is configured" {
			t.Errorf("%v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Ignored == nil {
			t.Errorf("%s: %s: %s: %s", f.Place, f.Rule.ID, f.Subject, f.Message)
		}
	}
}

// inContainer is the file of a container. Its routes differ from those of the example.
const inContainer = "/etc/caddy/applications.yaml"

// withoutTests returns a copy of a file of Applications.
func withoutTests(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	applications, _, _ := strings.Cut(string(text), "\ntests:")
	copied := filepath.Join(t.TempDir(), "applications.yaml")
	if err := os.WriteFile(copied, []byte(applications), 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}

// Every secret and every hash in the documents and examples is in the public list.
func TestPublishedSecretsAreKnown(t *testing.T) {
	written := regexp.MustCompile(`\$(?:argon2id\$v=19|sha256)\$[A-Za-z0-9+/=,$.]{40,}|tidp_[A-Za-z0-9_-]{40,}`)
	known := 0
	for _, pattern := range []string{"README.md", "*.yaml", "docs/*.md", "examples/*/*.yaml", "examples/*/*/*.yaml", "examples/*/*.md"} {
		files, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Base(file) == "checks.md" {
				continue // its hashes have no secret
			}
			for _, found := range written.FindAllString(string(text), -1) {
				known++
				if !published[secret.NewTag([]byte(found))] {
					t.Errorf("%s: %s is public, and the rule example-secret does not know it", file, found)
				}
			}
		}
	}
	if known < 10 {
		t.Errorf("only %d hashes were found", known)
	}
}
