package application

import (
	"slices"
	"testing"
)

func TestApplicationTexts(t *testing.T) {
	for text, want := range map[string][]string{
		"":                             nil,
		"resources:\n- a\n":            nil,
		"applications:\n- a\n- b\n  c": {"- a\n", "- b\n  c"},
		"x: y\napplications: # z\n\n  # a\n  - a\n    - b\n\n#\n  - c\nresources:\n  - d\napplications:\n - e\n": {"\n  # a\n", "  - a\n    - b\n\n#\n", "  - c\n", " - e\n"},
		"applications:\n\t- a\n": {"\t- a\n"},
	} {
		if got := applicationTexts([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
