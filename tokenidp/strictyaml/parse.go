package strictyaml

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Parse returns the content of the one document in data, or adds an error, or both if
// what follows the document is wrong. It returns nil without a document.
func (r *Reader) Parse(data []byte) *Node {
	line, text := forbiddenCharacter(data)
	var root *Node
	if text == "" {
		root, line, text = r.parse(data)
	}
	if text != "" {
		r.Errors.Add(Position{r.File, line}, "%s", text)
	}
	return root
}

func (r *Reader) parse(data []byte) (root *Node, line int, text string) {
	defer func() {
		// A reload must not end the server, whatever the parser makes of a file.
		if recover() != nil {
			root, line, text = nil, 0, "is not readable as YAML"
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(data))
	var first, second Node
	err := d.Decode(&first)
	switch {
	case errors.Is(err, io.EOF):
		return nil, 1, r.Empty
	case err != nil:
		line, text = syntaxError(data, err)
		return nil, line, text
	}
	root = first.Content[0]
	err = d.Decode(&second)
	switch {
	case err == nil:
		return root, second.Line, "has a second document; put it into a file of its own"
	case !errors.Is(err, io.EOF):
		line, text = syntaxError(data, err)
		return root, line, text
	}
	if root.ShortTag() == "!!null" {
		return nil, 1, r.Empty
	}
	return root, 0, ""
}

var (
	yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	// What the parser says with a line that counts from 0, the scanner's from 1.
	// With context, which most of these have, it is the first line of the block.
	countsFrom0  = regexp.MustCompile(`^(did not find expected (<.*>|node content|'-' indicator|key|',' or '[\]}]')|found (undefined tag handle|duplicate %.* directive|incompatible YAML document))$`)
	unknownAlias = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntaxError takes the line out of the parser's message, and the one thing in
// it that may be part of a secret: the rest of an unquoted value that begins
// with an asterisk.
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
	case strings.Contains(text, "cannot start any token"):
		text += "; indent with spaces, not tabs, and quote what begins with @ or `"
	case strings.HasSuffix(text, "expected key"), strings.HasSuffix(text, "'-' indicator"):
		text += " in the block that begins here; check its indentation"
	}
	return line, text
}

// forbiddenCharacter finds one that no YAML text has, and its line: the parser
// does not say where it is, and would read UTF-16, which nobody can review.
func forbiddenCharacter(data []byte) (line int, text string) {
	for i, line := 0, 1; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return line, "is not valid UTF-8"
		case r == '\n':
			line++
		case r == '\uFEFF' && i == 0, r == '\t', r == '\r', r == '\u0085':
		case r < ' ', r >= 0x7f && r < 0xa0, r == '\uFEFF', r == '\uFFFE', r == '\uFFFF':
			return line, "has a control character; write it as an escape within double quotes"
		}
		i += size
	}
	return 0, ""
}
