package application

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

const (
	generated = "tidp_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh83zflnA"
	bcryptPHP = "$2y$10$92IXUNpkjO0rOQ5byMi.Ye4oKoEa3Ro9llC/.og/at2.uheWG/igi"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func wantFast(t *testing.T, a *Application, presented, id string, want secret.Match) {
	t.Helper()
	s, match := a.Secrets.CheckFast(presented, noon)
	if match != want || (s != nil) != (want == secret.Matched) || s != nil && s.ID != id {
		t.Errorf("CheckFast(%q) = %v, %v; want %q, %v", presented, s, match, id, want)
	}
}

// write writes files, by their names, into their own folder.
func write(t testing.TB, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load reads the files and unites them.
func load(o Options, paths ...string) (*Set, error) {
	var parts []Part
	for _, path := range paths {
		data, _, err := ReadFile(path, MaxFileSize)
		if err != nil {
			parts = append(parts, Part{Document: Unreadable(path, err)})
		} else {
			parts = append(parts, Part{Document: Read(path, data, o)})
		}
	}
	return Union(parts)
}

// loadFrom loads the files from dir at noon. Its error and warnings do not contain dir.
func loadFrom(dir string, paths ...string) (set *Set, warnings []string, failure string) {
	for i := range paths {
		paths[i] = filepath.Join(dir, paths[i])
	}
	set, err := load(Options{Now: func() time.Time { return noon }}, paths...)
	if err != nil {
		return set, nil, strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
	}
	for _, w := range set.Warnings() {
		warnings = append(warnings, strings.ReplaceAll(w.String(), dir+string(filepath.Separator), ""))
	}
	return set, warnings, ""
}

func loadText(t testing.TB, content string) (*Set, []string, string) {
	t.Helper()
	return loadFrom(write(t, map[string]string{"a.yaml": content}), "a.yaml")
}

func mustLoad(t testing.TB, content string) *Set {
	t.Helper()
	set, _, failure := loadText(t, content)
	if failure != "" {
		t.Fatal(failure)
	}
	return set
}

func team(name string) string {
	return fmt.Sprintf("resources:\n  - name: %s-api\n    scopes: [{name: %[1]s.read}]\n"+
		"applications:\n  - client_id: %[1]s\n    active: false\n    scopes: [%[1]s.read]\n", name)
}

func TestScopesOfAnotherFile(t *testing.T) {
	dir := write(t, map[string]string{
		"1.yaml": "applications:\n  - client_id: x\n    active: false\n    scopes: [b.read]\n",
		"2.yaml": team("b"),
	})
	set, _, failure := loadFrom(dir, "1.yaml", "2.yaml")
	if failure != "" {
		t.Fatal(failure)
	}
	a, _ := set.Application("x")
	if grant, err := set.Grant(a, "b.read", nil, time.Hour); err != nil || grant.Audience != "b-api" {
		t.Errorf("Grant = %v, %v", grant, err)
	}
}

func TestExpand(t *testing.T) {
	hash, _ := secret.HashGenerated(generated)
	const text = "resources: [{name: a-api, scopes: [{name: a.read, description: '{env.D}'}]}]\napplications:\n" +
		"  - client_id: '{env.ID}'\n    client_name: '{env.N}'\n    scopes: [a.read]\n    secrets: [{id: '{env.S}', hash: '{env.H}'}]\n"
	path := filepath.Join(write(t, map[string]string{"a.yaml": text}), "a.yaml")
	var asked []string
	expanded := func(value string, err error) (*Set, error) {
		asked = nil
		return load(Options{Expand: func(s string) (string, error) {
			asked = append(asked, s)
			return value, err
		}}, path)
	}
	place := path + `:6: application "{env.ID}": secret "{env.S}": hash `

	set, err := expanded("\uFEFF"+hash+"\r\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) != 1 || asked[0] != "{env.H}" {
		t.Errorf("expanded %q; want only the hash", asked)
	}
	a, ok := set.Application("{env.ID}")
	if !ok {
		t.Fatal("the client_id was expanded")
	}
	if _, match := a.Secrets.CheckFast(generated, noon); match != secret.Matched {
		t.Errorf("match %v", match)
	}
	if _, err := expanded("", errors.New("H is not set")); err == nil || err.Error() != place+"cannot be expanded: H is not set" {
		t.Error(err)
	}
	if _, err := expanded("hunter2", nil); err == nil || !strings.HasPrefix(err.Error(), place+"is not usable: it has none of the accepted forms") || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
	if _, err := load(Options{}, path); err == nil || !strings.HasPrefix(err.Error(), place+"is not usable: it has none") {
		t.Error(err)
	}
}

func TestErrorsAreLimited(t *testing.T) {
	var text strings.Builder
	text.WriteString("applications:\n")
	for range 5000 {
		text.WriteString("  - nonsense: 1\n")
	}
	_, _, failure := loadText(t, text.String())
	lines := strings.Split(failure, "\n")
	if len(lines) != 21 || lines[20] != "… and 14980 more" {
		t.Errorf("%d lines, the last being %q", len(lines), lines[len(lines)-1])
	}
	if want := `a.yaml:2: application 1: unknown field "nonsense"; known: client_id, client_name, active, `; !strings.HasPrefix(lines[0], want) {
		t.Errorf("got %s, want %s", lines[0], want)
	}
}
