package claimrule

import (
	"errors"
	"regexp"
	"strings"
)

// Pattern is what a claim has to look like. In it, an asterisk stands for one or
// more characters: at the very end for any, anywhere else for any but a colon and a
// slash, so that it never reaches into the next segment of a subject such as
// repo:shop@11/orders@74:ref:refs/heads/main. Everything else stands for itself.
type Pattern struct {
	text   string
	regexp *regexp.Regexp
}

// ParsePattern reads a pattern. It returns an error for one that fits more than its
// writer will think: a pattern begins with at least one whole segment, which ends in a
// colon or a slash. The error goes on where a sentence that names the pattern has begun.
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

// Match reports whether the whole of the text fits. It takes time in proportion to the
// text's length.
func (p *Pattern) Match(s string) bool { return p.regexp.MatchString(s) }
