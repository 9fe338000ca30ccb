package ascii

import (
	"strings"
	"testing"
)

// RFC 5234 appendix B.1: VCHAR is %x21-7E, wherever in the text another byte is.
func TestVisible(t *testing.T) {
	for b := range 256 {
		c := string([]byte{byte(b)})
		want := b >= 0x21 && b <= 0x7e
		for _, s := range []string{c, c + "a", "a" + c, "a" + c + "a"} {
			if Visible(s) != want {
				t.Errorf("%q: %t", s, !want)
			}
		}
	}
	for s, want := range map[string]bool{"": true, "https://api.example.com/%C3%A9": true, "https://api.example.com/é": false, "\ufffd": false, "\u2028": false, strings.Repeat("a", 1<<16) + "\n": false} {
		if Visible(s) != want {
			t.Errorf("%.40q: %t", s, !want)
		}
	}
}
