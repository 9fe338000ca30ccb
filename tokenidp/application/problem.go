package application

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// position is a place in one of the files.
type position struct {
	file string
	line int // from 1; 0 for the file as a whole
}

func (p position) String() string {
	if p.line == 0 {
		return p.file
	}
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

// problem is an error or a warning, with its place.
type problem struct {
	at   position
	text string
}

func (p problem) String() string { return p.at.String() + ": " + p.text }

const (
	// A file that is wrong all over must not fill the memory, or the screen.
	mostProblems = 1000
	mostReported = 20
)

// problems is what was found wrong in one file, so that an operator mends it
// in one go.
type problems struct {
	found []problem
	more  int // beyond mostProblems
}

func (p *problems) add(at position, format string, args ...any) {
	if len(p.found) == mostProblems {
		p.more++
		return
	}
	p.found = append(p.found, problem{at, fmt.Sprintf(format, args...)})
}

func (p *problems) any() bool { return len(p.found) > 0 }

func (p *problems) clone() problems { return problems{slices.Clone(p.found), p.more} }

// lines are in the order of the files and of their lines, at most so many and
// one that counts the others.
func lines(files []problems, most int) (lines []string) {
	more := 0
	for _, p := range files {
		slices.SortStableFunc(p.found, func(a, b problem) int { return cmp.Compare(a.at.line, b.at.line) })
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

// report is nil when there is no problem, or else has a line for each of the first 20.
func report(files []problems) error {
	if all := lines(files, mostReported); len(all) > 0 {
		return errors.New(strings.Join(all, "\n"))
	}
	return nil
}

// quoted shows what somebody wrote, or sent, in one line and at a bearable length.
func quoted(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return strconv.Quote(s)
}

// known lists what could have been written instead of name, the nearest first if
// it is near.
func known(name string, all []string) string {
	const most = 10
	return knownUpTo(most, name, all)
}

// knownField lists all of them.
func knownField(name string, all []string) string { return knownUpTo(len(all), name, all) }

func knownUpTo(most int, name string, all []string) string {
	var b strings.Builder
	if near := nearest(name, all); near != "" {
		fmt.Fprintf(&b, "did you mean %q? ", near)
	}
	b.WriteString("known: ")
	if len(all) == 0 {
		b.WriteString("none")
	}
	b.WriteString(strings.Join(all[:min(len(all), most)], ", "))
	if more := len(all) - most; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// nearest finds the first of the names that at most two typing errors lead to,
// fewer being better, or returns "".
func nearest(name string, all []string) string {
	best, near := 3, ""
	for _, candidate := range all {
		if d := len(candidate) - len(name); d > 2 || d < -2 || len(candidate) < 3 {
			continue
		}
		if d := distance(name, candidate); d < best {
			best, near = d, candidate
		}
	}
	return near
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
