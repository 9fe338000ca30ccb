package strictyaml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a file.
type Position struct {
	File string
	Line int // from 1; 0 for the file as a whole
}

// String returns file:line, or the file alone.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Problem is an error or a warning, with its place.
type Problem struct {
	At   Position
	Text string
	// ID names the kind of a warning. Errors have none.
	ID string
}

// String returns "file:line: …", or the text alone if it has no place.
func (p Problem) String() string {
	if p.At.File == "" {
		return p.Text
	}
	return p.At.String() + ": " + p.Text
}

const (
	// MaxProblems is how many are kept of one file: one that is wrong all over must not
	// fill the memory.
	MaxProblems = 1000
	// MaxReported is how many an error has: one must not fill the screen.
	MaxReported = 20
)

// Problems is what was found wrong in one file, so that an operator mends it in one go.
type Problems struct {
	found []Problem
	more  int // beyond MaxProblems
}

// Add adds an error at a place.
func (p *Problems) Add(at Position, format string, args ...any) { p.Warn("", at, format, args...) }

// Warn adds a warning of the kind at a place.
func (p *Problems) Warn(id string, at Position, format string, args ...any) {
	if len(p.found) == MaxProblems {
		p.more++
		return
	}
	p.found = append(p.found, Problem{at, fmt.Sprintf(format, args...), id})
}

// Merge adds the problems of another list, as warnings of the kind.
func (p *Problems) Merge(id string, other Problems) {
	for _, problem := range other.found {
		p.Warn(id, problem.At, "%s", problem.Text)
	}
	p.more += other.more
}

// Any reports whether there is one.
func (p *Problems) Any() bool { return len(p.found) > 0 }

// Clone returns a copy, to which more can be added.
func (p *Problems) Clone() Problems { return Problems{slices.Clone(p.found), p.more} }

// Sorted returns the problems in the order of the files and of their lines: at most so
// many, and one without a place that counts the others.
func Sorted(files []Problems, most int) (all []Problem) {
	more := 0
	for _, p := range files {
		slices.SortStableFunc(p.found, func(a, b Problem) int { return cmp.Compare(a.At.Line, b.At.Line) })
		for _, problem := range p.found {
			if len(all) < most {
				all = append(all, problem)
			} else {
				more++
			}
		}
		more += p.more
	}
	if more > 0 {
		all = append(all, Problem{Text: fmt.Sprintf("… and %d more", more)})
	}
	return all
}

// Error returns nil if there is no problem, or else an error with a line for each of the
// first MaxReported.
func Error(files ...Problems) error {
	var lines []string
	for _, p := range Sorted(files, MaxReported) {
		lines = append(lines, p.String())
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}
