package refusallog

import (
	"regexp"
	"strings"
)

// secretLike matches generated secrets and tokens, which a caller may send in any place.
var secretLike = regexp.MustCompile(`tidp_[A-Za-z0-9_-]{8,}|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]*`)

// Loggable returns a text of a caller for the log: shortened, and without secrets.
func Loggable(s string) string {
	const longest = 255
	if strings.Contains(s, "tidp_") || strings.Contains(s, "eyJ") { // a regular expression takes a microsecond
		s = secretLike.ReplaceAllLiteralString(s, "REDACTED")
	}
	if len(s) > longest {
		return s[:longest] + "…"
	}
	return s
}
