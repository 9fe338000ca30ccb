package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// folder is files that change, and the Library that looks at them at noon.
type folder struct {
	t testing.TB
	*Library
	dir   string
	set   *application.Set
	now   time.Time
	saves int
}

// newFolder loads the files by the patterns.
func newFolder(t testing.TB, files map[string]string, patterns ...string) *folder {
	t.Helper()
	f := &folder{t: t, dir: t.TempDir(), now: noon}
	for name, content := range files {
		f.save(name, content)
	}
	for i := range patterns {
		patterns[i] = f.path(patterns[i])
	}
	f.Library = NewLibrary(patterns, application.Options{Now: func() time.Time { return f.now }})
	var err error
	if f.set, err = f.Load(); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// save overwrites a file, each time a second later than before, long before noon.
func (f *folder) save(name, content string) {
	f.t.Helper()
	f.must(os.MkdirAll(filepath.Dir(f.path(name)), 0o700))
	f.must(os.WriteFile(f.path(name), []byte(content), 0o600))
	f.saves++
	f.date(name, noon.Add(-24*time.Hour+time.Duration(f.saves)*time.Second))
}

func (f *folder) date(name string, at time.Time) {
	f.t.Helper()
	f.must(os.Chtimes(f.path(name), at, at))
}

func (f *folder) remove(name string) {
	f.t.Helper()
	f.must(os.RemoveAll(f.path(name)))
}

// refresh describes the Results, with the folder left out, of two looks: the
// second is at what the first put off.
func (f *folder) refresh(accept func(*application.Set) error) string {
	f.t.Helper()
	first := f.refreshOnce(accept)
	return strings.Trim(first+"\n"+f.refreshOnce(accept), "\n")
}

func (f *folder) refreshOnce(accept func(*application.Set) error) string {
	f.t.Helper()
	before := f.set
	r := f.Refresh(accept)
	if r.Set == nil || r.Applied != (r.Set != before) || !r.Applied && len(r.Changes) > 0 {
		f.t.Errorf("%v became %v: %+v", before, r.Set, r)
	}
	f.set = r.Set
	var lines []string
	lines = append(lines, r.Changes...)
	for _, p := range r.Problems {
		kind := "broken"
		if p.Rejected {
			kind = "rejected"
		}
		lines = append(lines, fmt.Sprintf("%s %s: %v", kind, p.Path, p.Err))
	}
	for _, path := range r.Mended {
		lines = append(lines, "mended "+path)
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), f.dir+string(filepath.Separator), "")
}

// want refreshes and compares what came of it.
func (f *folder) want(step, want string) {
	f.t.Helper()
	if got := f.refresh(nil); got != want {
		f.t.Errorf("%s: got:\n%s\nwant:\n%s", step, got, want)
	}
}

func (f *folder) wantIDs(want string) {
	f.t.Helper()
	if got := clientIDs(f.set); got != want {
		f.t.Errorf("applications %q, want %q", got, want)
	}
}

func (f *folder) wantActive(clientID string, want bool) {
	f.t.Helper()
	if a, ok := f.set.Application(clientID); !ok || a.Active != want {
		f.t.Errorf("%s: %+v; want active %v", clientID, a, want)
	}
}

// api defines scopes, worker uses them.
func api(name string, scopes ...string) string {
	return fmt.Sprintf("resources: [{name: %s, scopes: [{name: %s}]}]\n", name, strings.Join(scopes, "}, {name: "))
}

func worker(clientID, more string, scopes ...string) string {
	return fmt.Sprintf("applications:\n  - {client_id: %s, scopes: [%s], secrets: [{id: a, hash: %s}]%s}\n",
		clientID, strings.Join(scopes, ", "), strings.Replace(validHash, "0a", fmt.Sprintf("%02x", len(clientID)), 1), more)
}

const (
	added       = `application "%s" added (scopes %s)`
	syntaxAtTwo = "broken a.yaml: a.yaml:2: not YAML: found unexpected end of stream"
	halfWritten = "applications:\n  - client_id: \"hunt"
)

func TestF07LastGoodSetStaysWhenAFileBreaks(t *testing.T) {
	good := api("a-api", "a.read") + worker("a", "", "a.read")
	for _, row := range []struct {
		name   string
		breaks func(f *folder)
		want   string
	}{
		{"syntax", func(f *folder) { f.save("a.yaml", "applications: [\n\n") }, "a.yaml:3: not YAML: did not find expected node content"},
		{"an unknown field", func(f *folder) { f.save("a.yaml", good+"clients: []\n") }, `a.yaml:4: unknown field "clients"; known: resources, applications, tests`},
		{"half-written", func(f *folder) { f.save("a.yaml", halfWritten) }, "a.yaml:2: not YAML: found unexpected end of stream"},
		{"empty", func(f *folder) { f.save("a.yaml", "") }, "a.yaml:1: " + emptyFile},
		{"defined twice within", func(f *folder) {
			f.save("a.yaml", strings.Replace(good, "{name: a.read}", "{name: a.read}, {name: a.read}", 1))
		}, `a.yaml:1: resource "a-api": scope "a.read" is already defined at a.yaml:1`},
		{"deleted", func(f *folder) { f.remove("a.yaml") }, "a.yaml: cannot be read: no such file or directory"},
		{"a directory", func(f *folder) { f.remove("a.yaml"); f.must(os.Mkdir(f.path("a.yaml"), 0o700)) }, "a.yaml: is a directory, not a file"},
		{"no regular file", func(f *folder) { f.remove("a.yaml"); f.must(os.Symlink(os.DevNull, f.path("a.yaml"))) }, "a.yaml: is not a regular file"},
		{"a link to nothing", func(f *folder) { f.remove("a.yaml"); f.must(os.Symlink("gone", f.path("a.yaml"))) }, "a.yaml: cannot be read: no such file or directory"},
		{"a link swapped for one to a broken file", func(f *folder) {
			f.save("other/a.yaml", halfWritten)
			f.must(os.Symlink(f.path("other/a.yaml"), f.path("a.new")))
			f.must(os.Rename(f.path("a.new"), f.path("a.yaml")))
		}, "a.yaml:2: not YAML: found unexpected end of stream"},
		{"a link swapped for one to a directory", func(f *folder) {
			f.must(os.Symlink(f.dir, f.path("a.new")))
			f.must(os.Rename(f.path("a.new"), f.path("a.yaml")))
		}, "a.yaml: is a directory, not a file"},
		{"too large", func(f *folder) { f.save("a.yaml", "# "+strings.Repeat("x", 16<<20)) }, "a.yaml: is larger than 16777216 bytes"},
		// As a lost permission would, but for root as well.
		{"a link in a circle", func(f *folder) { f.remove("a.yaml"); f.must(os.Symlink("a.yaml", f.path("a.yaml"))) }, "a.yaml: cannot be read: too many levels of symbolic links"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{"a.yaml": good, "b.yaml": worker("b", "", "a.read")}, "a.yaml", "b.yaml")
			row.breaks(f)
			f.save("b.yaml", worker("bb", "", "a.read"))
			f.want("another file's change is applied",
				"application \"b\" removed\n"+fmt.Sprintf(added, "bb", "a.read")+"\nbroken a.yaml: "+row.want)
			f.wantIDs("a bb")
			f.want("told once", "")
			status := f.Status()[0]
			if status.Applications != 1 || strings.ReplaceAll(status.Problem, f.dir+string(filepath.Separator), "") != row.want || !status.Since.Equal(noon) {
				t.Errorf("status %+v", status)
			}
			f.remove("a.yaml")
			f.save("a.yaml", good+"# mended\n")
			f.want("mended", "mended a.yaml")
			if status := f.Status()[0]; status.Problem != "" || !status.Since.IsZero() {
				t.Errorf("status %+v", status)
			}
		})
	}
}

func TestNewBrokenFileContributesNothing(t *testing.T) {
	f := newFolder(t, map[string]string{"b.yaml": team("b")}, "*.yaml")
	f.save("a.yaml", halfWritten)
	f.want("new", syntaxAtTwo)
	f.wantIDs("b")
	f.save("a.yaml", team("a"))
	f.want("good", `resource "a-api" added (scopes a.read)`+"\n"+`application "a" added, inactive (scopes a.read)`+"\nmended a.yaml")
	if got := len(f.set.Files()); got != 2 {
		t.Errorf("%d files", got)
	}
	f.save("c.yaml", halfWritten)
	f.want("another", strings.ReplaceAll(syntaxAtTwo, "a.yaml", "c.yaml"))
	f.remove("c.yaml")
	f.want("gone again", "mended c.yaml")
	if got := len(f.Status()); got != 2 {
		t.Errorf("%d files", got)
	}
}

func TestProblemIsToldAgainWhenItIsAnother(t *testing.T) {
	f := newFolder(t, map[string]string{"a.yaml": team("a")}, "a.yaml")
	f.save("a.yaml", halfWritten)
	f.want("first", syntaxAtTwo)
	f.now = noon.Add(time.Minute)
	f.save("a.yaml", halfWritten+"ingd")
	f.want("the same of another version", "")
	f.save("a.yaml", "")
	f.want("another", "broken a.yaml: a.yaml:1: "+emptyFile)
	if since := f.Status()[0].Since; !since.Equal(noon) {
		t.Errorf("since %v", since)
	}
}

func TestScopeAndItsUseInAnyOrder(t *testing.T) {
	definition, use := api("a-api", "a.read", "a.write"), worker("b", "", "a.read", "a.write")
	const lost = `rejected b.yaml: b.yaml:2: application "b": scope "a.write" is owned by no resource; known: a.read`
	for _, row := range []struct {
		name  string
		steps []string // files to save before a Refresh
		want  []string
	}{
		{"definition first", []string{"a.yaml", "b.yaml"}, []string{`scope a.write added to resource "a-api"`, `application "b" gained scope a.write`}},
		{"use first", []string{"b.yaml", "a.yaml"}, []string{lost, `scope a.write added to resource "a-api"` + "\n" + `application "b" gained scope a.write` + "\nmended b.yaml"}},
		{"at once", []string{"b.yaml a.yaml"}, []string{`scope a.write added to resource "a-api"` + "\n" + `application "b" gained scope a.write`}},
		{"at once, with a third that is not sound", []string{"b.yaml a.yaml c.yaml"}, []string{
			`scope a.write added to resource "a-api"` + "\n" + `application "b" gained scope a.write` + "\n" +
				`rejected c.yaml: c.yaml:2: application "c": scope "none" is owned by no resource; known: a.read, a.write`,
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{
				"a.yaml": api("a-api", "a.read"), "b.yaml": worker("b", "", "a.read"), "c.yaml": "applications: []",
			}, "*.yaml")
			texts := map[string]string{"a.yaml": definition, "b.yaml": use, "c.yaml": worker("c", "", "none")}
			for i, names := range row.steps {
				for name := range strings.SplitSeq(names, " ") {
					f.save(name, texts[name])
				}
				f.want(names, row.want[i])
			}
		})
	}
}

// TestChainInEveryOrder: each file needs what the one before defines, and
// another is never sound.
func TestChainInEveryOrder(t *testing.T) {
	const n = 7
	files := map[string]string{"z.yaml": api("z-api", "z") + "applications: []"}
	for i := range n {
		files[fmt.Sprintf("%d.yaml", i)] = "applications: []"
	}
	for _, reverse := range []bool{false, true} {
		f := newFolder(t, files, "*.yaml")
		for i := range n {
			link := i
			if reverse {
				link = n - 1 - i
			}
			use := "z"
			if link > 0 {
				use = fmt.Sprintf("s%d", link-1)
			}
			f.save(fmt.Sprintf("%d.yaml", i), api(fmt.Sprintf("api%d", link), fmt.Sprintf("s%d", link))+worker(strings.Repeat("w", link+1), "", use))
		}
		f.save("z.yaml", worker("z", "", "z"))
		f.refresh(nil)
		if got := len(f.set.Applications()); got != n {
			t.Errorf("reverse %v: %d of %d links", reverse, got, n)
		}
	}
}

func TestUnsoundChangeIsRejected(t *testing.T) {
	for _, row := range []struct{ name, text, used, want string }{
		{"a client_id twice", api("b-api", "b.read") + worker("a", "", "b.read"), "a.read", `b.yaml:3: application "a": client_id "a" is already defined at a.yaml:3`},
		{"a scope twice", api("b-api", "a.read"), "a.read", `b.yaml:1: resource "b-api": scope "a.read" is already defined at a.yaml:1`},
		{"a resource twice", api("a-api", "b.read"), "a.read", `b.yaml:1: resource "a-api": resource "a-api" is already defined at a.yaml:1`},
		{"an unknown scope", worker("b", "", "c.read"), "a.read", `b.yaml:2: application "b": scope "c.read" is owned by no resource; did you mean "a.read"? known: a.read`},
		{"a scope less, which another file uses", "applications: []", "b.read", `c.yaml:2: application "c": scope "b.read" is owned by no resource; did you mean "a.read"? known: a.read`},
		{"a default of two resources", api("b-api", "b.read") + worker("b", ", default_scopes: [a.read, b.read]", "a.read", "b.read"), "a.read", `b.yaml:3: application "b": default_scopes has scopes of several resources, "a-api" and "b-api"; a token is for one`},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{
				"a.yaml": api("a-api", "a.read") + worker("a", "", "a.read"),
				"b.yaml": api("b-api", "b.read") + "applications: []",
				"c.yaml": worker("c", "", row.used),
			}, "*.yaml")
			f.save("b.yaml", row.text)
			f.save("d.yaml", worker("d", "", "a.read"))
			f.want("another file's change is applied", fmt.Sprintf(added, "d", "a.read")+"\nrejected b.yaml: "+row.want)
			f.wantIDs("a c d")
			f.want("told once", "")
			f.save("b.yaml", api("b-api", "b.read")+"applications: []")
			f.want("mended", "mended b.yaml")
		})
	}
}

func TestRejectedChangeIsTriedAgain(t *testing.T) {
	f := newFolder(t, map[string]string{"a.yaml": api("x", "x") + worker("a", "", "x"), "b.yaml": "applications: []", "c.yaml": "applications: []"}, "*.yaml")
	f.save("b.yaml", worker("a", "", "x"))
	f.want("a duplicate", `rejected b.yaml: b.yaml:2: application "a": client_id "a" is already defined at a.yaml:3`)
	calls := 0
	f.Refresh(func(*application.Set) error { calls++; return nil })
	if calls > 0 {
		t.Error("tried again although nothing changed")
	}
	f.save("c.yaml", "applications: [] # new")
	f.Refresh(func(*application.Set) error { calls++; return nil })
	if calls == 0 {
		t.Error("not tried again")
	}
	f.set = f.Library.set
	f.save("a.yaml", api("x", "x"))
	f.want("moved", "mended b.yaml")
	f.wantIDs("a")
}

// TestRejectedChangeHoldsUpNoOther: a scope moves from one file to another, and
// neither change is sound without the other.
func TestRejectedChangeHoldsUpNoOther(t *testing.T) {
	for _, standing := range []string{"0.yaml", "c.yaml", "z.yaml"} {
		f := newFolder(t, map[string]string{
			"a.yaml": api("a-api", "x", "y1"), "d.yaml": api("d-api", "z"), "u.yaml": worker("u", "", "x"), standing: "applications: []",
		}, "*.yaml")
		f.save(standing, worker("c", "", "none"))
		f.refresh(nil)
		f.save("a.yaml", api("a-api", "y1"))
		f.save("d.yaml", api("d-api", "x", "z"))
		f.want("moved", `scope x moved from resource "a-api" to "d-api"`+
			"\nrejected "+standing+": "+standing+`:2: application "c": scope "none" is owned by no resource; known: y1, x, z`)
	}
	f := newFolder(t, map[string]string{"a.yaml": api("a-api", "x", "y1"), "d.yaml": api("d-api", "z"), "u.yaml": worker("u", "", "x")}, "*.yaml")
	f.save("a.yaml", api("a-api", "y1"))
	f.want("one half", `rejected a.yaml: u.yaml:2: application "u": scope "x" is owned by no resource; known: y1, z`)
	f.save("d.yaml", api("d-api", "x", "z"))
	f.want("the other", `scope x moved from resource "a-api" to "d-api"`+"\nmended a.yaml")
}

func TestAccept(t *testing.T) {
	f := newFolder(t, map[string]string{"a.yaml": api("a-api", "a.read", "a.write"), "b.yaml": "applications: []"}, "*.yaml")
	needs := func(s *application.Set) error {
		if _, ok := s.Resource("a.write"); !ok {
			return errors.New("Caddyfile:7: verify needs the scope a.write")
		}
		return nil
	}
	f.save("a.yaml", api("a-api", "a.read"))
	f.save("b.yaml", worker("b", "", "a.read"))
	want := fmt.Sprintf(added, "b", "a.read") + "\nrejected a.yaml: Caddyfile:7: verify needs the scope a.write"
	if got := f.refresh(needs); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	f.remove("a.yaml")
	want = "rejected a.yaml: a.yaml: it is gone, but cannot be left out:\n" +
		`b.yaml:2: application "b": scope "a.read" is owned by no resource; known: none`
	if got := f.refresh(needs); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	f.save("b.yaml", "applications: []")
	want = "application \"b\" removed\nrejected a.yaml: a.yaml: it is gone, but cannot be left out:\nCaddyfile:7: verify needs the scope a.write"
	if got := f.refresh(needs); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	f.save("a.yaml", api("a-api", "a.read", "a.write"))
	if got := f.refresh(needs); got != "mended a.yaml" {
		t.Errorf("got:\n%s", got)
	}
}

// TestOneBadFileAmongMany: a hundred files change, one is not acceptable.
func TestOneBadFileAmongMany(t *testing.T) {
	files := map[string]string{"000.yaml": api("x", "x") + "applications: []"}
	for i := 1; i <= 100; i++ {
		files[fmt.Sprintf("%03d.yaml", i)] = "applications: []"
	}
	f := newFolder(t, files, "*.yaml")
	for i := 1; i <= 100; i++ {
		f.save(fmt.Sprintf("%03d.yaml", i), worker(fmt.Sprintf("w%d", i), "", "x"))
	}
	tried := 0
	r := f.Refresh(func(s *application.Set) error {
		tried++
		if _, ok := s.Application("w77"); ok {
			return errors.New("no w77")
		}
		return nil
	})
	if n := len(r.Set.Applications()); n != 99 || len(r.Problems) != 1 || !strings.HasSuffix(r.Problems[0].Path, "077.yaml") || tried > 20 {
		t.Errorf("%d applications, %d tries, problems %v", n, tried, r.Problems)
	}
}

func TestRemoval(t *testing.T) {
	files := map[string]string{"teams/a.yaml": team("a"), "teams/b.yaml": team("b"), "z.yaml": team("z")}
	f := newFolder(t, files, "z.yaml", "teams/*.yaml")
	f.remove("teams/a.yaml")
	f.want("a file leaves a glob", "resource \"a-api\" removed\napplication \"a\" removed")
	f.save("z.yaml", strings.ReplaceAll(team("z"), "  - client_id: z", "  - client_id: zz"))
	f.remove("teams/b.yaml")
	f.want("a glob matches nothing", "application \"z\" removed\napplication \"zz\" added, inactive (scopes z.read)\nbroken teams/*.yaml: teams/*.yaml: no file matches")
	f.wantIDs("b zz")
	if s := f.Status(); len(s) != 4 || s[0].Problem == "" || s[2].Applications != 1 || !s[3].Departed {
		t.Errorf("status %+v", s)
	}
	f.want("told once", "")
	f.save("teams/c.yaml", team("c"))
	f.want("others match", "mended teams/*.yaml\nresource \"b-api\" removed\nresource \"c-api\" added (scopes c.read)\n"+
		"application \"b\" removed\napplication \"c\" added, inactive (scopes c.read)")
	f.remove("z.yaml")
	f.want("a named file", "broken z.yaml: z.yaml: cannot be read: no such file or directory")
	f.wantIDs("c zz")
	f.save("z.yaml", strings.ReplaceAll(team("z"), "  - client_id: z", "  - client_id: zz"))
	f.want("back, and the same", "mended z.yaml")
}

func TestRemovalThatIsNotSound(t *testing.T) {
	f := newFolder(t, map[string]string{"a.yaml": api("x", "x"), "b.yaml": worker("b", "", "x"), "c.yaml": "applications: []"}, "*.yaml")
	f.remove("a.yaml")
	const want = "rejected a.yaml: a.yaml: it is gone, but cannot be left out:\n" +
		`b.yaml:2: application "b": scope "x" is owned by no resource; known: none`
	f.want("gone", want)
	f.want("told once", "")
	f.save("c.yaml", api("x", "x"))
	f.want("moved to another file", "mended a.yaml")
	if got := f.set.Files(); len(got) != 2 {
		t.Errorf("files %v", got)
	}
}

func TestF07FolderThatAGlobMayNotRead(t *testing.T) {
	f := newFolder(t, map[string]string{"a/x.yaml": team("a"), "b/x.yaml": team("b")}, "*/x.yaml")
	f.must(os.Rename(f.path("a"), f.path("elsewhere.d")))
	f.must(os.Symlink("a", f.path("a"))) // what a lost permission does, but for root as well
	f.must(os.Rename(f.path("elsewhere.d/x.yaml"), f.path("elsewhere.d/y.yaml")))
	f.want("locked", "broken a/x.yaml: a/x.yaml: cannot be read: too many levels of symbolic links")
	f.wantIDs("a b")
	f.remove("a")
	f.must(os.Rename(f.path("elsewhere.d/y.yaml"), f.path("elsewhere.d/x.yaml")))
	f.must(os.Rename(f.path("elsewhere.d"), f.path("a")))
	f.want("unlocked", "mended a/x.yaml")
}

func TestDeactivationAlwaysApplies(t *testing.T) {
	head := api("x", "x", "xx")
	good := head + worker("a", "", "x") + strings.TrimPrefix(worker("bb", "", "x"), "applications:\n")
	off := head + strings.ReplaceAll(good[len(head):], "client_id: a,", "client_id: a, active: false,")
	const deactivated, activated = `application "a" deactivated`, `application "a" activated`
	for _, row := range []struct {
		name, text, want string
		active           bool
	}{
		{"in a file that is good", off, deactivated, false},
		{"with an unknown field", off + "clients: []\n", deactivated, false},
		{"with a mistake in itself", strings.Replace(off, "scopes: [x]", "scopes: 1, scope: 2", 1), deactivated, false},
		{"alone", "applications: [{client_id: a, active: false, nonsense: 1}]", deactivated, false},
		{"with a second document", off + "---\n", deactivated, false},
		{"in a file that is rejected", strings.Replace(off, "scopes: [x]", "scopes: [z]", 1), deactivated, false},
		{"in a file that is rejected by another part", off + "  - {client_id: c, active: false, scopes: [taken]}\n", deactivated, false},
		{"twice, once active", off + "  - {client_id: a, active: true}\n", deactivated, false},

		{"as templates write it", strings.Replace(off, "active: false", `active: False`, 1), deactivated, false},
		{"that is text", strings.Replace(off, "active: false", `active: "false"`, 1), deactivated, false},
		{"that is true as text", strings.Replace(off, "active: false", `active: "true"`, 1), deactivated, false},
		{"of YAML 1.1", strings.Replace(off, "active: false", `active: off`, 1), deactivated, false},
		{"that is a number", strings.Replace(off, "active: false", `active: 0`, 1), deactivated, false},
		{"that is null", strings.Replace(off, "active: false", `active: `, 1), deactivated, false},
		{"that is a list", strings.Replace(off, "active: false", `active: [true]`, 1), deactivated, false},
		{"that is mistyped", strings.Replace(off, "active: false", `active: flase`, 1), deactivated, false},
		{"under another name", strings.Replace(off, "active: false", `actve: false`, 1), deactivated, false},
		{"in capitals", strings.Replace(off, "active: false", `ACTIVE: FALSE`, 1), deactivated, false},
		{"that is given twice", strings.Replace(off, "active: false", "active: false, active: true", 1), deactivated, false},
		{"by an alias", "x: &x false\n" + strings.Replace(off, "active: false", `active: *x`, 1), deactivated, false},
		{"with a tag", strings.Replace(off, "active: false", `active: !no false`, 1), deactivated, false},
		{"of two client_ids", strings.Replace(off, "client_id: a", "client_id: a, client_id: zz", 1), deactivated, false},
		{"of an anchor", strings.Replace(off, "client_id: a", "client_id: &x a", 1), deactivated, false},
		{"of an Application that is not in a list", "applications: {client_id: a, active: false}", deactivated, false},

		{"as another product writes it", strings.Replace(off, "active: false", `enabled: false`, 1), deactivated, false},
		{"by its opposite", strings.Replace(off, "active: false", `disabled: true`, 1), deactivated, false},
		{"by its opposite, mistyped", strings.Replace(off, "active: false", `Inactiv: "true"`, 1), deactivated, false},

		{"true, by another name", strings.Replace(off, "active: false", "enabled: true", 1), "", true},
		{"true, by its opposite", strings.Replace(off, "active: false", "disabled: false", 1), "", true},
		{"true, misspelled", strings.Replace(off, "active: false", "actve: true", 1), "", true},
		{"of a client_id that is a number", strings.Replace(off, "client_id: a", "client_id: 1", 1), "", true},
		{"in a file that is no YAML", off + "\t", "", true},
		{"and nothing else of a broken file", strings.ReplaceAll(good, "client_id: a,", "client_id: c,") + "clients: []", "", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{"a.yaml": good}, "a.yaml")
			f.save("a.yaml", row.text)
			refuse := func(*application.Set) error { return errors.New("nothing is good enough") }
			if row.name == "in a file that is good" {
				refuse = nil
			}
			got := f.refresh(refuse)
			if changes, _, _ := strings.Cut(got+"\n", "\n"); !strings.HasPrefix(changes, "broken") && changes != row.want {
				t.Errorf("got %s", got)
			}
			f.wantActive("a", row.active)
			f.wantActive("bb", true)
			f.wantIDs("a bb")
			before := f.set
			f.want("told once", "")
			if f.set != before {
				t.Error("the Set is another")
			}
			if row.active {
				return
			}
			f.save("a.yaml", halfWritten)
			f.refresh(nil)
			f.wantActive("a", false) // a version that nobody can read decides nothing
			f.save("a.yaml", good+"clients: []")
			f.refresh(nil)
			f.wantActive("a", false) // nor does one that is broken activate
			f.save("a.yaml", good)
			if got := f.refresh(nil); got != activated+"\nmended a.yaml" {
				t.Errorf("got %s", got)
			}
			f.wantActive("a", true)
		})
	}
}

func TestDeactivationIsOfTheFileThatDefines(t *testing.T) {
	f := newFolder(t, map[string]string{"a.yaml": api("x", "x") + worker("a", "", "x"), "b.yaml": "applications: []"}, "*.yaml")
	f.save("b.yaml", "applications: [{client_id: a, active: false}]")
	f.refresh(nil)
	f.wantActive("a", true)
}

func TestInactiveApplicationNeedsNoSecret(t *testing.T) {
	f := newFolder(t, map[string]string{"a.yaml": mountedFile, "secrets/x": "correct horse"}, "a.yaml")
	f.remove("secrets/x")
	f.save("a.yaml", strings.Replace(mountedFile, "    scopes", "    active: false\n    scopes", 1))
	f.want("without its mounted secret", `application "x" deactivated`+"\n"+`application "x" secret "m" replaced`)
	want := "a.yaml:6: application \"x\": secret \"m\": file secrets/x cannot be read: no such file or directory"
	if got := strings.ReplaceAll(f.set.Warnings()[0].String(), f.dir+"/", ""); got != want {
		t.Errorf("warnings %s", got)
	}
	a, _ := f.set.Application("x")
	wantFast(t, a, "correct horse", "", secret.NoMatch)
	f.save("a.yaml", strings.Replace(mountedFile, "    secrets: [{id: m, file: secrets/x}]\n", "    active: false\n", 1))
	f.want("without any", `application "x" secret "m" removed`)
}

func TestMountedSecretThatChanges(t *testing.T) {
	f := newFolder(t, map[string]string{"a.yaml": mountedFile, "secrets/x": "one"}, "a.yaml")
	secret := func(want string) {
		t.Helper()
		a, _ := f.set.Application("x")
		wantFast(t, a, want, "m", secret.Matched)
	}
	const broken = `broken a.yaml: a.yaml:5: application "x": secret "m": file secrets/x`
	f.save("secrets/x", "two")
	f.want("changed", `application "x" secret "m" replaced`)
	secret("two")
	f.save("secrets/x", "two")
	f.want("touched", "")
	f.remove("secrets/x")
	f.want("vanished", broken+" cannot be read: no such file or directory")
	secret("two")
	f.want("told once", "")
	f.save("secrets/x", "")
	f.want("emptied", broken+": the secret is empty")
	secret("two")
	f.save("secrets/x", "two")
	before := f.set
	f.want("back", "mended a.yaml")
	if f.set != before {
		t.Error("the Set is another, although nothing is")
	}
	f.save("secrets/x", "")
	f.save("a.yaml", mountedFile+"# changed\n")
	f.want("both", broken+": the secret is empty")
	f.save("secrets/x", "three")
	f.want("mended", `application "x" secret "m" replaced`+"\nmended a.yaml")
	secret("three")
}

func TestRememberedSecretSurvivesAReload(t *testing.T) {
	slow, err := secret.HashChosen("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	text := func(id, hash, more string) string {
		return api("x", "x") + fmt.Sprintf("applications:\n  - client_id: a\n    scopes: [x]\n    secrets: [{id: %s, hash: %q%s}]\n", id, hash, more)
	}
	f := newFolder(t, map[string]string{"a.yaml": text("one", slow, "")}, "*.yaml")
	a, _ := f.set.Application("a")
	if _, ok := a.Secrets.CheckSlow("correct horse", noon); !ok {
		t.Fatal("no match")
	}
	f.save("a.yaml", "# changed\n"+text("two", slow, ", expires: 2027-06-30"))
	f.want("changed", `application "a" secret "two" added, expires 2027-06-30`+"\n"+`application "a" secret "one" removed`)
	a, _ = f.set.Application("a")
	wantFast(t, a, "correct horse", "two", secret.Matched)
	f.remove("a.yaml")
	f.save("b.yaml", text("two", slow, ""))
	f.want("moved to another file", `application "a" secret "two" expires never instead of 2027-06-30`)
	a, _ = f.set.Application("a")
	wantFast(t, a, "correct horse", "two", secret.Matched)
	other, _ := secret.HashChosen("correct horse")
	f.save("b.yaml", text("two", other, ""))
	f.want("hashed again", `application "a" secret "two" replaced`)
	a, _ = f.set.Application("a")
	wantFast(t, a, "correct horse", "", secret.Unknown)
}

func TestPlaceholdersAreExpandedWhenTheirFileIsRead(t *testing.T) {
	const text = "applications: [{client_id: b, scopes: [x], secrets: [{id: a, hash: '{env.H}'}]}]\n"
	f := newFolder(t, map[string]string{"a.yaml": api("x", "x"), "b.yaml": "applications: []"}, "*.yaml")
	one, _ := secret.HashGenerated(secret.Generate())
	two, _ := secret.HashGenerated(secret.Generate())
	value, asked := one, 0
	f.options.Expand = func(string) (string, error) { asked++; return value, nil }
	f.save("b.yaml", text)
	f.want("first", fmt.Sprintf(added, "b", "x"))
	value = two
	f.save("a.yaml", api("x", "x")+"# other\n")
	f.want("another file", "")
	if asked != 1 {
		t.Errorf("expanded %d times", asked)
	}
	f.save("b.yaml", text+"# again\n")
	f.want("its own file", `application "b" secret "a" replaced`)
}

func TestWarningsAreOfTheSetInForce(t *testing.T) {
	long := api("x", "x") + worker("a", ", token_lifetime: 2h", "x")
	f := newFolder(t, map[string]string{"a.yaml": long, "b.yaml": "applications: []"}, "*.yaml")
	warnings := func(want int) {
		t.Helper()
		if got := f.set.Warnings(); len(got) != want {
			t.Errorf("warnings %q", got)
		}
	}
	warnings(1)
	f.save("a.yaml", api("x", "x")+worker("a", "", "x")+"clients: []")
	f.refresh(nil)
	warnings(1)
	f.save("b.yaml", worker("c", "", "x"))
	f.refresh(nil)
	warnings(2) // the same secret
	f.save("a.yaml", api("x", "x")+worker("a", "", "x"))
	f.refresh(nil)
	warnings(1)
}

func TestLoadThatFailsLeavesTheLibraryAsItWas(t *testing.T) {
	f := newFolder(t, map[string]string{"a.yaml": team("a"), "b.yaml": team("b")}, "*.yaml")
	f.save("a.yaml", halfWritten)
	if set, err := f.Load(); set != nil || err == nil {
		t.Fatalf("%v, %v", set, err)
	}
	f.want("afterwards", syntaxAtTwo)
	f.wantIDs("a b")
}

func TestStatus(t *testing.T) {
	if got := NewLibrary([]string{"a.yaml"}, application.Options{}).Status(); got != nil {
		t.Errorf("before anything is loaded: %v", got)
	}
	f := newFolder(t, map[string]string{"a.yaml": team("a")}, "a.yaml")
	saved := f.saves
	f.now = noon.Add(time.Hour)
	f.save("a.yaml", team("a")+"nonsense: 1\n")
	f.refresh(nil)
	got := f.Status()[0]
	got.Problem = strings.ReplaceAll(got.Problem, f.dir+string(filepath.Separator), "")
	want := FileStatus{
		Path: f.path("a.yaml"), LoadedAt: noon, ChangedAt: got.ChangedAt, Applications: 1,
		Problem: `a.yaml:8: unknown field "nonsense"; known: resources, applications, tests`, Since: f.now,
	}
	if got != want || !got.ChangedAt.Equal(noon.Add(-24*time.Hour+time.Duration(saved+1)*time.Second)) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	f.Status()[0].Path = ""
	if f.Status()[0].Path == "" {
		t.Error("it can be changed through its answer")
	}
}

// TestReadersNeverWait is for the race detector: requests and operators read
// while files change.
func TestReadersNeverWait(t *testing.T) {
	slow, err := secret.HashChosen("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	text := api("x", "x") + fmt.Sprintf("applications:\n  - {client_id: a, scopes: [x], secrets: [{id: s, hash: %q}]}\n", slow)
	f := newFolder(t, map[string]string{"a.yaml": text, "b.yaml": "applications: []"}, "*.yaml")
	var current atomic.Pointer[application.Set]
	current.Store(f.set)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				set := current.Load()
				a, ok := set.Application("a")
				if !ok {
					t.Error("not found")
					return
				}
				if _, match := a.Secrets.CheckFast("correct horse", noon); match == secret.Unknown {
					a.Secrets.CheckSlow("correct horse", noon)
				}
				if _, err := set.Grant(a, "x", nil, time.Hour); err != nil {
					t.Error(err)
				}
				set.Applications()
				set.Warnings()
				f.Status()
			}
		})
	}
	for i := range 100 {
		switch i % 4 {
		case 0:
			f.save("a.yaml", fmt.Sprintf("# %d\n%s", i, text))
		case 1:
			f.save("b.yaml", worker("b", "", "x"))
		case 2:
			f.save("a.yaml", halfWritten)
		case 3:
			f.save("b.yaml", worker("b", "", "none"))
		}
		current.Store(f.Refresh(nil).Set)
	}
	close(done)
	wg.Wait()
}

func TestF10RefreshKeepsNoFileOpen(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc here")
		}
		return len(entries)
	}
	f := newFolder(t, map[string]string{"a.yaml": mountedFile, "secrets/x": "one", "b.yaml": "applications: []"}, "*.yaml")
	before, goroutines := count(), goleak.IgnoreCurrent()
	for i := range 200 {
		f.save("secrets/x", fmt.Sprint(i))
		f.save("b.yaml", []string{halfWritten, "applications: []", ""}[i%3])
		f.refresh(nil)
	}
	if after := count(); after > before {
		t.Errorf("%d files are open, %d were", after, before)
	}
	goleak.VerifyNone(t, goroutines)
}

// FuzzRefresh has two versions of a file, of which the first may be good.
func FuzzRefresh(f *testing.F) {
	off := strings.Replace(valid, "active: true", "active: false", 1)
	for _, seed := range [][2]string{
		{valid, off}, {valid, off + "clients: []\n"}, {valid, off + "---\n"}, {off, valid}, {valid, ""}, {valid, valid[:400]},
		{asking["apis.yaml"] + asking["apps.yaml"][1:], valid}, {valid, strings.ReplaceAll(valid, "orders.read", "orders")}, {team("a"), team("b")},
		{valid, "applications: [{client_id: orders-worker, active: false}]"}, {valid, "applications: &a [*a]"},
		{valid, "applications:\n - <<: {client_id: orders-worker}\n   active: false\n"}, {team("a"), mountedFile},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	path := filepath.Join(f.TempDir(), "a.yaml")
	f.Fuzz(func(t *testing.T, first, second []byte) {
		save := func(data []byte) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		now := func() time.Time { return noon }
		l := NewLibrary([]string{path}, application.Options{Now: now})
		save(first)
		before, err := l.Load()
		if err != nil {
			return
		}
		save(second)
		refresh := func() *Result { // at the second look, what was written just now counts
			if r := l.Refresh(nil); r.Applied || len(r.Problems) > 0 {
				return r
			}
			return l.Refresh(nil)
		}
		r := refresh()
		if r.Set == nil || r.Applied != (r.Set != before) {
			t.Fatalf("%+v", r)
		}
		if _, err := NewLibrary([]string{path}, application.Options{Now: now}).Load(); (err == nil) != (len(r.Problems) == 0) {
			t.Fatalf("%v loads with %v", r.Problems, err)
		}
		document := application.Read(path, second, application.Options{Now: now})
		for _, a := range document.Inactive() {
			if found, ok := r.Set.Application(a); ok && found.Active {
				t.Errorf("%q is active, in spite of %q, %v", a, second, document.Err())
			}
		}
		for _, a := range r.Set.Applications() {
			was, ok := before.Application(a.ClientID)
			if len(r.Problems) > 0 && (!ok || a.Active && !was.Active || !slices.Equal(a.Scopes, was.Scopes)) {
				t.Errorf("a broken file made %+v of %+v", a, was)
			}
		}
		save([]byte("applications: []"))
		if r := refresh(); len(r.Set.Applications()) != 0 || len(r.Problems) != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// A change of the file is one of the Application, and a broken one keeps the last
// good keys.
func TestKeysFileIsWatched(t *testing.T) {
	set := func(kid string) string {
		return fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwaaPJHURpo","kid":"%s"}]}`, kid)
	}
	dir := write(t, map[string]string{"a.yaml": keyed("    jwks_file: x.json"), "x.json": set("1")})
	l := NewLibrary([]string{filepath.Join(dir, "a.yaml")}, application.Options{})
	if _, err := l.Load(); err != nil {
		t.Fatal(err)
	}
	change := func(content string) *Result {
		if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return l.Refresh(nil)
	}
	thumbprint := func() string {
		key, err := jws.ParseKeySet([]byte(set("1")), jws.Algorithms...)
		if err != nil {
			t.Fatal(err)
		}
		return key.Keys()[0].Thumbprint()
	}()
	r := change(set("2"))
	want := fmt.Sprintf(`application "x" gained key 2 (EdDSA %[1]s)|application "x" lost key 1 (EdDSA %[1]s)`, thumbprint)
	if got := strings.Join(r.Changes, "|"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if r = change("broken"); len(r.Problems) != 1 || r.Applied {
		t.Errorf("%+v", r)
	}
	if a, _ := r.Set.Application("x"); a.Keys[0].ID != "2" {
		t.Error("the last good key is gone")
	}
	if r = change(set("2")); len(r.Mended) != 1 {
		t.Errorf("%+v", r)
	}
}
