package claimheader

import (
	"encoding/json"
	"testing"

	"golang.org/x/net/http/httpguts"
)

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

// What is escaped is the same JSON, and safe in a header.
func TestJSONInASCII(t *testing.T) {
	for value, want := range map[string]string{
		"Domain Users": `"Domain Users"`, "": `""`, `a"\`: `"a\"\\"`, "Zürich": `"Z\u00fcrich"`, "🔑\x7f": `"\ud83d\udd11\u007f"`, "\r\nX: y": `"\r\nX: y"`,
	} {
		text, ok := marshal(value)
		text = asciiJSON(text)
		var back string
		if err := json.Unmarshal([]byte(text), &back); !ok || err != nil || text != want || back != value || !httpguts.ValidHeaderFieldValue(text) {
			t.Errorf("%q: %s, %v", value, text, err)
		}
	}
}
