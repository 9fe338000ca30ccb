package strictyaml

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

var (
	yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	// What the parser says with a line that counts from 0, the scanner's from 1.
	// With context, which most of these have, it is the first line of the block.
	countsFrom0  = regexp.MustCompile(`^(did not find expected (<.*>|node content|'-' indicator|key|',' or '[\]}]')|found (undefined tag handle|duplicate %.* directive|incompatible YAML document))$`)
	unknownAlias = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
	blank        = regexp.MustCompile(`^[ \t]*(#.*)?\r?\n?$`)
	tabbed       = regexp.MustCompile(`^ *\t`)
)

// syntaxError returns the line of the mistake, and what is wrong there. It leaves out the
// one thing in the parser's message that may be part of a secret: the rest of an unquoted
// value that begins with an asterisk.
func syntaxError(data []byte, err error) (line int, text string) {
	m := yamlError.FindStringSubmatch(err.Error())
	if m == nil {
		return 0, "is not readable as YAML"
	}
	line, text = 1, "not YAML: "+m[2]
	if m[1] != "" {
		line, _ = strconv.Atoi(m[1])
		if countsFrom0.MatchString(m[2]) {
			line++
		}
	}
	if alias := unknownAlias.FindStringSubmatch(m[2]); alias != nil {
		before, _, _ := bytes.Cut(data, []byte("*"+alias[1]))
		return 1 + bytes.Count(before, []byte("\n")), "not YAML: a value that begins with * is an alias of another; quote it"
	}
	switch {
	case strings.Contains(text, "found a tab character"), strings.Contains(text, "cannot start any token") && tabAfter(data, line) == line:
		return max(line, tabAfter(data, line)), "not YAML: a tab where the indentation should be; indent with spaces, not tabs"
	case strings.Contains(text, "cannot start any token"):
		text += "; quote what begins with @, % or `"
	case strings.HasSuffix(text, "expected key"), strings.HasSuffix(text, "'-' indicator"):
		text += fmt.Sprintf(" in the block that begins in line %d; check the indentation and the quotes of this line", line)
		line = max(line, failingLine(data, err))
	case strings.HasSuffix(text, "incompatible YAML document"), strings.Contains(text, " directive"):
		text += "; remove this line"
	}
	return line, text
}

// tabAfter returns the first line from the given one that a tab indents, or 0: the parser
// names the beginning of the value that the tab interrupts.
func tabAfter(data []byte, line int) int {
	number := 0
	for content := range bytes.Lines(data) {
		if number++; number >= line && tabbed.Match(content) {
			return number
		}
	}
	return 0
}

// failingLine returns the line at which the parser gives up: the end of the shortest
// beginning of data that has the same mistake. The parser itself names the beginning of
// the block around it.
func failingLine(data []byte, mistake error) int {
	lines := &byLine{rest: data}
	_ = yaml.NewDecoder(lines).Decode(new(Node))
	ends := []int{0}
	for content := range bytes.Lines(data) {
		ends = append(ends, ends[len(ends)-1]+len(content))
	}
	line := lines.read
	for range mostTries {
		for line > 1 && blank.Match(data[ends[line-1]:ends[line]]) {
			line--
		}
		shorter := data[:ends[line-1]]
		err := yaml.NewDecoder(bytes.NewReader(shorter)).Decode(new(Node))
		if err == nil || err.Error() != mistake.Error() {
			break
		}
		line--
	}
	return line
}

// mostTries bounds how often a file is parsed again: the parser reads a line or two
// beyond a mistake, and comments and blank lines.
const mostTries = 5

// byLine reads a line at a time, and counts them. The parser asks for more only when it
// needs it, so that it has read little beyond a mistake.
type byLine struct {
	rest []byte
	read int
}

func (b *byLine) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := len(b.rest)
	if end := bytes.IndexByte(b.rest, '\n'); end >= 0 {
		n = end + 1
	}
	if n <= len(p) {
		b.read++
	}
	n = copy(p, b.rest[:n])
	b.rest = b.rest[n:]
	return n, nil
}
