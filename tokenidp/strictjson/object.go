// Package strictjson reads JSON (RFC 8259) the way a security protocol must:
// whatever two parsers could read differently is refused. It reads every token
// that was not seen before, so it is made for that: one pass, few allocations.
package strictjson

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
)

// Number is a JSON number as it was spelled, so that no digit is lost and
// nothing overflows before the caller has checked it.
type Number = json.Number

// MaxDepth is how deep objects and arrays may nest, the outermost counted.
const MaxDepth = 32

// One error per check of [Object].
var (
	ErrNotUTF8   = errors.New("JSON is not valid UTF-8")
	ErrNotObject = errors.New("JSON is not an object")
	ErrTooDeep   = errors.New("JSON is nested too deeply")
	ErrTrailing  = errors.New("JSON object is followed by something else")
	ErrSurrogate = errors.New("JSON has a surrogate without its other half, which is no character")
	ErrRepeated  = errors.New("JSON object has two members of one name")
	ErrSyntax    = errors.New("JSON is malformed")
)

// Object decodes exactly one JSON object: valid UTF-8, no byte order mark,
// member names unique and of exact case at every depth, nothing but white space
// after it, nesting ≤ [MaxDepth]. Values are string, bool, nil, [Number], []any
// and map[string]any. A surrogate without its other half is refused (RFC 7493 section
// 2.1). All strings are parts of the text, or of one copy of the bytes: clone a string
// that must outlive the others.
func Object[Text string | []byte](data Text) (map[string]any, error) {
	p := parser{text: string(data)}
	if !utf8.ValidString(p.text) {
		return nil, ErrNotUTF8
	}
	if p.next() != '{' {
		return nil, ErrNotObject
	}
	object, err := p.object(1)
	if err != nil {
		return nil, err
	}
	if p.skipSpace(); p.at < len(p.text) {
		return nil, ErrTrailing
	}
	return object, nil
}

// parser reads the text up to a place in it.
type parser struct {
	text string
	at   int
}

func (p *parser) wrong() error {
	return fmt.Errorf("%w at byte %d", ErrSyntax, p.at)
}

// next is the byte after white space (RFC 8259 section 2), not yet read. The end is
// a NUL, which is never right either.
func (p *parser) next() byte {
	p.skipSpace()
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

func (p *parser) skipSpace() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// object reads an object (section 4) from its brace on.
func (p *parser) object(depth int) (map[string]any, error) {
	if depth > MaxDepth {
		return nil, ErrTooDeep
	}
	p.at++
	object := make(map[string]any)
	if p.next() == '}' {
		p.at++
		return object, nil
	}
	for {
		if p.next() != '"' {
			return nil, p.wrong()
		}
		name, err := p.string()
		if err != nil {
			return nil, err
		}
		if p.next() != ':' {
			return nil, p.wrong()
		}
		p.at++
		value, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		members := len(object)
		if object[name] = value; len(object) == members {
			return nil, ErrRepeated
		}
		if ended, err := p.ended('}'); ended || err != nil {
			return object, err
		}
	}
}

// array reads an array (section 5) from its bracket on.
func (p *parser) array(depth int) ([]any, error) {
	if depth > MaxDepth {
		return nil, ErrTooDeep
	}
	p.at++
	array := []any{}
	if p.next() == ']' {
		p.at++
		return array, nil
	}
	for {
		value, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
		if ended, err := p.ended(']'); ended || err != nil {
			return array, err
		}
	}
}

// ended reads a comma, or what ends the list.
func (p *parser) ended(closing byte) (bool, error) {
	switch p.next() {
	case ',':
		p.at++
		return false, nil
	case closing:
		p.at++
		return true, nil
	}
	return false, p.wrong()
}

// value reads a value (section 3) in an object or array of that depth.
func (p *parser) value(depth int) (any, error) {
	switch c := p.next(); c {
	case '"':
		return p.string()
	case '{':
		return p.object(depth + 1)
	case '[':
		return p.array(depth + 1)
	case 't':
		return true, p.word("true")
	case 'f':
		return false, p.word("false")
	case 'n':
		return nil, p.word("null")
	default:
		return p.number()
	}
}

func (p *parser) word(word string) error {
	if len(p.text)-p.at < len(word) || p.text[p.at:p.at+len(word)] != word {
		return p.wrong()
	}
	p.at += len(word)
	return nil
}

// number reads a number (section 6) and leaves its value to the caller.
func (p *parser) number() (Number, error) {
	start := p.at
	p.has('-')
	if !p.has('0') && !p.digits() { // nothing follows a leading zero
		return "", p.wrong()
	}
	if p.has('.') && !p.digits() {
		return "", p.wrong()
	}
	if p.has('e') || p.has('E') {
		if !p.has('+') {
			p.has('-')
		}
		if !p.digits() {
			return "", p.wrong()
		}
	}
	return Number(p.text[start:p.at]), nil
}

// has reads the byte if it is the next.
func (p *parser) has(c byte) bool {
	if p.at == len(p.text) || p.text[p.at] != c {
		return false
	}
	p.at++
	return true
}

// digits reads one or more of them.
func (p *parser) digits() bool {
	start := p.at
	for p.at < len(p.text) && '0' <= p.text[p.at] && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at > start
}
