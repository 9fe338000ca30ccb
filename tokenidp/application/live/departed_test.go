package live

import (
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// A file that left a glob, with Applications that no other file has, is not in order: for
// a day, or until they are back.
func TestAFileThatLeftWithApplicationsIsNotInOrder(t *testing.T) {
	three := api("a-api", "a") + strings.Join([]string{worker("one", "", "a"), worker("two", "", "a"), worker("three", "", "a")}, "")
	three = strings.Replace(three, "applications:\n", "@", 1)
	three = strings.Replace(strings.ReplaceAll(three, "applications:\n", ""), "@", "applications:\n", 1)
	start := func(t *testing.T) *folder {
		t.Helper()
		f := newFolder(t, map[string]string{"teams/a.yaml": three, "teams/b.yaml": team("b")}, "teams/*.yaml")
		f.remove("teams/a.yaml")
		f.refresh(nil)
		return f
	}
	check := func(f *folder, when, want string) {
		f.t.Helper()
		h := f.Health()
		got := ""
		for _, s := range h.Files {
			if s.Departed {
				got += strings.TrimPrefix(s.Path, f.dir+string(os.PathSeparator)) + ": " + s.Problem
			}
		}
		if got != want || h.InOrder != (want == "") {
			f.t.Errorf("%s: %q, in order: %t; want %q", when, got, h.InOrder, want)
		}
	}
	const lost = "teams/a.yaml: the file is gone, and with it 3 Applications: one two three; put it back, or run caddy reload --force to confirm"

	f := start(t)
	check(f, "gone", lost)
	f.now = noon.Add(departedFor - time.Second)
	f.refresh(nil)
	check(f, "for a day", lost)
	f.now = noon.Add(departedFor)
	f.refresh(nil)
	check(f, "after a day", "")

	f = start(t)
	f.save("teams/a.yaml", three)
	f.refresh(nil)
	check(f, "back", "")

	f = start(t)
	f.save("teams/c.yaml", api("a-api", "a")+worker("one", "", "a"))
	f.refresh(nil)
	check(f, "one is back", strings.Replace(lost, "3 Applications: one two three", "2 Applications: two three", 1))

	f = start(t)
	f.must(os.Rename(f.path("teams/b.yaml"), f.path("teams/d.yaml")))
	f.refresh(nil)
	check(f, "another file is renamed", lost)
	if _, err := f.Load(); err != nil {
		t.Fatal(err)
	}
	again := NewLibrary([]string{f.path("teams/*.yaml")}, f.options)
	if _, err := again.Load(); err != nil || !again.Health().InOrder {
		t.Errorf("after a reload of the configuration: %v %+v", err, again.Health())
	}
}

// It is one line of the log.
func TestAFileThatLeftIsLoggedOnce(t *testing.T) {
	f := newFolder(t, map[string]string{"teams/a.yaml": team("a"), "teams/b.yaml": team("b")}, "teams/*.yaml")
	core, logs := observer.New(zap.ErrorLevel)
	f.Logger = zap.New(core)
	f.remove("teams/a.yaml")
	for range 5 {
		f.update()
	}
	if logs.Len() != 1 || !strings.Contains(logs.All()[0].Message, "is gone") {
		t.Errorf("log: %v", logs.All())
	}
}
