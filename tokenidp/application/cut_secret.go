package application

import (
	"bytes"
	"errors"
	"regexp"
	"unicode/utf8"
)

// The places that the parser tells are where a value begins; where it ends is
// found from the layout. That may be wrong for a text that is laid out as only
// parsers do: what is left is read again (see confirm).

// blockRange is that of the lines of an item of
//
//	secrets:
//	  # its comment
//	  - id: "2026-11"
//	    hash: "$argon2id$…"
func (t *target) blockRange(text []byte) (from, to int, err error) {
	if len(t.list.Content) == 1 {
		return 0, 0, errors.New("it is the only one; its list has to become `secrets: []`")
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	indent := t.list.Column - 1
	first := dashLine(lines, t.node().Line-1, indent)
	if first < 0 {
		return 0, 0, errors.New("its list is laid out in an unusual way")
	}
	last := lastOfItem(lines, first, indent)
	for first > 0 && isComment(lines[first-1]) && indentation(lines[first-1]) == indent {
		first--
	}
	return length(lines[:first]), length(lines[:last+1]), nil
}

// dashLine goes up from the line in which the item's first value begins to the
// one with the item's dash, or returns -1.
func dashLine(lines [][]byte, line, indent int) int {
	for ; line >= 0; line-- {
		if indentation(lines[line]) == indent && bytes.HasPrefix(lines[line][indent:], []byte("-")) {
			return line
		}
	}
	return -1
}

// lastOfItem is the last line with a value of the item, or one of the comment
// lines directly below that are indented like its fields.
func lastOfItem(lines [][]byte, first, indent int) (last int) {
	last = first
	for i := first + 1; i < len(lines); i++ {
		line := lines[i]
		switch {
		case isBlank(line):
		case isComment(line):
			if i == last+1 && indentation(line) > indent {
				last = i
			}
		case indentation(line) <= indent:
			return last
		default:
			last = i
		}
	}
	return last
}

func isBlank(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }

func isComment(line []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("#")) }

// indentation is in spaces; a tab indents nothing in YAML.
func indentation(line []byte) int { return len(line) - len(bytes.TrimLeft(line, " ")) }

func length(lines [][]byte) (n int) {
	for _, line := range lines {
		n += len(line)
	}
	return n
}

// flowRange is that of an item of
//
//	secrets: [{id: "2026-11", hash: "$argon2id$…"}, {id: "2027-05", hash: "$argon2id$…"}]
//
// and of what separates it from the next, or else from the one before.
func (t *target) flowRange(text []byte) (from, to int, err error) {
	unusual := errors.New("its list is within brackets and laid out in an unusual way")
	begin, end, ok := t.flowItem(text, t.index)
	if !ok {
		return 0, 0, unusual
	}
	switch last := len(t.list.Content) - 1; {
	case last == 0:
		return begin, end, nil
	case t.index < last:
		next, _, ok := t.flowItem(text, t.index+1)
		if !ok || next < end || !flowComma.Match(text[end:next]) {
			return 0, 0, unusual
		}
		return begin, next, nil
	default:
		_, before, ok := t.flowItem(text, t.index-1)
		if !ok || begin < before || !flowComma.Match(text[before:begin]) {
			return 0, 0, unusual
		}
		return before, end, nil
	}
}

// flowItem is where an item begins and ends, if its end can be told without a
// parser: one line of plain words and of strings without escapes.
func (t *target) flowItem(text []byte, index int) (begin, end int, ok bool) {
	n := t.list.Content[index]
	lines := bytes.SplitAfter(text, []byte("\n"))
	begin = length(lines[:n.Line-1])
	line := bytes.TrimPrefix(lines[n.Line-1], []byte("\uFEFF"))
	begin += len(lines[n.Line-1]) - len(line)
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(line)
		line, begin = line[size:], begin+size
	}
	item := flowSecret.Find(line)
	return begin, begin + len(item), item != nil
}

const flowPair = `[a-z]+: +(?:"[^"\\]*"|'[^']*'|[A-Za-z0-9$./_+=](?:[A-Za-z0-9$./_+=:-]*[A-Za-z0-9$./_+=-])?)`

var (
	flowSecret = regexp.MustCompile(`^\{ *` + flowPair + `(?: *, *` + flowPair + `)* *,? *\}`)
	flowComma  = regexp.MustCompile(`^[ \t]*,(?:[ \t]|\r?\n)*$`)
)
