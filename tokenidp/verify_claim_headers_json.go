package tokenidp

import (
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// jsonText is the claim as JSON (RFC 8259) in printable ASCII, so that a header can
// carry every value.
func (h *claimHeader) jsonText(claims *verifier.Claims) (text string, found, safe bool) {
	var claim any
	switch h.claim {
	case "client_id":
		claim, found = claims.ClientID, claims.ClientID != ""
	case "scope":
		claim, found = claims.Scope, len(claims.Scope) > 0
	case allClaims:
		claim, found = claims.All(), true
	default:
		claim, found = claims.At(h.path)
	}
	text, safe = jsonText(claim)
	return asciiJSON(text), found, safe
}

// asciiJSON escapes what is not ASCII (RFC 8259 section 7). In the output of Marshal,
// it is in strings alone.
func asciiJSON(text string) string {
	if !strings.ContainsFunc(text, notASCII) {
		return text
	}
	var b strings.Builder
	for _, c := range text {
		if !notASCII(c) {
			b.WriteRune(c)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, c) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

func notASCII(c rune) bool { return c > '~' }
