package verifier

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// RFC 6750 sections 2.1 and 3.1, RFC 9449 section 7.1, RFC 9110 section 11.
func TestPresentedToken(t *testing.T) {
	for name, row := range map[string]struct {
		authorization []string
		want          string
		reason        Reason
	}{
		"Bearer":                     {[]string{"Bearer a.b.c"}, "a.b.c", ""},
		"bearer":                     {[]string{"bearer a.b.c"}, "a.b.c", ""},
		"BEARER":                     {[]string{"BEARER a.b.c"}, "a.b.c", ""},
		"several spaces":             {[]string{"Bearer    a.b.c"}, "a.b.c", ""},
		"odd characters":             {[]string{"Bearer a+/=é\x00"}, "a+/=é\x00", ""}, // for Verify to refuse
		"no header":                  {nil, "", NoToken},
		"empty header":               {[]string{""}, "", NoToken},
		"Basic":                      {[]string{"Basic dTpw"}, "", NoToken},
		"DPoP":                       {[]string{"DPoP a.b.c"}, "a.b.c", ""},
		"dpop":                       {[]string{"dpop  a.b.c"}, "a.b.c", ""},
		"DPoP alone":                 {[]string{"DPoP"}, "", MalformedAuthorization},
		"DPoP with two tokens":       {[]string{"DPoP a.b.c,a.b.c"}, "", MalformedAuthorization},
		"DPoP, then Bearer":          {[]string{"DPoP a.b.c", "Bearer a.b.c"}, "", SeveralAuthorizations},
		"token without scheme":       {[]string{"a.b.c"}, "", NoToken},
		"longer scheme":              {[]string{"BearerX a.b.c"}, "", NoToken},
		"shorter scheme":             {[]string{"Beare a.b.c"}, "", NoToken},
		"colon":                      {[]string{"Bearer: a.b.c"}, "", NoToken},
		"tab after the scheme":       {[]string{"Bearer\ta.b.c"}, "", NoToken},
		"no-break space after it":    {[]string{"Bearer\u00a0a.b.c"}, "", NoToken},
		"letters that fold to ASCII": {[]string{"Beaɾer a.b.c"}, "", NoToken},
		"scheme alone":               {[]string{"Bearer"}, "", MalformedAuthorization},
		"scheme and space":           {[]string{"Bearer "}, "", MalformedAuthorization},
		"scheme and spaces":          {[]string{"Bearer   "}, "", MalformedAuthorization},
		"space in the token":         {[]string{"Bearer a.b.c d.e.f"}, "", MalformedAuthorization},
		"space after the token":      {[]string{"Bearer a.b.c "}, "", MalformedAuthorization},
		"tab in the token":           {[]string{"Bearer a.b\t.c"}, "", MalformedAuthorization},
		"tab before the token":       {[]string{"Bearer \ta.b.c"}, "", MalformedAuthorization},
		"two in one header":          {[]string{"Bearer a.b.c,Bearer d.e.f"}, "", MalformedAuthorization},
		"comma":                      {[]string{"Bearer a.b.c,"}, "", MalformedAuthorization},
		"scheme twice":               {[]string{"Bearer Bearer a.b.c"}, "", MalformedAuthorization},
		"two headers":                {[]string{"Bearer a.b.c", "Bearer d.e.f"}, "", SeveralAuthorizations},
		"two headers that agree":     {[]string{"Bearer a.b.c", "Bearer a.b.c"}, "", SeveralAuthorizations},
		"Bearer, then Basic":         {[]string{"Bearer a.b.c", "Basic dTpw"}, "", SeveralAuthorizations},
		"two headers, one empty":     {[]string{"", "Bearer a.b.c"}, "", SeveralAuthorizations},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := PresentedToken(http.Header{"Authorization": row.authorization})
			if got.Token != row.want {
				t.Errorf("token %q, want %q", got.Token, row.want)
			}
			if scheme := Bearer; err == nil {
				if strings.EqualFold(name[:4], "DPoP") {
					scheme = DPoP
				}
				if got.Scheme != scheme {
					t.Errorf("scheme %s, want %s", got.Scheme, scheme)
				}
			}
			if row.reason != "" {
				wantRefusal(t, err, row.reason, "")
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// RFC 6750 section 2.1; RFC 9700 section 4.3.2: no other place counts.
func TestPresentedTokenReadsOneHeaderOnly(t *testing.T) {
	for _, name := range []string{"Proxy-Authorization", "X-Authorization", "Authorization_", "Cookie", "X-Access-Token", "X-Forwarded-Authorization"} {
		_, err := PresentedToken(http.Header{name: {"Bearer a.b.c"}})
		wantRefusal(t, err, NoToken, "")
	}
	_, err := PresentedToken(nil)
	wantRefusal(t, err, NoToken, "")
}

func FuzzPresentedToken(f *testing.F) {
	for _, seed := range []string{"", "Bearer a.b.c", "bearer  a", "Bearer", "Bearer ", "Bearer a, Bearer b", "Basic dTpw", "Bearer\ta", "Bearer a\x00", "DPoP a.b.c", "dpop"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		presented, err := PresentedToken(http.Header{"Authorization": {value}})
		token := presented.Token
		if err != nil {
			var refusal *Refusal
			if token != "" || !errors.As(err, &refusal) || refusal.Status/100 != 4 {
				t.Fatalf("%q: token %q, error %v", value, token, err)
			}
			return
		}
		length := len(presented.Scheme)
		scheme, spaces := value[:length], strings.TrimSuffix(value[length:], token)
		if token == "" || strings.ContainsAny(token, " \t,") || !strings.EqualFold(scheme, string(presented.Scheme)) || strings.Trim(spaces, " ") != "" || spaces == "" {
			t.Fatalf("%q: token %q", value, token)
		}
	})
}
