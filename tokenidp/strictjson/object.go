// Package strictjson reads JSON (RFC 8259) the way a security protocol must:
// whatever two parsers could read differently is refused.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
)

// Number is a JSON number as it was spelled, so that no digit is lost and
// nothing overflows before the caller has looked at it.
type Number = json.Number

// MaxDepth is how deep objects and arrays may nest, the outermost counted.
const MaxDepth = 32

// One error per check of [Object]. Wrong syntax is an error of its own.
var (
	ErrNotUTF8   = errors.New("JSON is not valid UTF-8")
	ErrNotObject = errors.New("JSON is not an object")
	ErrTooDeep   = errors.New("JSON is nested too deeply")
	ErrTrailing  = errors.New("JSON object is followed by something else")
)

// Object decodes exactly one JSON object: valid UTF-8, no byte order mark,
// member names unique and of exact case at every depth, nothing but white space
// after it, nesting ≤ [MaxDepth]. Values are string, bool, nil, [Number], []any
// and map[string]any. A lone surrogate escape such as \ud800 becomes U+FFFD,
// and names that become equal by it count as repeated.
func Object(data []byte) (map[string]any, error) {
	if err := check(data); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.SetNumberType(json.UnmarshalJSONNumber)
	var object map[string]any
	if err := dec.Decode(&object); err != nil {
		return nil, fmt.Errorf("decoding JSON: %w", err)
	}
	// Not dec.More: it takes a stray closing bracket for the end.
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, ErrTrailing
	}
	return object, nil
}

// check refuses, before any recursion and allocation, what the decoder would
// repair (bytes that are not UTF-8 become U+FFFD), let through (null decodes
// into a map) or recurse into.
func check(data []byte) error {
	if !utf8.Valid(data) {
		return ErrNotUTF8
	}
	if start := bytes.TrimLeft(data, " \t\r\n"); len(start) == 0 || start[0] != '{' {
		return ErrNotObject
	}
	if deeperThan(data, MaxDepth) {
		return ErrTooDeep
	}
	return nil
}

// deeperThan counts brackets outside of strings. On malformed JSON its answer
// may be wrong, but never too low at the point where the decoder stops.
func deeperThan(data []byte, limit int) bool {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{', c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return false
}
