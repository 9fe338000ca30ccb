package ascii

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// Escape escapes, as JSON does (RFC 8259 section 7), characters that a terminal interprets or
// does not show: control characters, and those that turn the direction of text. It replaces
// invalid UTF-8 by U+FFFD.
func Escape(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.String()
}
