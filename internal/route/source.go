package route

import (
	"cmp"
	"strings"
)

// CompareSources puts sources (file:line) into their order: lines of one file by number.
func CompareSources(a, b string) int {
	fileA, lineA := cutLine(a)
	fileB, lineB := cutLine(b)
	return cmp.Or(strings.Compare(fileA, fileB), len(lineA)-len(lineB), strings.Compare(lineA, lineB))
}

func cutLine(source string) (file, line string) {
	i := strings.LastIndexByte(source, ':') + 1
	return source[:i], source[i:]
}
