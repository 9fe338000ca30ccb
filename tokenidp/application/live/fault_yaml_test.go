package live

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestF08HarmfulFileIsRejected with the line, at a start and while running, where
// what was in force stays.
func TestF08HarmfulFileIsRejected(t *testing.T) {
	good := team("a")
	for _, row := range []struct{ name, text, want string }{
		{"a client_id twice", good + "  - {client_id: a, active: false, scopes: [a.read]}\n", `8: application "a": client_id "a" is already defined at a.yaml:5`},
		{"a client_id twice, in quotes", good + "  - {client_id: \"a\", active: false, scopes: [a.read]}\n", `8: application "a": client_id "a" is already defined at a.yaml:5`},
		{"a key twice", good + "applications: []\n", `8: field "applications" is repeated; it was in line 4 already`},
		{"a key twice, in an application", good + "    active: true\n", `8: application "a": field "active" is repeated; it was in line 6 already`},
		{"a key twice, in a flow mapping", good + "  - {client_id: b, active: false, active: false, scopes: [a.read]}\n", `8: application "b": field "active" is repeated; it was in line 8 already`},
		{"a key twice, in a scope", "resources:\n  - name: a-api\n    scopes:\n      - {name: a, name: b}\n", `4: resource "a-api": scopes: field "name" is repeated; it was in line 4 already`},
		{"a key twice, in a secret", good + "    secrets:\n      - {id: x, id: y, hash: " + validHash + "}\n", `9: application "a": secret "x": field "id" is repeated; it was in line 9 already`},
		{"a tab", good + "\t- client_id: b\n", "8: not YAML: a tab where the indentation should be; indent with spaces, not tabs"},
		{"a tab before a value", "resources:\n\t- name: a\n", "2: not YAML: a tab where the indentation should be; indent with spaces, not tabs"},
		{"an unknown field", good + "    admin: true\n", `8: application "a": unknown field "admin"; known: ` + applicationOf},
		{"an unknown field at the top", good + "admins: []\n", `8: unknown field "admins"; known: resources, applications, tests`},
		{"an anchor and its alias", "resources: &r []\napplications: *r\n", "1: resources has an anchor (&), which is not accepted; write the value out where it is needed\na.yaml:2: applications is an alias (*), which is not accepted; write the value out"},
		{"an alias of itself", "resources: &r [*r]\n", "1: resources has an anchor (&), which is not accepted; write the value out where it is needed"},
		{"a merge key", good + "    <<: {active: true}\n", `8: application "a": merge keys (<<) are not accepted; write the fields out`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if set, _, failure := loadText(t, row.text); set != nil || failure != "a.yaml:"+row.want {
				t.Errorf("at a start: got:\n%s\nwant:\na.yaml:%s", failure, row.want)
			}
			f := newFolder(t, map[string]string{"a.yaml": good}, "a.yaml")
			f.save("a.yaml", row.text)
			f.want("while running", "broken a.yaml: a.yaml:"+row.want)
			f.wantIDs("a")
		})
	}
}

// TestF08IDsStayStrings: what YAML, in one version or another, takes for a number,
// a boolean, a date or null is an error without quotes, wherever a name stands,
// and with quotes it is the very same characters.
func TestF08IDsStayStrings(t *testing.T) {
	const text = "resources: [{name: NAME, scopes: [{name: SCOPE}]}]\n" +
		"applications:\n  - {client_id: ID, active: false, secrets: [{id: SECRET, hash: " + validHash + "}], scopes: [SCOPE]}\n"
	names := []string{"ID", "NAME", "SCOPE", "SECRET"}
	for _, id := range []string{
		"0123", "1e3", "yes", "no", "on", "off", "y", "n", "Yes", "NO", "true", "false", "null", "~", "0x1F", "0o17", "0b11", "1_000", "1.0", "+1", "-1",
		".5", ".inf", "-.INF", ".nan", "2026-11-20", "12345678901234567890", "9007199254740993", "00", "007", "0.1e1",
	} {
		for i, name := range names {
			plain := text
			for j, other := range names {
				if j == i {
					plain = strings.ReplaceAll(plain, other, id)
				} else {
					plain = strings.ReplaceAll(plain, other, strings.ToLower(other))
				}
			}
			if set, _, failure := loadText(t, plain); set != nil || !strings.HasPrefix(failure, "a.yaml:") || !strings.Contains(failure, "must be a string; quote it") && !strings.Contains(failure, "is null") {
				t.Errorf("%s as %s: %q", id, name, failure)
			}
		}
		for _, quote := range []string{`"`, `'`} {
			quoted := text
			for _, name := range names {
				quoted = strings.ReplaceAll(quoted, name, quote+id+quote)
			}
			set, _, failure := loadText(t, quoted)
			if failure != "" {
				t.Errorf("%s in quotes: %s", id, failure)
				continue
			}
			a, ok := set.Application(id)
			if !ok || a.ClientID != id || a.Secrets[0].ID != id || a.Scopes[0] != id {
				t.Errorf("%s in quotes: %+v", id, a)
			}
			if r, ok := set.Resource(id); !ok || r.Name != id || len(set.Applications()) != 1 {
				t.Errorf("%s in quotes: %+v", id, r)
			}
		}
	}
}

// TestF08LargeFileIsNotRead: of 100 MB nothing gets into memory, at a start, and
// with each look while running.
func TestF08LargeFileIsNotRead(t *testing.T) {
	f := newFolder(t, map[string]string{"a.yaml": team("a")}, "a.yaml")
	f.must(os.Truncate(f.path("a.yaml"), 100<<20))
	const want = "a.yaml: is larger than 16777216 bytes"
	allocated := allocation(func() {
		if _, _, failure := loadFrom(f.dir, "a.yaml"); failure != want {
			t.Errorf("at a start: %s", failure)
		}
		f.want("while running", "broken a.yaml: "+want)
		for range 100 {
			f.want("looked at again", "")
		}
	})
	if allocated > 1<<20 {
		t.Errorf("%d bytes were allocated", allocated)
	}
	f.wantIDs("a")
}

// TestF08BombIsBounded: a file that is as large as one may be, or that stands for
// a much larger one, takes memory in proportion to its own size.
func TestF08BombIsBounded(t *testing.T) {
	const size = 1 << 20
	laughs := "resources:\n  - &a0 [" + strings.Repeat("lol,", 10) + "]\n"
	for i := range 30 {
		laughs += fmt.Sprintf("  - &a%d [%s]\n", i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 10))
	}
	merges := "resources:\n  - &a0 {x: y}\n"
	for i := range 30 {
		merges += fmt.Sprintf("  - &a%d {x: {<<: *a%d}, y: {<<: *a%[2]d}, z: {<<: *a%[2]d}}\n", i+1, i)
	}
	for name, text := range map[string]string{
		"a billion laughs":    laughs + "applications: *a30\n",
		"a billion merges":    merges + "applications: *a30\n",
		"aliases of one":      "resources: &a [" + strings.Repeat("x", 100) + "]\napplications: [" + strings.Repeat("*a,", size/3) + "]\n",
		"nothing but lists":   strings.Repeat("[", size),
		"lists, closed":       strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"mappings":            strings.Repeat("{a: ", size/4),
		"dashes":              strings.Repeat("- ", size/2),
		"unknown fields":      "applications:\n" + strings.Repeat("  - n: 1\n", size/9),
		"a long field":        strings.Repeat("a", size) + ": 1\n",
		"a long client_id":    "applications: [{client_id: " + strings.Repeat("a", size) + "}]\n",
		"documents":           strings.Repeat("---\napplications: []\n", size/21),
		"comments":            strings.Repeat("#\n", size/2),
		"tags":                strings.Repeat("!a ", size/3) + "b\n",
		"a file of NULs":      strings.Repeat("\x00", size),
		"one field, repeated": strings.Repeat("a: 1\n", size/5),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t, map[string]string{"a.yaml": team("a")}, "a.yaml")
			f.save("a.yaml", text)
			var failure string
			allocated := allocation(func() { failure = f.refresh(nil) })
			if most := uint64(1000*len(text)) + 1<<20; allocated > most {
				t.Errorf("%d bytes were allocated for %d", allocated, len(text))
			}
			if len(failure) > 10_000 || !strings.HasPrefix(failure, "broken a.yaml: a.yaml:") {
				t.Errorf("%d bytes: %.300s", len(failure), failure)
			}
			f.wantIDs("a")
		})
	}
}

// allocation is in bytes, of f and whatever else runs meanwhile.
func allocation(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
