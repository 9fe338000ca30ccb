package oauth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// asking are the requests that are about a token, by their endpoint.
var asking = map[string]func(*http.Request) (token string, c Credentials, err error){
	"revocation": func(r *http.Request) (string, Credentials, error) {
		request, err := ParseRevocationRequest(httptest.NewRecorder(), r, Policy{})
		if err != nil {
			return "", Credentials{}, err
		}
		return request.Token, request.Credentials, nil
	},
	"introspection": func(r *http.Request) (string, Credentials, error) {
		request, err := ParseIntrospectionRequest(httptest.NewRecorder(), r, Policy{})
		if err != nil {
			return "", Credentials{}, err
		}
		return request.Token, request.Credentials, nil
	},
}

// RFC 7009 section 2.1, RFC 7662 section 2.1: a token, and a client that
// authenticates; a hint is one, whatever it says.
func TestRequestsAboutATokenAreRead(t *testing.T) {
	for _, row := range []struct{ name, contentType, body string }{
		{"form", formType, "token=a.b.c&client_id=worker&client_secret=x"},
		{"form, with a hint", formType, "token=a.b.c&token_type_hint=refresh_token&client_id=worker&client_secret=x"},
		{"form, with an unknown hint", formType, "token=a.b.c&token_type_hint=nonsense&client_id=worker&client_secret=x"},
		{"form, with a grant_type", formType, "token=a.b.c&grant_type=password&client_id=worker&client_secret=x"},
		{"JSON", jsonType, `{"token":"a.b.c","clientId":"worker","clientSecret":"x"}`},
		{"JSON, with a hint", jsonType, `{"token":"a.b.c","tokenTypeHint":"access_token","clientId":"worker","clientSecret":"x"}`},
		{"JSON, by the RFC's names", jsonType, `{"token":"a.b.c","token_type_hint":"","client_id":"worker","client_secret":"x"}`},
	} {
		for endpoint, read := range asking {
			t.Run(row.name+", "+endpoint, func(t *testing.T) {
				token, c, err := read(post(row.contentType, row.body))
				if err != nil || token != "a.b.c" || c.ClientID != "worker" || c.Secret != "x" || c.Method != ClientSecretPost || c.TLS == nil {
					t.Errorf("got %q, %+v, %v", token, c, err)
				}
			})
		}
	}
}

// RFC 7009 sections 2 and 2.1, RFC 7662 sections 2.1 and 4: what is refused at
// /token is refused here.
func TestRequestsAboutATokenAreStrict(t *testing.T) {
	const body = "token=a&client_id=a&client_secret=b"
	with := func(contentType, body string, headers ...string) func() *http.Request {
		return func() *http.Request { return post(contentType, body, headers...) }
	}
	get := func() *http.Request {
		r := post(formType, body)
		r.Method = http.MethodGet
		return r
	}
	plain := func() *http.Request {
		r := post(formType, body)
		r.TLS = nil
		return r
	}
	inURL := func() *http.Request {
		r := post(formType, "client_id=a&client_secret=b")
		r.URL.RawQuery = "token=a"
		return r
	}
	for _, row := range []struct {
		name   string
		r      func() *http.Request
		status int
		want   Reason
	}{
		{"GET", get, 405, ReasonMethod},
		{"not over TLS", plain, 400, ReasonInsecureTransport},
		{"from a web page", with(formType, body, "Origin", "https://shop.example.com"), 400, ReasonBrowser},
		{"no token", with(formType, "client_id=a&client_secret=b"), 400, ReasonMissingToken},
		{"an empty token", with(formType, "token=&client_id=a&client_secret=b"), 400, ReasonMissingToken},
		{"a token twice", with(formType, body+"&token=a"), 400, ReasonRepeatedParameter},
		{"two tokens", with(formType, body+"&token=b"), 400, ReasonRepeatedParameter},
		{"a hint twice", with(formType, body+"&token_type_hint=a&token_type_hint=a"), 400, ReasonRepeatedParameter},
		{"a hint in both spellings", with(jsonType, `{"token":"a","clientId":"a","tokenTypeHint":"a","token_type_hint":"a"}`), 400, ReasonRepeatedParameter},
		{"a token that is no string", with(jsonType, `{"token":["a"],"clientId":"a"}`), 400, ReasonMalformedBody},
		{"a token that is null", with(jsonType, `{"token":null,"clientId":"a"}`), 400, ReasonMalformedBody},
		{"a token of other case", with(jsonType, `{"Token":"a","clientId":"a"}`), 400, ReasonMissingToken},
		{"a token in the URL", inURL, 400, ReasonParameterInURL},
		{"no client", with(formType, "token=a"), 401, ReasonMissingClientID},
		{"a bearer token for credentials", with(formType, body, "Authorization", "Bearer a.b.c"), 401, ReasonUnknownMethod},
		{"two methods", with(formType, body, "Authorization", basic("a", "b")), 400, ReasonSeveralMethods},
		{"another type", with("text/plain", body), 415, ReasonMediaType},
		{"compressed", with(formType, body, "Content-Encoding", "gzip"), 415, ReasonContentEncoding},
		{"too large", with(formType, body+strings.Repeat("&a", maxBody)), 413, ReasonTooLarge},
	} {
		for endpoint, read := range asking {
			t.Run(row.name+", "+endpoint, func(t *testing.T) {
				_, _, err := read(row.r())
				wantRefused(t, err, row.status, row.want)
			})
		}
	}
}

// RFC 7009 section 2.1: a client takes back its own tokens alone.
func TestOnlyItsOwnTokensAreRevoked(t *testing.T) {
	client := &Client{Application: &application.Application{ClientID: "worker"}}
	if err := AuthorizeRevocation(client, "worker"); err != nil {
		t.Error(err)
	}
	for _, other := range []string{"", "Worker", "worker ", "other"} {
		wantRefused(t, AuthorizeRevocation(client, other), http.StatusBadRequest, ReasonTokenOfAnother)
	}
}

// RFC 7009 section 2.2: 200, and nothing that a client would have to read.
func TestRevokedIsExact(t *testing.T) {
	for format, want := range map[Format]string{Form: `{}`, JSON: `{"isSuccess":true}`} {
		w := httptest.NewRecorder()
		if err := WriteRevoked(w, format); err != nil || w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%d %s, %v", w.Code, w.Body, err)
		}
		checkHeaders(t, w.Header(), nil)
	}
}

// Whatever is accepted names a token and a client, and is all text.
func FuzzParseTokenQuestion(f *testing.F) {
	for _, seed := range []struct{ contentType, authorization, accept, body string }{
		{formType, basic("a", "b"), "", "token=a.b.c"},
		{formType, "", IntrospectionJWT, "token=a.b.c&client_id=a&client_secret=b&token_type_hint=access_token"},
		{formType, "", "a/b;q=, " + IntrospectionJWT + ";q=0", "token=%00&client_id=a"},
		{formType, "", "\x00,;,=", "token=a&token=b&client_id=a"},
		{jsonType, "", "*/*", `{"token":"a","tokenTypeHint":"b","clientId":"c","clientSecret":"d"}`},
		{jsonType, "", "", `{"token":{"a":[null]},"clientId":"c"}`},
		{formType, "", "", "token=a&client_assertion=b&client_assertion_type=c"},
		{jsonType, "", "", `{"token":"\ud800","to\u212aen":"a"}`},
	} {
		f.Add(seed.contentType, seed.authorization, seed.accept, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, contentType, authorization, accept string, body []byte) {
		for endpoint, read := range asking {
			r := post(contentType, string(body), "Accept", accept)
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			token, c, err := read(r)
			if err != nil {
				if e := refusal(t, err); e.Status < 400 || e.Status > 415 || e.Code == "" || e.Reason == "" {
					t.Errorf("%s: refused with %+v", endpoint, *e)
				}
				continue
			}
			if token == "" || !isText(token) || !c.nameClient() || c.Method == "" {
				t.Errorf("%s: accepted %q, %+v", endpoint, token, c)
			}
		}
	})
}
