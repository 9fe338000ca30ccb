package route

import (
	"encoding/json"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// exampleOfRegexp returns a text that a matcher with a regular expression matches, or "".
func exampleOfRegexp(raw json.RawMessage) string {
	var m struct {
		Pattern string `json:"pattern"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &m) != nil {
		return ""
	}
	parsed, err := syntax.Parse(m.Pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	var text strings.Builder
	writeExample(&text, parsed.Simplify())
	return text.String()
}

// writeExample writes the shortest text that the expression matches, if it is easy to find.
// It takes assertions as met.
func writeExample(text *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		text.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		if c, ok := usualRune(re.Rune); ok {
			text.WriteRune(c)
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		text.WriteByte('x')
	case syntax.OpCapture, syntax.OpPlus, syntax.OpAlternate:
		writeExample(text, re.Sub[0])
	case syntax.OpRepeat:
		for range re.Min {
			writeExample(text, re.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			writeExample(text, sub)
		}
	default: // matches the empty text
	}
}

// usualRune returns a member of the class, given by pairs: a digit or a letter if it has
// one.
func usualRune(pairs []rune) (rune, bool) {
	has := func(c rune) bool {
		for pair := range slices.Chunk(pairs, 2) {
			if pair[0] <= c && c <= pair[1] {
				return true
			}
		}
		return false
	}
	for _, c := range "1xaXA-_.~/" {
		if has(c) {
			return c, true
		}
	}
	if len(pairs) > 0 && unicode.IsPrint(pairs[0]) {
		return pairs[0], true
	}
	return 0, false
}
