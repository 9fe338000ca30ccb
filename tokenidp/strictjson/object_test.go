package strictjson

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func nested(open, middle, closing string, depth int) string {
	return strings.Repeat(open, depth) + middle + strings.Repeat(closing, depth)
}

// RFC 8259 section 4, with every type of section 3.
func TestObjectDecodesEveryType(t *testing.T) {
	got, err := Object([]byte(" \t\r\n{\"s\":\"x\\u00e9\",\"t\":true,\"n\":null,\"i\":9007199254740993,\"e\":1e999999999,\"a\":[1.50,{}],\"o\":{\"\":\"\"}} \n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"s": "xé", "t": true, "n": nil, "i": Number("9007199254740993"), "e": Number("1e999999999"),
		"a": []any{Number("1.50"), map[string]any{}}, "o": map[string]any{"": ""},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

// RFC 8259 sections 2 to 8; RFC 7493 (I-JSON) section 2.
func TestObjectRefuses(t *testing.T) {
	anyError := errors.New("any")
	for name, row := range map[string]struct {
		json string
		want error
	}{
		"nothing":                       {"", ErrNotObject},
		"white space only":              {" \n", ErrNotObject},
		"null":                          {"null", ErrNotObject},
		"array":                         {"[]", ErrNotObject},
		"array of an object":            {`[{"a":1}]`, ErrNotObject},
		"string":                        {`"{}"`, ErrNotObject},
		"number":                        {"1", ErrNotObject},
		"byte order mark":               {"\ufeff{}", ErrNotObject},
		"UTF-16":                        {"\x00{\x00}", ErrNotObject},
		"no-break space":                {"\u00a0{}", ErrNotObject},
		"form feed":                     {"\f{}", ErrNotObject},
		"invalid UTF-8 in a value":      {"{\"a\":\"\xff\"}", ErrNotUTF8},
		"invalid UTF-8 in a name":       {"{\"\xc0\x80\":1}", ErrNotUTF8},
		"surrogate encoded as UTF-8":    {"{\"a\":\"\xed\xa0\x80\"}", ErrNotUTF8},
		"pair encoded as CESU-8":        {"{\"a\":\"\xed\xa0\xbd\xed\xb8\x80\"}", ErrNotUTF8},
		"truncated UTF-8 at the end":    {"{}\xe2\x82", ErrNotUTF8},
		"second object":                 {`{"a":1}{"b":2}`, ErrTrailing},
		"second object on another line": {"{\"a\":1}\n{\"b\":2}", ErrTrailing},
		"trailing word":                 {`{"a":1}garbage`, ErrTrailing},
		"trailing brace":                {`{"a":1}}`, ErrTrailing},
		"trailing bracket":              {`{"a":1}]`, ErrTrailing},
		"trailing comma":                {`{"a":1},`, ErrTrailing},
		"trailing colon":                {`{"a":1}:`, ErrTrailing},
		"trailing null":                 {`{"a":1}null`, ErrTrailing},
		"trailing string":               {`{"a":1}""`, ErrTrailing},
		"trailing NUL":                  {"{\"a\":1}\x00", ErrTrailing},
		"trailing nesting":              {"{}" + strings.Repeat("}", 100) + strings.Repeat("[", 100), ErrTrailing},
		"repeated name":                 {`{"a":1,"a":1}`, anyError},
		"repeated name, escaped":        {`{"a":1,"\u0061":2}`, anyError},
		"repeated name, nested":         {`{"x":{"y":[{"a":1,"a":2}]}}`, anyError},
		"repeated name, far apart":      {`{"a":1,"b":{"c":2},"d":[3],"a":4}`, anyError},
		"names equal as U+FFFD":         {`{"\ud800":1,"\udc00":2}`, ErrSurrogate},
		"33 objects":                    {nested(`{"a":`, `1`, `}`, 33), ErrTooDeep},
		"32 arrays in an object":        {`{"a":` + nested("[", "", "]", 32) + `}`, ErrTooDeep},
		"a million arrays, never ended": {`{"a":` + strings.Repeat("[", 1_000_000), ErrTooDeep},
		"a million objects":             {nested(`{"a":`, `1`, `}`, 1_000_000), ErrTooDeep},
		"depth behind escapes":          {`{"\\":"\"",` + `"\"":` + nested("[", "", "]", 40) + `}`, ErrTooDeep},
		"comment":                       {`{/**/}`, anyError},
		"comma before the end":          {`{"a":1,}`, anyError},
		"single quotes":                 {`{'a':1}`, anyError},
		"bare name":                     {`{a:1}`, anyError},
		"raw line break in a string":    {"{\"a\":\"\n\"}", anyError},
		"NaN":                           {`{"a":NaN}`, anyError},
		"Infinity":                      {`{"a":-Infinity}`, anyError},
		"hexadecimal number":            {`{"a":0x10}`, anyError},
		"number with leading zero":      {`{"a":01}`, anyError},
		"number with plus":              {`{"a":+1}`, anyError},
		"unfinished object":             {`{"a":1`, anyError},
		"unfinished string":             {`{"a`, anyError},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Object([]byte(row.json))
			if err == nil {
				t.Fatalf("accepted as %v", got)
			}
			if row.want != anyError && !errors.Is(err, row.want) {
				t.Errorf("error %v, want %v", err, row.want)
			}
		})
	}
}

// A reader that folds case would take each pair for one member.
func TestObjectKeepsNamesApartThatDifferInCase(t *testing.T) {
	for _, row := range []string{
		`{"scope":1,"SCOPE":2,"Scope":3,"ſcope":4}`,
		"{\"k\":1,\"K\":2,\"\u212a\":3,\"kk\":4}",
		"{\"é\":1,\"e\u0301\":2,\"É\":3,\"E\u0301\":4}", // no Unicode normalisation either
	} {
		got, err := Object([]byte(row))
		if err != nil || len(got) != 4 {
			t.Errorf("%s: %d members, %v", row, len(got), err)
		}
	}
}

// RFC 8259 section 8.2 leaves it open what these are; RFC 7493 section 2.1 does not.
func TestObjectRefusesLoneSurrogates(t *testing.T) {
	for _, text := range []string{
		`\ud800`, `\udfff`, `\uDBFF`, `\udbffx`, `x\udc00`, `\udc00\ud800`, `\ud800\ud800`, `\ud83d\ud83d\ude00`, `\ud83d\ude00\ude00`,
		`\ud800\u0041`, `\ud800\n`, `\ud800\\udc00`, `\ud800\u`, `\ud800 \udc00`, `\ud83d\u+e00`,
	} {
		for _, json := range []string{`{"a":"` + text + `"}`, `{"` + text + `":1}`, `{"a":[{"b":"x` + text + `"}]}`} {
			if got, err := Object([]byte(json)); !errors.Is(err, ErrSurrogate) {
				t.Errorf("%s: %q, %v", json, got, err)
			}
		}
	}
	for escaped, want := range map[string]string{`\ud83d\ude00`: "😀", `\uD83D\uDE00x`: "😀x", `\\ud800`: `\ud800`, `\ud7ff\ue000`: "\ud7ff\ue000", `\ufffd`: "\ufffd"} {
		if got, err := Object([]byte(`{"a":"` + escaped + `"}`)); err != nil || got["a"] != want {
			t.Errorf("%s: %q, %v", escaped, got["a"], err)
		}
	}
}

func TestObjectNestsUpTo32(t *testing.T) {
	for _, row := range []string{
		nested(`{"a":`, `1`, `}`, MaxDepth),
		`{"a":` + nested("[", "", "]", MaxDepth-1) + `}`,
		`{"a":"` + strings.Repeat(`[{\"`, 100) + `"}`,               // inside a string
		`{"a":[` + strings.Repeat(`[],`, 100_000) + `[]],"b":[{}]}`, // side by side
	} {
		if _, err := Object([]byte(row)); err != nil {
			t.Errorf("%.60s…: %v", row, err)
		}
	}
}

// What this package accepts, the standard library accepts and reads alike.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{"a":1}{"b":2}`, `{"a":{"b":1,"b":2}}`, "\ufeff{}", `null`, `[]`,
		`{"alg":"RS256","kid":"2026-03-16","typ":"at+jwt"}`, `{"aud":["a"],"exp":1e400,"x":-0.5E-7}`,
		`{"\ud800":"\udc00","ſ":"s","` + "\u212a" + `":"k"}`, `{"a":"\"{[\\"}`, "{\"a\":\"\x7f\u2028\"}",
		nested(`{"a":[`, `null`, `]}`, 16), `{"a":"\u0000"}`, ` {"a" : [ true , false ] } `, `{"a":1}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Object(data)
		if err != nil {
			return
		}
		var want map[string]any
		dec := json.NewDecoder(strings.NewReader(string(data)))
		dec.UseNumber()
		if err := dec.Decode(&want); err != nil || !json.Valid(data) {
			t.Fatalf("%q is accepted here only: %v", data, err)
		}
		if !reflect.DeepEqual(standard(got), any(want)) {
			t.Fatalf("%q: %#v here, %#v there", data, got, want)
		}
	})
}

// standard replaces Number by the standard library's.
func standard(value any) any {
	switch v := value.(type) {
	case Number:
		return json.Number(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = standard(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name := range v {
			out[name] = standard(v[name])
		}
		return out
	}
	return value
}
