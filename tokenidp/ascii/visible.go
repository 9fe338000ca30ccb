// Package ascii knows the characters that the identifiers, URLs and tokens of OAuth
// are made of, and escapes those that no text for people should have.
package ascii

import "strings"

// Visible reports whether all of a text is visible ASCII (VCHAR, RFC 5234 appendix B.1):
// no space, no control character, nothing beyond. Of the empty text it is true.
func Visible(s string) bool { return !strings.ContainsFunc(s, invisible) }

func invisible(c rune) bool { return c <= ' ' || c > '~' }
