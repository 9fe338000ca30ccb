package strictjson

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// string reads a string (RFC 8259 section 7) from its first quotation mark on.
// Without an escape it is a part of the text.
func (p *parser) string() (string, error) {
	p.at++
	start := p.at
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return p.text[start : p.at-1], nil
		case c == '\\':
			return p.unescape([]byte(p.text[start:p.at]))
		case c < ' ':
			return "", p.wrong()
		}
	}
	return "", p.wrong()
}

// unescape reads the rest of a string, from its first escape on.
func (p *parser) unescape(decoded []byte) (string, error) {
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == '"':
			p.at++
			return string(decoded), nil
		case c < ' ':
			return "", p.wrong()
		case c != '\\':
			decoded = append(decoded, c)
			p.at++
			continue
		}
		character, err := p.escape()
		if err != nil {
			return "", err
		}
		decoded = utf8.AppendRune(decoded, character)
	}
	return "", p.wrong()
}

// escape reads one escape, or the two of a surrogate pair.
func (p *parser) escape() (rune, error) {
	if len(p.text)-p.at < 2 {
		return 0, p.wrong()
	}
	c := p.text[p.at+1]
	if c == 'u' {
		return p.unicode()
	}
	p.at += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	}
	return 0, p.wrong()
}

// unicode reads \uXXXX, or the two of a pair. A surrogate without its other half is no
// character (RFC 7493 section 2.1): some parsers replace it, others keep it, and two
// different names or values could become one.
func (p *parser) unicode() (rune, error) {
	first, ok := p.hex(p.at)
	if !ok {
		return 0, p.wrong()
	}
	if !utf16.IsSurrogate(first) {
		p.at += len(`\uXXXX`)
		return first, nil
	}
	second, _ := p.hex(p.at + len(`\uXXXX`))
	pair := utf16.DecodeRune(first, second)
	if pair == utf8.RuneError {
		return 0, fmt.Errorf("%w at byte %d", ErrSurrogate, p.at)
	}
	p.at += len(`\uXXXX\uXXXX`)
	return pair, nil
}

// hex is the number in the \uXXXX that begins there.
func (p *parser) hex(at int) (rune, bool) {
	const size = len(`\uXXXX`)
	if len(p.text)-at < size || p.text[at] != '\\' || p.text[at+1] != 'u' {
		return 0, false
	}
	for _, c := range []byte(p.text[at+2 : at+size]) {
		if !isHexDigit(c) {
			return 0, false // such as the underscores and signs that ParseUint knows
		}
	}
	number, err := strconv.ParseUint(p.text[at+2:at+size], 16, 16)
	return rune(number), err == nil
}

func isHexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
