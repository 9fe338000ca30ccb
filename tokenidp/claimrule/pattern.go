package claimrule

import (
	"errors"
	"regexp"
	"strings"
)

// Pattern is a pattern for the text of a claim. An asterisk matches one or more
// characters: at the end any, elsewhere any but a colon and a slash. So it never matches
// into the next segment of a subject such as repo:shop@11/orders@74:ref:refs/heads/main.
// All other characters match themselves.
type Pattern struct {
	text   string
	regexp *regexp.Regexp
}

// PatternSyntax is a regular expression for what ParsePattern accepts, among texts without
// control characters.
const PatternSyntax = `^[^*\x00-\x1f\x7f-\x9f]*[:/]\*([^*\x00-\x1f\x7f-\x9f]+\*)*[^*\x00-\x1f\x7f-\x9f]*$`

// ParsePattern parses a pattern. A pattern must begin with at least one whole segment,
// which ends with a colon or a slash. Otherwise it could match more than intended. The
// error continues a sentence that names the pattern.
func ParsePattern(text string) (*Pattern, error) {
	fixed, _, found := strings.Cut(text, "*")
	switch {
	case !found:
		return nil, errors.New("has no *; write the value without a pattern")
	case fixed == "":
		return nil, errors.New("begins with *, which fits everybody's; begin with what is fixed, as in repo:my-org@11/my-repo@74:*")
	case !strings.HasSuffix(fixed, ":") && !strings.HasSuffix(fixed, "/"):
		return nil, errors.New("has a * that is not at the beginning of a segment, so that my-org* would fit my-org-of-somebody-else; put it behind a colon or a slash")
	case strings.Contains(text, "**"):
		return nil, errors.New("has ** in it; one * at the end fits all the rest")
	}
	parts := strings.Split(text, "*")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	expression := strings.Join(parts, "[^:/\x00-\x1f]+")
	if rest, open := strings.CutSuffix(expression, "[^:/\x00-\x1f]+"); open {
		expression = rest + "[^\x00-\x1f]+"
	}
	compiled, err := regexp.Compile(`^(?:` + expression + `)$`)
	return &Pattern{text, compiled}, err
}

// String returns the pattern as it was written.
func (p *Pattern) String() string { return p.text }

// Match reports whether the whole text matches. Its time is proportional to the length of
// the text.
func (p *Pattern) Match(s string) bool { return p.regexp.MatchString(s) }
