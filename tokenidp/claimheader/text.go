package claimheader

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// unsafe returns why the claim is in no header, and what to write instead.
func (h *header) unsafe(claims *verifier.Claims) error {
	why := "has no form that is safe in a header as text"
	switch claim, _ := claims.At(h.path); {
	case claims.Mistyped(h.path):
		return fmt.Errorf("claim %s is not a non-empty string", h.claim)
	case joinsAmbiguously(claim):
		why = "is a list with an element that is empty or has a space in it, which reads as another list when it is joined with spaces"
	}
	return fmt.Errorf("claim %s %s; write: claim_header %s %s %s", h.claim, why, h.name, h.claim, JSON)
}

// text returns the value of the header. The client and the scopes are those that were
// checked, wherever the issuer has them in its tokens.
func (h *header) text(claims *verifier.Claims) (text string, found, safe bool) {
	if h.json {
		return h.jsonText(claims)
	}
	switch h.claim {
	case "client_id":
		return claims.ClientID, claims.ClientID != "", true
	case "scope":
		return claims.ScopeText(), len(claims.Scope) > 0, true
	case All:
		text, safe = marshal(claims.All())
		return base64.RawURLEncoding.EncodeToString([]byte(text)), safe, safe
	}
	claim, found := claims.At(h.path)
	text, safe = Text(claim)
	return text, found, safe && !joinsAmbiguously(claim) && !claims.Mistyped(h.path)
}

// joinsAmbiguously reports whether a list would read as another one when it is joined
// with spaces: an issuer's group "x admin" as the groups x and admin.
func joinsAmbiguously(claim any) bool {
	list, _ := claim.([]any)
	return slices.ContainsFunc(list, func(element any) bool {
		text, ok := element.(string)
		return ok && (text == "" || strings.Contains(text, " "))
	})
}

// Text returns a claim as text: a string as it is, a list of strings joined with spaces,
// anything else as JSON. ok is false if it has no JSON.
func Text(claim any) (text string, ok bool) {
	switch c := claim.(type) {
	case nil:
		return "", true
	case string:
		return c, true
	case []any:
		words := make([]string, 0, len(c))
		for _, element := range c {
			word, ok := element.(string)
			if !ok {
				return marshal(claim)
			}
			words = append(words, word)
		}
		return strings.Join(words, " "), true
	default:
		return marshal(claim)
	}
}

// marshal uses the package that decoded the claims: to encoding/json, their numbers are
// strings.
func marshal(claim any) (string, bool) {
	text, err := json.Marshal(claim)
	return string(text), err == nil
}

// jsonText returns the claim as JSON (RFC 8259) in printable ASCII, so that a header can
// carry every value.
func (h *header) jsonText(claims *verifier.Claims) (text string, found, safe bool) {
	var claim any
	switch h.claim {
	case "client_id":
		claim, found = claims.ClientID, claims.ClientID != ""
	case "scope":
		claim, found = claims.Scope, len(claims.Scope) > 0
	case All:
		claim, found = claims.All(), true
	default:
		claim, found = claims.At(h.path)
	}
	text, safe = marshal(claim)
	return asciiJSON(text), found, safe && !claims.Mistyped(h.path)
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
