package live

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// TestF07EmptyFileIsNotNoApplications unless it says so.
func TestF07EmptyFileIsNotNoApplications(t *testing.T) {
	const broken = "broken a.yaml: a.yaml:1: " + emptyFile
	const removed = "resource \"a-api\" removed\napplication \"a\" removed"
	for _, row := range []struct{ name, text, want string }{
		{"empty", "", broken},
		{"blank", "\n\n  \n", broken},
		{"a comment", "# applications: []\n", broken},
		{"a document start", "---\n", broken},
		{"an empty mapping", "{}\n", broken},
		{"null", "~\n", broken},
		{"NULs, as after a crash", strings.Repeat("\x00", 4096), "broken a.yaml: a.yaml:1: has a control character; write it as an escape within double quotes"},
		{"null applications", "applications:\n", "broken a.yaml: a.yaml:1: applications is null; give it a value or leave it out"},
		{"said so", "applications: []\n", removed},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{"a.yaml": team("a")}, "a.yaml")
			f.save("a.yaml", row.text)
			f.want(row.name, row.want)
			f.wantIDs(map[bool]string{true: "", false: "a"}[row.want == removed])
		})
	}
}

// savers are how programs save a file, in place of the one that is there.
var savers = map[string]func(f *folder, text string) error{
	"truncate and write": func(f *folder, text string) error { return os.WriteFile(f.path("a.yaml"), []byte(text), 0o600) },
	"rename over": func(f *folder, text string) error {
		if err := os.WriteFile(f.path(".new"), []byte(text), 0o600); err != nil {
			return err
		}
		return os.Rename(f.path(".new"), f.path("a.yaml"))
	},
	"back up and write": func(f *folder, text string) error {
		if err := os.Rename(f.path("a.yaml"), f.path("a.yaml~")); err != nil {
			return err
		}
		return os.WriteFile(f.path("a.yaml"), []byte(text), 0o600)
	},
	"remove and write": func(f *folder, text string) error {
		if err := os.Remove(f.path("a.yaml")); err != nil {
			return err
		}
		return os.WriteFile(f.path("a.yaml"), []byte(text), 0o600)
	},
	"swap ..data": func(f *folder, text string) error {
		f.saves++
		version := fmt.Sprintf("..%d", f.saves)
		if err := os.Mkdir(f.path(version), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(f.path(version+"/a.yaml"), []byte(text), 0o600); err != nil {
			return err
		}
		if err := os.Symlink(version, f.path("..tmp")); err != nil {
			return err
		}
		return os.Rename(f.path("..tmp"), f.path("..data"))
	},
}

// TestF10ThousandSavesWhileItLooks, as fast as they come, by all the ways in which
// programs save. Nothing is open, and no goroutine runs, that did not before, and
// the second look after the last save has put it in force.
func TestF10ThousandSavesWhileItLooks(t *testing.T) {
	text := func(i int) string {
		padding := strings.Repeat("# "+strings.Repeat("x", i%100)+"\n", 100)
		return api("x", "x") + worker(fmt.Sprintf("w%04d", i), "", "x") + padding + fmt.Sprintf("  - {client_id: v%04d, active: false, scopes: [x]}\n", i)
	}
	for name, save := range savers {
		t.Run(name, func(t *testing.T) {
			f := &folder{t: t, dir: t.TempDir()}
			if name == "swap ..data" {
				f.must(os.Symlink("..data/a.yaml", f.path("a.yaml")))
				f.must(save(f, text(0)))
			} else {
				f.must(os.WriteFile(f.path("a.yaml"), []byte(text(0)), 0o600))
			}
			f.Library = NewLibrary([]string{f.path("a.yaml")}, application.Options{Now: time.Now})
			_, err := f.Load()
			f.must(err)
			open, running := openFiles(t), goleak.IgnoreCurrent()
			saved := make(chan error)
			go func() {
				for i := range 1000 {
					if err := save(f, text(i+1)); err != nil {
						saved <- err
						return
					}
				}
				saved <- nil
			}()
			for done := false; !done; {
				select {
				case err := <-saved:
					f.must(err)
					done = true
				default:
					f.Refresh(nil)
				}
			}
			f.Refresh(nil)
			if got := clientIDs(f.Refresh(nil).Set); got != "v1000 w1000" || f.Status()[0].Problem != "" {
				t.Errorf("in the end %s, %+v", got, f.Status())
			}
			if after := openFiles(t); after > open {
				t.Errorf("%d files are open, %d were", after, open)
			}
			goleak.VerifyNone(t, running)
		})
	}
}

// TestF10SaveInPieces: each piece is a sound file, with some of the Applications.
// None loses its access for the time that the others take to be written.
func TestF10SaveInPieces(t *testing.T) {
	var text strings.Builder
	text.WriteString(api("x", "x") + "applications:\n")
	var ends []int
	for i := range 5 {
		fmt.Fprintf(&text, "  - {client_id: w%d, active: false, scopes: [x]}\n", i)
		ends = append(ends, text.Len())
	}
	for _, row := range []struct {
		name string
		age  time.Duration // of each piece, when it is looked at
	}{
		{"just now", 0}, {"a second ago", time.Second}, {"by a clock that is ahead", -time.Hour},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{"a.yaml": text.String()}, "*.yaml")
			whole := f.set
			for _, end := range ends {
				f.save("a.yaml", text.String()[:end])
				f.date("a.yaml", noon.Add(-row.age))
				if r := f.Refresh(nil); r.Set != whole || len(r.Problems) > 0 {
					t.Errorf("%d bytes: %s, %v", end, clientIDs(r.Set), r.Problems)
				}
			}
			f.save("a.yaml", text.String()[:ends[0]])
			f.date("a.yaml", noon.Add(-row.age))
			f.Refresh(nil)
			if got := clientIDs(f.Refresh(nil).Set); got != "w0" {
				t.Errorf("what is left so is %s", got)
			}
		})
	}
}

// TestF10FilePutAsideAndWrittenAnew, as vim does, is not a removal from the glob,
// nor is a file that gets another name.
func TestF10FilePutAsideAndWrittenAnew(t *testing.T) {
	f := newFolder(t, map[string]string{"a.yaml": team("a"), "b.yaml": team("b")}, "*.yaml")
	whole := f.set
	f.must(os.Rename(f.path("a.yaml"), f.path("a.yaml~")))
	f.save("b.yaml", strings.ReplaceAll(team("b"), "client_id: b", "client_id: bb"))
	if r := f.Refresh(nil); r.Set != whole || len(r.Problems) > 0 {
		t.Errorf("put aside: %s, %v", clientIDs(r.Set), r.Problems)
	}
	f.save("a.yaml", strings.ReplaceAll(team("a"), "client_id: a", "client_id: aa"))
	f.Refresh(nil)
	if r := f.Refresh(nil); clientIDs(r.Set) != "aa bb" || len(r.Problems) > 0 {
		t.Errorf("written anew: %s, %v", clientIDs(r.Set), r.Problems)
	}
	f.must(os.Rename(f.path("a.yaml"), f.path("c.yaml")))
	for range 3 {
		if r := f.Refresh(nil); clientIDs(r.Set) != "aa bb" || len(r.Problems)+len(r.Changes) > 0 {
			t.Errorf("renamed: %s, %v", clientIDs(r.Set), r.Problems)
		}
	}
	f.remove("c.yaml")
	f.Refresh(nil)
	if got := clientIDs(f.Refresh(nil).Set); got != "bb" {
		t.Errorf("removed: %s", got)
	}
}

// openFiles counts those of the process, where the system tells.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	return len(entries)
}
