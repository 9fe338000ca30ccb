package check

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

const document = "../../docs/checks.md"

// docs/checks.md has a section for each rule, in the order of Rules. It begins with the
// texts of the rule.
func TestDocumentHasEveryRule(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	rest := string(text)
	for _, r := range Rules {
		section := sectionOf(r)
		_, after, found := strings.Cut(rest, section)
		if !found {
			t.Errorf("docs/checks.md does not have, in its place:\n%s", section)
			continue
		}
		rest = after
	}
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(line, "### "); ok && find(warning.ID(strings.TrimSpace(id))) == nil {
			t.Errorf("docs/checks.md has a section for %s, which is no rule", id)
		}
	}
}

// sectionOf returns the beginning of a rule's section.
func sectionOf(r *Rule) string {
	return fmt.Sprintf("### %s\n\n%s: %s.\n\n%s\n\n%s\n", r.ID, r.Severity, r.Title, r.Reason, r.Correction)
}

// A rule says what is found, why, and what to do, and its ID can be searched for.
func TestRulesAreComplete(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range Rules {
		id := string(r.ID)
		if seen[id] || id == "" || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz-") != "" {
			t.Errorf("%q is no ID, or is there twice", id)
		}
		seen[id] = true
		if !r.Severity.AtLeast(Note) || r.Title == "" || strings.HasSuffix(r.Title, ".") || !strings.HasSuffix(r.Reason, ".") || r.Correction == "" {
			t.Errorf("%s is not complete: %+v", id, r)
		}
	}
}
