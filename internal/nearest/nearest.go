// Package nearest finds the known name that is closest to an unknown one.
package nearest

import (
	"iter"
	"strings"
)

// DidYouMean returns a question to append to an error about an unknown name, with the
// known name that is nearest to it, or "" if none is near.
func DidYouMean(given string, known iter.Seq[string]) string {
	if name := Name(given, known); name != "" {
		return "; did you mean " + name + "?"
	}
	return ""
}

// longest is the length of names, in runes, that are compared at all.
const longest = 255

// Name returns the known name that is nearest to the given one, the first of several,
// or "" if each differs in more than a third of the given one. Upper and lower case
// differ least.
func Name(given string, known iter.Seq[string]) (found string) {
	a := []rune(given)
	if given == "" || len(a) > longest {
		return ""
	}
	folded := []rune(strings.ToLower(given))
	best := max(1, len(a)/3) + 1
	for name := range known {
		b := []rune(strings.ToLower(name))
		if len(b) > longest || abs(len(folded)-len(b)) >= best {
			continue
		}
		if d := distance(folded, b); d < best {
			best, found = d, name
		}
	}
	return found
}

func abs(n int) int { return max(n, -n) }

// distance is how many runes have to be inserted, removed, replaced or swapped with
// their neighbour to make one of the other (optimal string alignment).
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
