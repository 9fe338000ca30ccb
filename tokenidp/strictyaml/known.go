package strictyaml

import (
	"fmt"
	"strconv"
	"strings"
)

// longestQuote is in bytes.
const longestQuote = 64

// Quote returns a text in quotes, in one line of limited length.
func Quote(s string) string {
	if len(s) > longestQuote {
		return strconv.Quote(strings.ToValidUTF8(s[:longestQuote], "")) + "…"
	}
	return strconv.Quote(s)
}

// Known returns a list of what could have been written instead of name, of which the
// first ten: "did you mean …? known: …".
func Known(name string, all []string) string {
	const most = 10
	return knownUpTo(most, name, all)
}

// KnownField is Known with all of them.
func KnownField(name string, all []string) string { return knownUpTo(len(all), name, all) }

func knownUpTo(most int, name string, all []string) string {
	var b strings.Builder
	if near := Nearest(name, all); near != "" {
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

// Nearest returns the first of the names that at most two typing errors lead to, fewer
// being better, or "".
func Nearest(name string, all []string) string {
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
