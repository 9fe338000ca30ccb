package tokenidp

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"
)

// Nothing is shown of what is no JWT: it may be a secret.
func TestStatementOfWhatIsNoJWT(t *testing.T) {
	object := base64.RawURLEncoding.EncodeToString([]byte(`{"a":"b"}`))
	for name, token := range map[string]string{
		"a secret": "tidp_secret", "empty": "", "two parts": object + "." + object, "no objects": "c2VjcmV0.c2VjcmV0.c2VjcmV0",
		"the signature first": "c2VjcmV0." + object + "." + object, "the signature second": object + ".c2VjcmV0." + object,
	} {
		if s := readStatement(token); s.Header != nil || s.Claims != nil || s.Issuer != "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := readStatement(object + "." + object + ".c2VjcmV0"); string(s.Claims) != `{"a":"b"}` {
		t.Errorf("%+v", s)
	}
}

func TestStatementReadsWhatIsThere(t *testing.T) {
	claims := `{"iss":"i","azp":"c","aud":["a",1,"b"],"scp":["x","y"],"iat":1.9,"exp":1e300}`
	s := readStatement(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":1,"kid":"k"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".")
	if s.Issuer != "i" || s.ClientID != "c" || strings.Join(s.Audience, " ") != "a b" || s.Scope != "x y" || s.KeyID != "k" || s.Algorithm != "" ||
		!s.IssuedAt.Equal(time.Unix(1, 0)) || s.ExpiresAt != nil {
		t.Errorf("%+v", s)
	}
}

func TestSaidAt(t *testing.T) {
	now := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	for want, at := range map[string]time.Time{
		"2026-11-23T06:00:00Z, 1h0m0s ago": now.Add(-time.Hour),
		"2026-11-23T07:00:30Z, in 30s":     now.Add(30 * time.Second),
	} {
		if got := saidAt(&at, now); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Whatever a token says, it is printed, and harms no terminal.
func FuzzStatement(f *testing.F) {
	for _, claims := range []string{`{}`, `{"iss":"\u001b[2J\u202e","exp":1}`, `{"aud":[null],"exp":-1,"iat":1e999}`, `{"a":"` + "\u009b\n" + `"}`, `[]`} {
		f.Add([]byte(`{"alg":"RS256","kid":"\u0000"}`), []byte(claims))
	}
	f.Fuzz(func(t *testing.T, header, claims []byte) {
		encode := base64.RawURLEncoding.EncodeToString
		s := readStatement(encode(header) + "." + encode(claims) + ".signature-that-is-not-shown")
		var text strings.Builder
		e := &explanation{Token: s, Verdict: verdict{Reason: string(header), Found: string(claims)}}
		for _, print := range []func(io.Writer) error{e.print, func(w io.Writer) error { return printLine(w, e) }} {
			text.Reset()
			if err := print(&text); err != nil {
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
