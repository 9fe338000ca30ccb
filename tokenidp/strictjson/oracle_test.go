package strictjson

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
)

// oracle reads the same with go-jose's decoder, which is derived from the standard
// library's, around which all is checked that it does not.
func oracle(data []byte) (map[string]any, bool) {
	start := bytes.TrimLeft(data, " \t\r\n")
	if !utf8.Valid(data) || hasLoneSurrogate(data) || len(start) == 0 || start[0] != '{' || deeperThan(data, MaxDepth) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.SetNumberType(json.UnmarshalJSONNumber)
	var object map[string]any
	if err := dec.Decode(&object); err != nil {
		return nil, false
	}
	// Not dec.More: it takes a stray closing bracket for the end.
	_, err := dec.Token()
	return object, errors.Is(err, io.EOF)
}

var (
	escapes       = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\[^u]`)
	loneSurrogate = regexp.MustCompile(`\\u[dD][89a-fA-F][0-9a-fA-F]{2}`)
)

// hasLoneSurrogate looks for the escape of one that is none of a pair.
func hasLoneSurrogate(data []byte) bool {
	return loneSurrogate.Match(escapes.ReplaceAll(data, nil))
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

func agrees(t *testing.T, data []byte) {
	t.Helper()
	got, err := Object(data)
	want, ok := oracle(data)
	switch {
	case (err == nil) != ok:
		t.Fatalf("%q: %#v, %v here; %#v, %v there", data, got, err, want, ok)
	case ok && !reflect.DeepEqual(got, want):
		t.Fatalf("%q: %#v here; %#v there", data, got, want)
	case err != nil && got != nil:
		t.Fatalf("%q: an object beside the error %v", data, err)
	}
}

// fragments of JSON, and of what is nearly that, of which the tests below make
// texts that bytes at random hardly are.
var fragments = []string{
	`{`, `}`, `[`, `]`, `,`, `:`, `"`, `""`, `"a"`, `"b"`, `"a":`, `"b":1`, `"\u0061"`, `\`, `\"`, `\\`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t`,
	`\u`, `\u0`, `\u00e9`, `\ud83d`, `\ude00`, `\uD83D\uDE00`, `\udbff`, `\u+123`, `\u1_23`, `\x41`, `\'`, `\U0041`,
	`0`, `-`, `-0`, `1`, `01`, `10`, `1.`, `.5`, `1.50`, `1e`, `1e5`, `1E+5`, `1e-`, `+1`, `0x1`, `1_0`, `NaN`, `Infinity`,
	`true`, `tru`, `false`, `null`, `nul`, `True`, ` `, "\n", "\t", "\r", "\f", "\v", "\x00", "\x1f", "\x7f", "\u00a0", "\u2028", "\ufeff",
	"é", "😀", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82", `//`, `/**/`, `'a'`, `a`,
}

// Every pair, as a value, a name, in a string, at the start and at the
// end.
func TestReadsLikeTheOracle(t *testing.T) {
	for _, frame := range []string{`{"x":@}`, `{@:1}`, `{"x":"@"}`, `{"@":1,"b":2}`, `@{"x":1}`, `{"x":1}@`, `{"x":[@]}`, `{@}`, `{"x":1,@}`} {
		before, after, _ := strings.Cut(frame, "@")
		for _, a := range fragments {
			for _, b := range fragments {
				agrees(t, []byte(before+a+b+after))
			}
		}
	}
}

// What this package accepts, and what it reads in it, is what go-jose does.
func FuzzOracle(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{"a":1}{"b":2}`, `{"a":{"b":1,"b":2}}`, "\ufeff{}", `null`, `[]`, `{"aud":["a"],"exp":1e400,"x":-0.5E-7}`,
		`{"\ud800":"\udc00","ſ":"s","` + "\u212a" + `":"k"}`, `{"a":"\"{[\\"}`, `{"a":"\ud83d\ud83d\ude00"}`, "{\"a\":\"\x7f\u2028\"}",
		nested(`{"a":[`, `null`, `]}`, 16), nested(`{"a":[`, `null`, `]}`, 17), `{"a":"\u0000"}`, ` {"a" : [ true , false ] } `, `{"a":1}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(agrees)
}

// A token's claims, without and with an escape.
func TestObjectAllocatesLittle(t *testing.T) {
	for text, most := range map[string]float64{
		`{"alg":"RS256","typ":"at+jwt","kid":"2026-03-16"}`: 6,
		`{"iss":"https://idp.example.com","sub":"worker","aud":"orders-api","client_id":"worker","scope":"orders.read","iat":1,"exp":2,"jti":"x"}`: 11,
		`{"iss":"https:\/\/idp.example.com"}`: 6,
	} {
		data := []byte(text)
		if got := testing.AllocsPerRun(100, func() { Object(data) }); got > most {
			t.Errorf("%s: %.0f allocations, more than %.0f", text, got, most)
		}
	}
}
