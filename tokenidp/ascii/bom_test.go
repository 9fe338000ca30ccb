package ascii

import "testing"

// Only one, only at the beginning, only of UTF-8.
func TestWithoutBOM(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "a", "\uFEFF": "", "\uFEFFa": "a", "\uFEFF\uFEFFa": "\uFEFFa", "a\uFEFF": "a\uFEFF", "\xFE\xFFa": "\xFE\xFFa", "\xEF\xBB": "\xEF\xBB",
	} {
		if got := string(WithoutBOM([]byte(text))); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
