package statement

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// Nothing is shown of what is no JWT: it may be a secret.
func TestStatementOfWhatIsNoJWT(t *testing.T) {
	object := base64.RawURLEncoding.EncodeToString([]byte(`{"a":"b"}`))
	for name, token := range map[string]string{
		"a secret": "tidp_secret", "empty": "", "two parts": object + "." + object, "no objects": "c2VjcmV0.c2VjcmV0.c2VjcmV0",
		"the signature first": "c2VjcmV0." + object + "." + object, "the signature second": object + ".c2VjcmV0." + object,
	} {
		if s := Read(token); s.Header != nil || s.Claims != nil || s.Issuer != "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := Read(object + "." + object + ".c2VjcmV0"); string(s.Claims) != `{"a":"b"}` {
		t.Errorf("%+v", s)
	}
}

func TestStatementReadsWhatIsThere(t *testing.T) {
	claims := `{"iss":"i","azp":"c","aud":["a",1,"b"],"scp":["x","y"],"iat":1.9,"exp":1e300}`
	s := Read(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":1,"kid":"k"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".")
	if s.Issuer != "i" || s.ClientID != "c" || strings.Join(s.Audience, " ") != "a b" || s.Scope != "x y" || s.KeyID != "k" || s.Algorithm != "" ||
		!s.IssuedAt.Equal(time.Unix(1, 0)) || s.ExpiresAt != nil {
		t.Errorf("%+v", s)
	}
}
