package strictyaml

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"unicode/utf8"
)

// Format declares what a text must be. Check and the other fields say the same, once for
// the reader and once for the JSON Schema. Only Loose may be different.
type Format struct {
	// Check returns an error that continues a sentence with the name of the field. nil
	// accepts every text that is one of OneOf.
	Check func(string) error
	// OneOf are the only accepted texts. nil: there are others.
	OneOf []string
	// Pattern is a regular expression that every accepted text matches, and Not one that
	// none matches. Both are in the common part of Go's syntax and ECMA 262.
	Pattern, Not string
	// Longest is in characters. 0: any length.
	Longest int
	// Says is what an editor shows for a text that does not match Pattern.
	Says string
	// Loose says what Check refuses beyond Pattern, Not and Longest. "": nothing.
	Loose string

	compile      sync.Once
	pattern, not *regexp.Regexp
}

// accept adds an error for a text that is not of the format.
func (f *Format) accept(m *Mapping, n *Node, field string) bool {
	err := f.err(n.Value)
	switch {
	case err == nil:
		return true
	case f.Loose != "" && f.fits(n.Value) && isJSONString(n):
		m.FailField(n, field, "%v", err)
	default:
		m.RefuseField(n, field, "%v", err)
	}
	return false
}

func (f *Format) err(text string) error {
	switch {
	case f == nil:
		return nil
	case f.OneOf != nil && !slices.Contains(f.OneOf, text):
		return fmt.Errorf("has the unknown %s; %s", Quote(text), KnownField(text, f.OneOf))
	case f.Check != nil:
		return f.Check(text)
	}
	return nil
}

// fits reports whether a text is accepted as far as a JSON Schema can say.
func (f *Format) fits(text string) bool {
	f.compile.Do(func() {
		f.pattern = regexp.MustCompile(f.Pattern)
		if f.Not != "" {
			f.not = regexp.MustCompile(f.Not)
		}
	})
	return f.pattern.MatchString(text) && (f.not == nil || !f.not.MatchString(text)) &&
		(f.Longest == 0 || utf8.RuneCountInString(text) <= f.Longest)
}

// Label is the format of a text that people read: 1 to the given number of printable
// characters. The error has the explanation, such as "in one line".
func Label(most int, explanation string) *Format {
	says := fmt.Sprintf("must be 1 to %d printable characters%s", most, explanation)
	return &Format{
		Check: func(s string) error {
			if !IsLabel(s, most) {
				return errors.New(says)
			}
			return nil
		},
		Pattern: "^" + NoControl + "+$",
		Longest: most,
		Says:    says,
		Loose:   "a character that Unicode does not count as printable",
	}
}

// NoControl matches a character that is not a control character, in a Pattern.
const NoControl = `[^\x00-\x1f\x7f-\x9f]`
