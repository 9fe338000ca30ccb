package oauth

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// RFC 6749 section 2.3.1, RFC 7617 section 2: both halves are form-encoded, and
// the first colon parts them.
func TestBasicRoundTrips(t *testing.T) {
	texts := []string{"a", "a+b", "a/b", "a:b", ":a", "a%b", "a%2Bb", "a=b", "a&b", "a b", " a ", "é", "€\U0001f511", "+ / : % = & space é", strings.Repeat("a", 1024)}
	for _, id := range texts {
		for _, secret := range append(texts, "") {
			for _, escape := range []func(string) string{url.QueryEscape, func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }} {
				encoded := base64.StdEncoding.EncodeToString([]byte(escape(id) + ":" + escape(secret)))
				gotID, gotSecret, err := decodeBasic(encoded)
				if err != nil || gotID != id || gotSecret != secret {
					t.Errorf("%q, %q became %q, %q, %v", id, secret, gotID, gotSecret, err)
				}
			}
		}
	}
}

// RFC 6749 section 2.3.1: the same through the whole endpoint, in every format.
func TestSpecialCharactersAuthenticate(t *testing.T) {
	e := newEndpoint(t)
	for name, r := range map[string]*http.Request{
		"Basic": post(formType, "grant_type=client_credentials&scope=orders.read", "Authorization", basic("mounted", mounted)),
		"form":  form("mounted", mounted, "&scope=orders.read"),
		"JSON":  post(jsonType, `{"grantType":"client_credentials","scope":"orders.read","clientId":"mounted","clientSecret":"+ / : % = & space é"}`),
	} {
		t.Run(name, func(t *testing.T) {
			if w := e.answer(r); w.Code != http.StatusOK {
				t.Errorf("status %d, body %s", w.Code, w.Body)
			}
		})
	}
}

// RFC 6749 section 2.3.1, RFC 7617 section 2, RFC 9110 section 11.1.
func TestAuthorizationHeader(t *testing.T) {
	encode := base64.StdEncoding.EncodeToString
	for _, row := range []struct {
		name, header string
		id, secret   string
		want         Reason
	}{
		{"Basic", "Basic " + encode([]byte("a:b")), "a", "b", ""},
		{"scheme in lower case", "basic " + encode([]byte("a:b")), "a", "b", ""},
		{"scheme in mixed case", "bAsIc " + encode([]byte("a:b")), "a", "b", ""},
		{"several spaces", "Basic   " + encode([]byte("a:b")), "a", "b", ""},
		{"first colon", "Basic " + encode([]byte("a:b:c")), "a", "b:c", ""},
		{"not encoded", "Basic " + encode([]byte("a:b&c=é")), "a", "b&c=é", ""},
		{"no secret", "Basic " + encode([]byte("a:")), "a", "", ""},
		{"not base64", "Basic !!!!", "", "", ReasonMalformedBasic},
		{"base64 without padding", "Basic " + strings.TrimRight(encode([]byte("a:bc")), "="), "", "", ReasonMalformedBasic},
		{"base64 with set unused bits", "Basic YTpiYx==", "", "", ReasonMalformedBasic},
		{"base64url", "Basic " + base64.URLEncoding.EncodeToString([]byte("a:\xc3\xbf\xc3\xbf>>>?")), "", "", ReasonMalformedBasic},
		{"newline inside", "Basic YT\npi", "", "", ReasonMalformedBasic},
		{"carriage return inside", "Basic YT\rpi", "", "", ReasonMalformedBasic},
		{"space inside", "Basic YT pi", "", "", ReasonMalformedBasic},
		{"auth-params", `Basic realm="a"`, "", "", ReasonMalformedBasic},
		{"two values in one header", "Basic " + encode([]byte("a:b")) + ", Basic " + encode([]byte("a:b")), "", "", ReasonMalformedBasic},
		{"nothing", "Basic ", "", "", ReasonMalformedBasic},
		{"scheme alone", "Basic", "", "", ReasonMalformedBasic},
		{"no colon", "Basic " + encode([]byte("ab")), "", "", ReasonMalformedBasic},
		{"encoded colon alone", "Basic " + encode([]byte("a%3Ab")), "", "", ReasonMalformedBasic},
		{"no id", "Basic " + encode([]byte(":b")), "", "", ReasonMalformedBasic},
		{"%zz in the id", "Basic " + encode([]byte("a%zz:b")), "", "", ReasonMalformedBasic},
		{"%zz in the secret", "Basic " + encode([]byte("a:b%zz")), "", "", ReasonMalformedBasic},
		{"cut off percent-encoding", "Basic " + encode([]byte("a:b%2")), "", "", ReasonMalformedBasic},
		{"NUL", "Basic " + encode([]byte("a:b\x00")), "", "", ReasonMalformedBasic},
		{"encoded NUL", "Basic " + encode([]byte("a%00:b")), "", "", ReasonMalformedBasic},
		{"invalid UTF-8", "Basic " + encode([]byte("a:\xff")), "", "", ReasonMalformedBasic},
		{"encoded invalid UTF-8", "Basic " + encode([]byte("%ff:b")), "", "", ReasonMalformedBasic},
		{"Bearer", "Bearer a.b.c", "", "", ReasonUnknownMethod},
		{"Digest", `Digest username="a"`, "", "", ReasonUnknownMethod},
		{"scheme with more letters", "BasicX " + encode([]byte("a:b")), "", "", ReasonUnknownMethod},
		{"tab after the scheme", "Basic\t" + encode([]byte("a:b")), "", "", ReasonUnknownMethod},
		{"empty header", "", "", "", ReasonUnknownMethod},
	} {
		t.Run(row.name, func(t *testing.T) {
			request, err := parse(post(formType, "grant_type=client_credentials", "Authorization", row.header))
			status := http.StatusBadRequest
			if row.want == ReasonUnknownMethod {
				status = http.StatusUnauthorized
			}
			wantRefused(t, err, status, row.want)
			if err == nil && request.Credentials != (Credentials{Method: ClientSecretBasic, ClientID: row.id, Secret: row.secret, TLS: request.Credentials.TLS}) {
				t.Errorf("got %+v", request.Credentials)
			}
		})
	}
}

// RFC 6749 section 2.3: one method in a request, even when all are right.
func TestOneAuthenticationMethod(t *testing.T) {
	header := basic("worker", generated)
	const grant = "grant_type=client_credentials&scope=orders.read"
	const assertion = "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c"
	for _, row := range []struct {
		name, body string
		headers    []string
		want       Reason
	}{
		{"Basic", grant, []string{header}, ""},
		{"Basic, same client_id in the body", grant + "&client_id=worker", []string{header}, ""},
		{"Basic, empty secret in the body", grant + "&client_id=worker&client_secret=", []string{header}, ""},
		{"Basic, another client_id in the body", grant + "&client_id=slow", []string{header}, ReasonClientIDMismatch},
		{"Basic, client_id of other case", grant + "&client_id=Worker", []string{header}, ReasonClientIDMismatch},
		{"Basic and secret", grant + "&client_id=worker&client_secret=" + generated, []string{header}, ReasonSeveralMethods},
		{"Basic and secret alone", grant + "&client_secret=" + generated, []string{header}, ReasonSeveralMethods},
		{"Basic and secret of another client", grant + "&client_id=slow&client_secret=x", []string{header}, ReasonSeveralMethods},
		{"Basic without secret, and secret", grant + "&client_id=worker&client_secret=" + generated, []string{basic("worker", "")}, ReasonSeveralMethods},
		{"Basic and assertion", grant + assertion, []string{header}, ReasonSeveralMethods},
		{"Basic and assertion type", grant + "&client_assertion_type=x", []string{header}, ReasonSeveralMethods},
		{"assertion and secret", grant + assertion + "&client_id=worker&client_secret=" + generated, nil, ReasonSeveralMethods},
		{"assertion alone and secret", grant + "&client_assertion=a&client_id=worker&client_secret=" + generated, nil, ReasonSeveralMethods},
		{"all three", grant + assertion + "&client_id=worker&client_secret=" + generated, []string{header}, ReasonSeveralMethods},
		{"two Authorization headers", grant, []string{header, header}, ReasonSeveralMethods},
		{"Basic and Bearer headers", grant, []string{header, "Bearer a"}, ReasonSeveralMethods},
		{"two headers, one empty", grant, []string{"", header}, ReasonSeveralMethods},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := newEndpoint(t)
			r := post(formType, row.body)
			for _, header := range row.headers {
				r.Header.Add("Authorization", header)
			}
			_, _, err := e.issue(httptest.NewRecorder(), r)
			wantRefused(t, err, http.StatusBadRequest, row.want)
			if len(e.clock.slept) > 0 {
				t.Error("the credentials were judged")
			}
		})
	}
}

// RFC 6749 section 2.3: whoever does not say who it is cannot authenticate.
func TestAClientSaysWhoItIs(t *testing.T) {
	for _, body := range []string{
		"grant_type=client_credentials",
		"grant_type=client_credentials&client_secret=a",
		"grant_type=client_credentials&client_assertion_type=" + url.QueryEscape(JWTBearer) + "&client_assertion=" + assert(t, ecKey(), "ES256", nil, members{"iss": "a"}),
	} {
		_, err := parse(post(formType, body))
		wantRefused(t, err, http.StatusUnauthorized, ReasonMissingClientID)
	}
}
