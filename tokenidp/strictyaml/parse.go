package strictyaml

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
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
		r.Misshapen = r.Misshapen || text == r.Empty
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
	data = withKnownVersion(data)
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

// version12 is the directive of YAML 1.2 at the top of a document.
var version12 = regexp.MustCompile(`^(?:\x{FEFF})?(?:[ \t]*(?:#[^\n]*)?\r?\n)*%YAML[ \t]+1\.(2)[ \t]*(?:#[^\n]*)?\r?\n`)

// withKnownVersion returns data as a document of YAML 1.1, which is the only version
// that the parser accepts by name. It reads both alike, and where they differ, as in yes
// and no, this package accepts neither reading.
func withKnownVersion(data []byte) []byte {
	digit := version12.FindSubmatchIndex(data)
	if digit == nil {
		return data
	}
	data = slices.Clone(data)
	data[digit[2]] = '1'
	return data
}
