package tokenidp

import "testing"

// A list whose elements could be read as others once they are joined is in no
// header.
func TestListsThatJoinAmbiguously(t *testing.T) {
	for name, row := range map[string]struct {
		claim any
		want  bool
	}{
		"words":              {[]any{"staff", "admin"}, false},
		"one with a space":   {[]any{"staff", "x admin"}, true},
		"one that is empty":  {[]any{"staff", ""}, true},
		"an empty list":      {[]any{}, false},
		"text with a space":  {"a b", false},
		"something in it":    {[]any{map[string]any{"a b": "c d"}}, false},
		"no list":            {nil, false},
		"a space at the end": {[]any{"staff "}, true},
	} {
		if got := joinsAmbiguously(row.claim); got != row.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
