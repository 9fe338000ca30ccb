package check

import (
	"os"
	"strings"
	"testing"
	"time"
)

const ignored = `applications:
  - client_id: orders-worker
    secrets: [{id: "1", hash: "$sha256$0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}]
    scopes: [orders.read]
`

// foundIn returns the findings of a few rules in a file of Applications, at the time.
func foundIn(t *testing.T, applications string, now time.Time) string {
	t.Helper()
	t.Chdir(t.TempDir())
	writeFiles(t, map[string]string{"team.yaml": usualResources + applications})
	report, err := Files([]string{"team.yaml"}, Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range report.Findings {
		text := string(f.Rule.ID)
		if f.Ignored != nil {
			text += " (suppressed)"
		}
		found = append(found, text)
	}
	return strings.Join(found, ", ")
}

func TestIgnores(t *testing.T) {
	const comment = "# tokenidp:ignore secret-never-expires for orders-worker until 2026-12-31: the vendor cannot renew it"
	for _, row := range []struct {
		name, applications string
		now                time.Time
		want               string
	}{
		{"none", ignored, noon(), "secret-never-expires"},
		{"before it", comment + "\n" + ignored, noon(), "secret-never-expires (suppressed)"},
		{"behind it", ignored + comment, noon(), "secret-never-expires (suppressed)"},
		{"in its line", strings.Replace(ignored, "}]\n", "}] "+comment+"\n", 1), noon(), "secret-never-expires (suppressed)"},
		{"on its last day", comment + "\n" + ignored, time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC), "secret-never-expires (suppressed)"},
		{"after its last day", comment + "\n" + ignored, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), "secret-never-expires"},
		{"several rules", strings.Replace(comment, "expires for", "expires, weak-hash for", 1) + "\n" + ignored, noon(), "secret-never-expires (suppressed)"},
		{"another Application", strings.Replace(comment, "orders-worker", "orders-report", 1) + "\n" + ignored, noon(), "ignore-unused, secret-never-expires"},
		{"another rule", strings.Replace(comment, "secret-never-expires", "weak-hash", 1) + "\n" + ignored, noon(), "ignore-unused, secret-never-expires"},
		{"an unknown rule", strings.Replace(comment, "secret-never-expires", "secret-never-expire", 1) + "\n" + ignored, noon(), "ignore-mistaken, secret-never-expires"},
		{"no reason", strings.Replace(comment, " the vendor cannot renew it", "", 1) + "\n" + ignored, noon(), "ignore-mistaken, secret-never-expires"},
		{"no day", strings.Replace(comment, " until 2026-12-31", "", 1) + "\n" + ignored, noon(), "ignore-mistaken, secret-never-expires"},
		{"no such day", strings.Replace(comment, "12-31", "13-31", 1) + "\n" + ignored, noon(), "ignore-mistaken, secret-never-expires"},
		{"nothing but the word", "# tokenidp:ignore\n" + ignored, noon(), "ignore-mistaken, secret-never-expires"},
		{"no comment", strings.Replace(ignored, "- client_id", `- client_name: "a#tokenidp:ignore"`+"\n    client_id", 1), noon(), "secret-never-expires"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := foundIn(t, row.applications, row.now); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

// A comment is for its own file: one team does not suppress the findings of another.
func TestIgnoresOfAnotherFile(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, map[string]string{
		"a.yaml": usualResources + "# tokenidp:ignore secret-never-expires for orders-worker until 2026-12-31: not mine\n", "b.yaml": ignored,
	})
	report, err := Files([]string{"a.yaml", "b.yaml"}, Options{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(report.ids(), " "); got != "ignore-unused secret-never-expires" || report.Findings[1].Ignored != nil {
		t.Errorf("%s %+v", got, report.Findings)
	}
}

// In a Caddyfile, a comment is for the declarations of the Caddyfile, also if they have no
// line.
func TestIgnoresInACaddyfile(t *testing.T) {
	t.Chdir(t.TempDir())
	open := usualRoutes + "handle {\n\treverse_proxy localhost:5003\n}\n"
	for comment, want := range map[string]bool{
		"": false,
		"# tokenidp:ignore unguarded-handler for localhost:5001 until 2026-12-31: it is a public page\n":   true,
		"# tokenidp:ignore unguarded-handler for localhost:5001/a until 2026-12-31: it is a public page\n": false,
	} {
		example{"caddyfile": comment + open}.write(t)
		suppressed := false
		for _, f := range checkHere(t).Findings {
			suppressed = suppressed || f.Rule.ID == "unguarded-handler" && f.Ignored != nil
		}
		if suppressed != want {
			t.Errorf("%q: suppressed: %t", comment, suppressed)
		}
	}
	if err := os.Remove("Caddyfile"); err != nil {
		t.Fatal(err)
	}
}

// The clock of the check decides what has expired.
func TestExpiryByTheClock(t *testing.T) {
	dated := strings.Replace(ignored, `"}]`, `", expires: 2027-06-30}]`, 1)
	for now, want := range map[time.Time]string{
		noon(): "",
		time.Date(2027, 6, 30, 23, 0, 0, 0, time.UTC): "secret-expires-soon",
		time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC):   "no-valid-secret, secret-expired",
	} {
		if got := foundIn(t, dated, now); got != want {
			t.Errorf("%s: %s, want %s", now, got, want)
		}
	}
}
