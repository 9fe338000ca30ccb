package live

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// pattern is a path, or a glob in the syntax of filepath.Match.
type pattern struct {
	text string
	// matched is what it led to when it last led to anything.
	matched []string
	// failure is why it leads to nothing now.
	failure error
	trouble trouble
}

var errNoMatch = errors.New("no file matches")

// expand finds the files. A name that begins with a dot is matched only by a
// pattern that begins with one, as in a shell: editors and Kubernetes keep
// unfinished and outdated copies there.
func (p *pattern) expand() {
	p.failure = nil
	if !strings.ContainsAny(p.text, "*?[") {
		p.matched = []string{p.text}
		return
	}
	matches, err := filepath.Glob(p.text)
	if !strings.HasPrefix(filepath.Base(p.text), ".") {
		matches = slices.DeleteFunc(matches, func(path string) bool {
			return strings.HasPrefix(filepath.Base(path), ".")
		})
	}
	switch {
	case err != nil:
		p.failure = fmt.Errorf("not a pattern of file names: %w", err)
	case len(matches) == 0:
		p.failure = errNoMatch
	default:
		p.matched = matches
	}
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}
