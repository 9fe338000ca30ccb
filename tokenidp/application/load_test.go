package application

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// write puts files, by their names, into a folder of their own.
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

// loadFrom loads the patterns from dir at noon. Its error and warnings leave dir out.
func loadFrom(dir string, patterns ...string) (set *Set, warnings []string, failure string) {
	for i := range patterns {
		patterns[i] = filepath.Join(dir, patterns[i])
	}
	set, err := Load(patterns, Options{Now: func() time.Time { return noon }})
	if err != nil {
		return set, nil, strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
	}
	warnings = set.Warnings()
	for i := range warnings {
		warnings[i] = strings.ReplaceAll(warnings[i], dir+string(filepath.Separator), "")
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

func clientIDs(s *Set) string {
	var ids []string
	for _, a := range s.Applications() {
		ids = append(ids, a.ClientID)
	}
	return strings.Join(ids, " ")
}

func TestLoadSeveralFiles(t *testing.T) {
	dir := write(t, map[string]string{
		"teams/b.yaml": team("b"), "teams/a.yaml": team("a"), "teams/.a.yaml": team("a"), "teams/readme.md": "x",
		"z.yaml": team("z"), ".hidden/h.yaml": team("h"),
	})
	for _, row := range []struct {
		name     string
		patterns []string
		ids      string
		files    string
	}{
		{"one", []string{"z.yaml"}, "z", "z.yaml"},
		{"a glob, in its order", []string{"teams/*.yaml"}, "a b", "teams/a.yaml teams/b.yaml"},
		{"both, in the order named", []string{"z.yaml", "teams/*.yaml"}, "a b z", "z.yaml teams/a.yaml teams/b.yaml"},
		{"one path twice", []string{"teams/*.yaml", "teams/../teams/a.yaml"}, "a b", "teams/a.yaml teams/b.yaml"},
		{"hidden, when asked for", []string{"teams/.*.yaml"}, "a", "teams/.a.yaml"},
		{"a hidden folder, when asked for", []string{".hidden/*.yaml"}, "h", ".hidden/h.yaml"},
	} {
		t.Run(row.name, func(t *testing.T) {
			set, _, failure := loadFrom(dir, slices.Clone(row.patterns)...)
			if failure != "" {
				t.Fatal(failure)
			}
			if got := clientIDs(set); got != row.ids {
				t.Errorf("applications %s, want %s", got, row.ids)
			}
			var files []string
			for _, f := range set.Files() {
				rel, _ := filepath.Rel(dir, f)
				files = append(files, filepath.ToSlash(rel))
			}
			if got := strings.Join(files, " "); got != row.files {
				t.Errorf("files %s, want %s", got, row.files)
			}
		})
	}
}

func TestLoadFromTheWorkingDirectory(t *testing.T) {
	t.Chdir(write(t, map[string]string{"a.yaml": team("a")}))
	set, err := Load([]string{"a.yaml"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := set.Application("a"); a.Source != "a.yaml:5" {
		t.Errorf("source %s", a.Source)
	}
}

func TestScopesOfAnotherFile(t *testing.T) {
	dir := write(t, map[string]string{
		"1.yaml": "applications:\n  - client_id: x\n    active: false\n    scopes: [b.read]\n",
		"2.yaml": team("b"),
	})
	set, _, failure := loadFrom(dir, "*.yaml")
	if failure != "" {
		t.Fatal(failure)
	}
	a, _ := set.Application("x")
	if grant, err := set.Grant(a, "b.read", nil, time.Hour); err != nil || grant.Audience != "b-api" {
		t.Errorf("Grant = %v, %v", grant, err)
	}
}

func TestFileErrors(t *testing.T) {
	dir := write(t, map[string]string{
		"a.yaml": team("a"), "b.yaml": team("b"), "again.yaml": team("a"), "dir.yaml/x": "",
		"large.yaml": "# " + strings.Repeat("x", 16<<20),
		"wrong.yaml": "applications:\n  - client_id: x\n    active: false\n    scopes: [none]\n",
		"empty.yaml": "",
	})
	for _, row := range []struct {
		name     string
		patterns []string
		want     string
	}{
		{"none named", nil, "applications: no file is named"},
		{"missing", []string{"a.yaml", "missing.yaml"}, "missing.yaml: cannot be read: no such file or directory"},
		{"a glob without files", []string{"a.yaml", "*.yml"}, "*.yml: no file matches"},
		{"a broken glob", []string{"[.yaml"}, "[.yaml: not a pattern of file names: syntax error in pattern"},
		{"a directory", []string{"dir.yaml"}, "dir.yaml: is a directory, not a file"},
		{"too large", []string{"large.yaml"}, "large.yaml: is larger than 16777216 bytes"},
		{"empty", []string{"a.yaml", "empty.yaml"}, "empty.yaml:1: is empty; if there is to be no application, write `applications: []`"},
		{
			"defined in two files, with both places",
			[]string{"a.yaml", "b.yaml", "again.yaml"},
			"again.yaml:2: resource \"a-api\": resource \"a-api\" is already defined at a.yaml:2\n" +
				"again.yaml:3: resource \"a-api\": scope \"a.read\" is already defined at a.yaml:3\n" +
				"again.yaml:5: application \"a\": client_id \"a\" is already defined at a.yaml:5",
		},
		{
			"a scope that no file defines",
			[]string{"a.yaml", "wrong.yaml"},
			`wrong.yaml:4: application "x": scope "none" is owned by no resource; known: a.read`,
		},
		{
			"no consequences of a missing file are reported",
			[]string{"wrong.yaml", "missing.yaml"},
			"missing.yaml: cannot be read: no such file or directory",
		},
		{
			"in the order of the files",
			[]string{"missing.yaml", "empty.yaml", "dir.yaml"},
			"missing.yaml: cannot be read: no such file or directory\n" +
				"empty.yaml:1: is empty; if there is to be no application, write `applications: []`\n" +
				"dir.yaml: is a directory, not a file",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			set, _, failure := loadFrom(dir, row.patterns...)
			if failure != row.want {
				t.Errorf("got:\n%s\nwant:\n%s", failure, row.want)
			}
			if set != nil {
				t.Error("half a set was loaded")
			}
		})
	}
}

func TestUnreadableFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such files there")
	}
	dir := write(t, map[string]string{"locked.yaml": team("a"), "a.yaml": team("a")})
	if err := os.Symlink("gone.yaml", filepath.Join(dir, "dangling.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.yaml", filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, _, failure := loadFrom(dir, "dangling.yaml"); failure != "dangling.yaml: cannot be read: no such file or directory" {
		t.Error(failure)
	}
	if _, _, failure := loadFrom(dir, "link.yaml"); failure != "" {
		t.Error(failure)
	}
	if _, err := Load([]string{os.DevNull}, Options{}); err == nil || err.Error() != os.DevNull+": is not a regular file" {
		t.Error(err)
	}
	if os.Geteuid() == 0 {
		return // root reads everything
	}
	if err := os.Chmod(filepath.Join(dir, "locked.yaml"), 0); err != nil {
		t.Fatal(err)
	}
	if _, _, failure := loadFrom(dir, "locked.yaml"); failure != "locked.yaml: cannot be read: permission denied" {
		t.Error(failure)
	}
}

func TestExpand(t *testing.T) {
	hash, _ := HashGenerated(generated)
	const text = "resources: [{name: a-api, scopes: [{name: a.read, description: '{env.D}'}]}]\napplications:\n" +
		"  - client_id: '{env.ID}'\n    client_name: '{env.N}'\n    scopes: [a.read]\n    secrets: [{id: '{env.S}', hash: '{env.H}'}]\n"
	path := filepath.Join(write(t, map[string]string{"a.yaml": text}), "a.yaml")
	var asked []string
	load := func(value string, err error) (*Set, error) {
		asked = nil
		return Load([]string{path}, Options{Expand: func(s string) (string, error) {
			asked = append(asked, s)
			return value, err
		}})
	}
	place := path + `:6: application "{env.ID}": secret "{env.S}": hash `

	set, err := load(hash+"\n", nil)
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
	if _, match := a.CheckFast(generated, noon); match != Matched {
		t.Errorf("match %v", match)
	}
	if _, err := load("", errors.New("H is not set")); err == nil || err.Error() != place+"cannot be expanded: H is not set" {
		t.Error(err)
	}
	if _, err := load("hunter2", nil); err == nil || !strings.HasPrefix(err.Error(), place+"is not usable: it has none of the accepted forms") || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
	if _, err := Load([]string{path}, Options{}); err == nil || !strings.HasPrefix(err.Error(), place+"is not usable: it has none") {
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
