package command

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/statement"
)

func TestWithDistance(t *testing.T) {
	now := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	for want, at := range map[string]time.Time{
		"2026-11-23T06:00:00Z, 1h0m0s ago": now.Add(-time.Hour),
		"2026-11-23T07:00:30Z, in 30s":     now.Add(30 * time.Second),
	} {
		if got := withDistance(&at, now); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Any content of a token is printed, and harms no terminal.
func FuzzStatement(f *testing.F) {
	for _, claims := range []string{`{}`, `{"iss":"\u001b[2J\u202e","exp":1}`, `{"aud":[null],"exp":-1,"iat":1e999}`, `{"a":"` + "\u009b\n" + `"}`, `[]`} {
		f.Add([]byte(`{"alg":"RS256","kid":"\u0000"}`), []byte(claims))
	}
	f.Fuzz(func(t *testing.T, header, claims []byte) {
		encode := base64.RawURLEncoding.EncodeToString
		s := statement.Read(encode(header) + "." + encode(claims) + ".signature-that-is-not-shown")
		var text strings.Builder
		e := &adminapi.Explanation{Token: s, Verdict: adminapi.Verdict{Reason: string(header), Found: string(claims)}}
		out := &printer{stdout: &text}
		for _, print := range []func() error{
			func() error { return out.table(func(t *table) { tabulateExplanation(t, e) }) },
			func() error { return out.json(e) },
		} {
			text.Reset()
			if err := print(); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsFunc(text.String(), func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }) {
				t.Errorf("%q", text.String())
			}
			if strings.Contains(text.String(), "signature-that-is-not-shown") {
				t.Error("the signature is shown")
			}
		}
		if !json.Valid([]byte(text.String())) {
			t.Errorf("no JSON: %s", text.String())
		}
	})
}
