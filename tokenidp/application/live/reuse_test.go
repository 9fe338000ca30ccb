package live

import (
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// A reload of the configuration has the Applications in memory once: those of files that
// are the same are taken over. What depends on more than a file is read again.
func TestLoadReusesWhatIsInForce(t *testing.T) {
	const mounted = "applications:\n  - {client_id: mounted, scopes: [a.read], secrets: [{id: a, file: secret.txt}]}\n"
	const expanded = "applications:\n  - {client_id: expanded, scopes: [a.read], secrets: [{id: a, hash: \"{env.HASH}\"}]}\n"
	f := newFolder(t, map[string]string{
		"a.yaml": team("a"), "b.yaml": team("b"), "broken.yaml": team("c"), "mounted.yaml": mounted,
		"secret.txt": "tidp_EbKckQjJb4eVyqKdnWOqcWBdTgDPIQN9UbfqohX91OA4JUP3J",
	}, "*.yaml")
	f.must(nil)
	f.options.Expand = func(string) (string, error) { return strings.Trim(validHash, `"`), nil }
	f.save("expanded.yaml", expanded)
	f.save("broken.yaml", "applications: 7")
	f.refresh(nil)
	f.save("b.yaml", team("b")+"# changed after it was put in force\n")
	load := func(versions Versions) map[string]*application.Application {
		t.Helper()
		f.save("broken.yaml", team("c"))
		next := NewLibrary([]string{f.path("*.yaml")}, f.options)
		next.Reuse(versions)
		set, err := next.Load()
		f.must(err)
		if next.reusable != nil {
			t.Error("the versions before are kept")
		}
		all := make(map[string]*application.Application)
		for _, a := range set.Applications() {
			all[a.ClientID] = a
		}
		return all
	}
	before := make(map[string]*application.Application)
	for _, a := range f.set.Applications() {
		before[a.ClientID] = a
	}
	for clientID, a := range load(f.Versions()) {
		if same := a == before[clientID]; same != (clientID == "a" || clientID == "c") {
			t.Errorf("%s is taken over: %t", clientID, same)
		}
	}
	for clientID, a := range load(nil) {
		if a == before[clientID] {
			t.Errorf("%s is taken over from nowhere", clientID)
		}
	}
}

// The same file under another name is read again: mistakes and lines name it.
func TestLoadReusesNothingOfAnotherName(t *testing.T) {
	f := newFolder(t, map[string]string{"a.yaml": team("a")}, "a.yaml")
	t.Chdir(f.dir)
	relative := NewLibrary([]string{"a.yaml"}, f.options)
	relative.Reuse(f.Versions())
	set, err := relative.Load()
	f.must(err)
	if files := strings.Join(set.Files(), " "); files != "a.yaml" {
		t.Errorf("files: %s", files)
	}
}
