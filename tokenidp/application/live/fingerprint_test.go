package live

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// TestF10ChangesAreNoticed saves a file as programs do.
func TestF10ChangesAreNoticed(t *testing.T) {
	one, two := team("a"), strings.Replace(team("a"), "active: false", "active: !!bool false", 1)
	if one == two {
		t.Fatal("nothing to notice")
	}
	renamed := strings.ReplaceAll(one, "client_id: a", "client_id: b") // of the same size
	const changed = "application \"a\" removed\napplication \"b\" added, inactive (scopes a.read)"
	for _, row := range []struct {
		name string
		save func(f *folder)
		want string
	}{
		{"overwritten", func(f *folder) { f.save("a.yaml", renamed) }, changed},
		{"renamed over, with size and time of the old one", func(f *folder) {
			f.save("a.new", renamed)
			info, err := os.Stat(f.path("a.yaml"))
			f.must(err)
			f.date("a.new", info.ModTime())
			f.must(os.Rename(f.path("a.new"), f.path("a.yaml")))
		}, changed},
		{"backed up and renamed", func(f *folder) {
			f.must(os.Rename(f.path("a.yaml"), f.path("a.yaml~")))
			f.save("a.yaml", renamed)
		}, changed},
		{"replaced by a link", func(f *folder) {
			f.save("other/a.yaml", renamed)
			f.remove("a.yaml")
			f.must(os.Symlink(f.path("other/a.yaml"), f.path("a.yaml")))
		}, changed},
		{"with an older file", func(f *folder) {
			f.save("a.yaml", renamed)
			f.date("a.yaml", noon.Add(-1000*time.Hour))
		}, changed},
		{"with one of the future", func(f *folder) {
			f.save("a.yaml", renamed)
			f.date("a.yaml", noon.Add(time.Hour))
		}, changed},
		{"without a change", func(f *folder) { f.save("a.yaml", one) }, ""},
		{"without a change, renamed over", func(f *folder) {
			f.save("a.new", one)
			f.must(os.Rename(f.path("a.new"), f.path("a.yaml")))
		}, ""},
		{"without a change that matters", func(f *folder) { f.save("a.yaml", two) }, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{"a.yaml": one}, "a.yaml")
			before := f.set
			row.save(f)
			f.want("saved", row.want)
			if same := f.set == before; same != strings.HasPrefix(row.name, "without a change") && row.name != "without a change that matters" {
				t.Errorf("the same Set: %v", same)
			}
			f.want("once", "")
		})
	}
}

// TestF10SecondWriteWithinATick: neither size nor time tells the versions apart.
func TestF10SecondWriteWithinATick(t *testing.T) {
	versions := []string{worker("a", "", "x"), worker("b", "", "x"), worker("c", "", "x"), worker("d", "", "x")}
	for i := range versions {
		versions[i] = api("x", "x") + versions[i]
	}
	for _, row := range []struct {
		name    string
		age     time.Duration
		noticed bool
	}{
		{"just now", 0, true},
		{"a second ago", time.Second, true},
		{"in the future", -time.Hour, true},
		// What no program does: an old date is given to what was just written.
		{"long ago", time.Hour, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{"a.yaml": versions[0]}, "a.yaml")
			at := f.now.Add(-row.age)
			f.date("a.yaml", at)
			f.refresh(nil)
			f.save("a.yaml", versions[1])
			f.date("a.yaml", at)
			f.refresh(nil)
			f.wantIDs(map[bool]string{true: "b", false: "a"}[row.noticed])
		})
	}

	f := newFolder(t, map[string]string{"a.yaml": versions[0]}, "a.yaml")
	for i, version := range versions {
		f.save("a.yaml", version)
		f.date("a.yaml", noon)
		f.now = noon.Add(time.Duration(i) * 500 * time.Millisecond)
		f.refresh(nil)
		f.wantIDs(string(rune('a' + i)))
	}
	f.now = noon.Add(settling)
	f.want("it settles", "")
	if !f.files[0].print.settled {
		t.Error("it is read again for ever")
	}
}

// TestF10SwappedFolder: Kubernetes mounts files as links through ..data, which it
// renames over.
func TestF10SwappedFolder(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	version := func(name string, files map[string]string) {
		t.Helper()
		must(os.Mkdir(filepath.Join(dir, name), 0o700))
		for file, text := range files {
			path := filepath.Join(dir, name, file)
			must(os.WriteFile(path, []byte(text), 0o600))
			must(os.Chtimes(path, noon.Add(-time.Hour), noon.Add(-time.Hour)))
		}
		must(os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		must(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	version("..1", map[string]string{"a.yaml": team("a"), "b.yaml": team("b")})
	for _, name := range []string{"a.yaml", "b.yaml"} {
		must(os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
	}
	l := NewLibrary([]string{filepath.Join(dir, "*.yaml")}, application.Options{Now: func() time.Time { return noon }})
	set, err := l.Load()
	must(err)
	if got := clientIDs(set); got != "a b" {
		t.Errorf("loaded %s", got)
	}
	// A scope moves from one file to the other, of the same size and date.
	version("..2", map[string]string{"a.yaml": team("b"), "b.yaml": team("a")})
	if r := l.Refresh(nil); !r.Applied || len(r.Changes)+len(r.Problems) > 0 {
		t.Errorf("swapped: %+v", r)
	}
	version("..3", map[string]string{"a.yaml": team("b"), "b.yaml": team("c")})
	if r := l.Refresh(nil); clientIDs(r.Set) != "b c" || len(r.Problems) > 0 {
		t.Errorf("swapped again: %+v", r)
	}
	version("..4", map[string]string{"a.yaml": team("b")})
	if r := l.Refresh(nil); clientIDs(r.Set) != "b c" || len(r.Problems) != 1 {
		t.Errorf("a link that leads nowhere: %+v", r)
	}
	must(os.Remove(filepath.Join(dir, "b.yaml")))
	l.Refresh(nil) // it may come back
	if r := l.Refresh(nil); clientIDs(r.Set) != "b" || len(r.Mended) != 1 {
		t.Errorf("and is gone: %+v", r)
	}
}

// TestF10SaveThatIsSeenHalf: programs that overwrite do so in pieces.
func TestF10SaveThatIsSeenHalf(t *testing.T) {
	text := api("x", "x") + worker("a", ", client_name: New", "x")
	for n := range len(text) {
		f := newFolder(t, map[string]string{"a.yaml": api("x", "x") + worker("a", "", "x")}, "a.yaml")
		f.save("a.yaml", text[:n])
		f.refresh(nil)
		f.save("a.yaml", text)
		f.refresh(nil)
		if a, ok := f.set.Application("a"); !ok || a.ClientName != "New" || f.Status()[0].Problem != "" {
			t.Fatalf("after %q: %+v, %+v", text[:n], a, f.Status())
		}
	}
}

func TestF10ThousandSaves(t *testing.T) {
	f := newFolder(t, map[string]string{"a.yaml": team("a")}, "*.yaml")
	for i := range 1000 {
		if i%2 == 0 {
			f.save("a.yaml", strings.ReplaceAll(team("a"), "client_id: a", fmt.Sprintf("client_id: a%d", i)))
		} else {
			f.save(".new", strings.ReplaceAll(team("a"), "client_id: a", fmt.Sprintf("client_id: a%d", i)))
			f.must(os.Rename(f.path(".new"), f.path("a.yaml")))
		}
		if i%7 == 0 {
			f.refresh(nil)
		}
	}
	f.refresh(nil)
	f.wantIDs("a999")
	f.want("nothing is left to do", "")
}
