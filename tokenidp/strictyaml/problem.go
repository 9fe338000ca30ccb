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

// problem is an error or a warning, with its place.
type problem struct {
	at   Position
	text string
}

func (p problem) String() string { return p.at.String() + ": " + p.text }

const (
	// MaxProblems is how many are kept of one file: one that is wrong all over must not
	// fill the memory.
	MaxProblems = 1000
	// MaxReported is how many an error has: one must not fill the screen.
	MaxReported = 20
)

// Problems is what was found wrong in one file, so that an operator mends it in one go.
type Problems struct {
	found []problem
	more  int // beyond MaxProblems
}

// Add adds a problem at a place.
func (p *Problems) Add(at Position, format string, args ...any) {
	if len(p.found) == MaxProblems {
		p.more++
		return
	}
	p.found = append(p.found, problem{at, fmt.Sprintf(format, args...)})
}

// Merge adds the problems of another list.
func (p *Problems) Merge(other Problems) {
	for _, problem := range other.found {
		p.Add(problem.at, "%s", problem.text)
	}
	p.more += other.more
}

// Any reports whether there is one.
func (p *Problems) Any() bool { return len(p.found) > 0 }

// Clone returns a copy, to which more can be added.
func (p *Problems) Clone() Problems { return Problems{slices.Clone(p.found), p.more} }

// Lines returns a line "file:line: …" for each problem, in the order of the files and of
// their lines: at most so many, and one that counts the others.
func Lines(files []Problems, most int) (lines []string) {
	more := 0
	for _, p := range files {
		slices.SortStableFunc(p.found, func(a, b problem) int { return cmp.Compare(a.at.Line, b.at.Line) })
		for _, problem := range p.found {
			if len(lines) < most {
				lines = append(lines, problem.String())
			} else {
				more++
			}
		}
		more += p.more
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	return lines
}

// Error returns nil if there is no problem, or else an error with a line for each of the
// first MaxReported.
func Error(files ...Problems) error {
	if all := Lines(files, MaxReported); len(all) > 0 {
		return errors.New(strings.Join(all, "\n"))
	}
	return nil
}
