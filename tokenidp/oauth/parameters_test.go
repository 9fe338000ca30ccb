package oauth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// RFC 6749 appendix B: percent- and plus-decoded UTF-8.
func TestFormDecoding(t *testing.T) {
	for _, row := range []struct {
		name, scope, want string
		reason            Reason
	}{
		{"plus", "a+b", "a b", ""},
		{"encoded plus", "a%2Bb", "a+b", ""},
		{"encoded space", "a%20b", "a b", ""},
		{"lower-case digits", "%c3%a9", "é", ""},
		{"upper-case digits", "%C3%A9", "é", ""},
		{"raw UTF-8", "é", "é", ""},
		{"equals sign", "a=b", "a=b", ""},
		{"decoded once", "%2541", "%41", ""},
		{"placeholder", "{env.HOME}", "{env.HOME}", ""},
		{"not trimmed", "+a+", " a ", ""},
		{"%zz", "%zz", "", ReasonMalformedBody},
		{"cut off", "a%2", "", ReasonMalformedBody},
		{"%u0041", "%u0041", "", ReasonMalformedBody},
		{"semicolon", "a;client_secret=b", "", ReasonMalformedBody},
		{"NUL", "a%00b", "", ReasonMalformedBody},
		{"raw NUL", "a\x00b", "", ReasonMalformedBody},
		{"invalid UTF-8", "%ff", "", ReasonMalformedBody},
		{"raw invalid UTF-8", "\xff", "", ReasonMalformedBody},
		{"overlong UTF-8", "%c0%80", "", ReasonMalformedBody},
		{"surrogate", "%ed%a0%80", "", ReasonMalformedBody},
	} {
		t.Run(row.name, func(t *testing.T) {
			request, err := parse(post(formType, minimal+"&scope="+row.scope))
			wantRefused(t, err, http.StatusBadRequest, row.reason)
			if err == nil && request.Scope != row.want {
				t.Errorf("scope %q, want %q", request.Scope, row.want)
			}
		})
	}
}

// RFC 6749 section 3.2: not more than once, in neither format.
func TestRepeatedParametersAreRefused(t *testing.T) {
	for name := range known {
		t.Run(name, func(t *testing.T) {
			want := ReasonRepeatedParameter
			if name == "resource" { // RFC 8707 section 2
				want = ""
			}
			for _, body := range []string{"%s=a&%[1]s=b", "%s=a&%[1]s=a", "%s=a&%[1]s=", "%s&%[1]s=a"} {
				_, err := parseParameters(Form, fmt.Appendf(nil, body, name))
				wantRefused(t, err, http.StatusBadRequest, want)
			}
			_, err := parseParameters(JSON, fmt.Appendf(nil, `{%q:"a",%[1]q:"a"}`, name))
			wantRefused(t, err, http.StatusBadRequest, ReasonMalformedBody)
			if want != "" {
				want = ReasonMalformedBody // a list is no string
			}
			_, err = parseParameters(JSON, fmt.Appendf(nil, `{%q:["a","a"]}`, name))
			wantRefused(t, err, http.StatusBadRequest, want)
		})
	}
	for spelling, standard := range camelCase {
		t.Run(spelling, func(t *testing.T) {
			for _, second := range []string{"a", "b", ""} {
				_, err := parseParameters(JSON, fmt.Appendf(nil, `{%q:"a",%q:%q}`, spelling, standard, second))
				wantRefused(t, err, http.StatusBadRequest, ReasonRepeatedParameter)
			}
		})
	}
}

// RFC 6749 section 3.2: an empty value is an omitted parameter.
func TestEmptyIsOmitted(t *testing.T) {
	for _, row := range []struct {
		name, contentType, body string
		want                    TokenRequest
		reason                  Reason
	}{
		{"scope", formType, minimal + "&scope=", TokenRequest{}, ""},
		{"scope without equals sign", formType, minimal + "&scope", TokenRequest{}, ""},
		{"secret and assertion", formType, minimal + "&client_secret=&client_assertion=&client_assertion_type=", TokenRequest{}, ""},
		{"resource", formType, minimal + "&resource=", TokenRequest{}, ""},
		{"some resources", formType, minimal + "&resource=&resource=b&resource=", TokenRequest{Resource: []string{"b"}}, ""},
		{"all resources", formType, minimal + "&resource=&resource=", TokenRequest{}, ""},
		{"in JSON", jsonType, `{"grantType":"client_credentials","clientId":"a","scope":"","clientSecret":""}`, TokenRequest{}, ""},
		{"grant_type", formType, "grant_type=&client_id=a", TokenRequest{}, ReasonMissingGrantType},
		{"client_id", formType, "grant_type=client_credentials&client_id=", TokenRequest{}, ReasonMissingClientID},
		{"everything", formType, "", TokenRequest{}, ReasonMissingGrantType},
	} {
		t.Run(row.name, func(t *testing.T) {
			request, err := parse(post(row.contentType, row.body))
			status := http.StatusBadRequest
			if row.reason == ReasonMissingClientID {
				status = http.StatusUnauthorized
			}
			wantRefused(t, err, status, row.reason)
			if err == nil && (request.Scope != "" || request.Credentials.Method != None || !slices.Equal(request.Resource, row.want.Resource)) {
				t.Errorf("got %+v", request)
			}
		})
	}
}

// RFC 6749 section 3.2: unrecognized parameters are ignored, and a name of
// other case is another name.
func TestUnknownParametersAreIgnored(t *testing.T) {
	request, err := parse(post(formType, minimal+"&foo=bar&SCOPE=x&Scope=y&clientSecret=z&grantType=w&%00=v&sub=u&twice=1&twice=2&scope[]=s&scope%5B%5D=s&latin1=%e9&nul=%00"))
	wantRefused(t, err, 0, "")
	if err == nil && (request.Scope != "" || request.Credentials.Secret != "" || request.GrantType != "client_credentials") {
		t.Errorf("got %+v", request)
	}
	request, err = parse(post(jsonType, `{"grantType":"client_credentials","clientId":"a","Scope":"x","SCOPE":"y","foo":[1,{"scope":"z"}],"n":null,"t":true}`))
	wantRefused(t, err, 0, "")
	if err == nil && request.Scope != "" {
		t.Errorf("got %+v", request)
	}
	_, err = parse(post(formType, "Grant_Type=client_credentials&client_id=a"))
	wantRefused(t, err, http.StatusBadRequest, ReasonMissingGrantType)
}

// RFC 8259 sections 4, 8.1 and 8.3: one reading of every JSON body, or none.
func TestJSONBody(t *testing.T) {
	const start = `{"grantType":"client_credentials","clientId":"a"`
	for _, row := range []struct {
		name, body string
		want       Reason
	}{
		{"camelCase", start + `}`, ""},
		{"snake_case", `{"grant_type":"client_credentials","client_id":"a","client_secret":"b"}`, ""},
		{"mixed", `{"grant_type":"client_credentials","clientId":"a","client_secret":"b"}`, ""},
		{"white space", " \t\r\n" + start + "}\n", ""},
		{"escaped name", `{"grant\u0054ype":"client_credentials","clientId":"a"}`, ""},
		{"nesting within bounds", start + `,"x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + "}", ""},

		{"repeated name, first", start + `,"clientId":"b"}`, ReasonMalformedBody},
		{"repeated by an escape", start + `,"client\u0049d":"a"}`, ReasonMalformedBody},
		{"repeated unknown name", start + `,"x":1,"x":1}`, ReasonMalformedBody},
		{"repeated in a nested unknown member", start + `,"x":[{"y":{"z":1,"z":1}}]}`, ReasonMalformedBody},
		{"both spellings", start + `,"client_id":"a"}`, ReasonRepeatedParameter},

		{"other case", `{"granttype":"client_credentials","clientId":"a"}`, ReasonMissingGrantType},
		{"upper case", `{"GRANT_TYPE":"client_credentials","clientId":"a"}`, ReasonMissingGrantType},
		{"long s", `{"grantType":"client_credentials","clientId":"a","client_ſecret":"b","ſcope":"c"}`, ""},
		{"Kelvin sign", start + `,"toKen":"b"}`, ""},

		{"null parameter", start + `,"scope":null}`, ReasonMalformedBody},
		{"number", start + `,"clientSecret":1}`, ReasonMalformedBody},
		{"boolean", start + `,"scope":true}`, ReasonMalformedBody},
		{"array", start + `,"scope":["a"]}`, ReasonMalformedBody},
		{"object", start + `,"resource":{}}`, ReasonMalformedBody},
		{"null grant type", `{"grantType":null,"clientId":"a"}`, ReasonMalformedBody},

		{"trailing object", start + `}{}`, ReasonMalformedBody},
		{"trailing bracket", start + `}}`, ReasonMalformedBody},
		{"trailing NUL", start + "}\x00", ReasonMalformedBody},
		{"trailing comma", start + `,}`, ReasonMalformedBody},
		{"comment", start + `/**/}`, ReasonMalformedBody},
		{"byte order mark", "\xef\xbb\xbf" + start + `}`, ReasonMalformedBody},
		{"UTF-16", "\xff\xfe{\x00}\x00", ReasonMalformedBody},
		{"invalid UTF-8 in a value", start + ",\"scope\":\"\xff\"}", ReasonMalformedBody},
		{"invalid UTF-8 in an unknown member", start + ",\"x\":\"\xc3\"}", ReasonMalformedBody},
		{"NUL", start + `,"clientSecret":"a\u0000b"}`, ReasonMalformedBody},
		{"raw control character", start + ",\"scope\":\"a\nb\"}", ReasonMalformedBody},
		{"single quotes", `{'grantType':'client_credentials'}`, ReasonMalformedBody},
		{"nesting beyond bounds", start + `,"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + "}", ReasonMalformedBody},
		{"20 000 deep", start + `,"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}", ReasonMalformedBody},
		{"20 000 deep, in objects", strings.Repeat(`{"":`, 16000), ReasonMalformedBody},
		{"empty", ``, ReasonMalformedBody},
		{"null", `null`, ReasonMalformedBody},
		{"string", `"grant_type"`, ReasonMalformedBody},
		{"array at the top", `[` + start + `}]`, ReasonMalformedBody},
		{"cut off", start, ReasonMalformedBody},
	} {
		t.Run(row.name, func(t *testing.T) {
			request, err := parse(post(jsonType, row.body))
			wantRefused(t, err, http.StatusBadRequest, row.want)
			if err == nil && (request.Credentials.ClientID != "a" || request.Scope != "") {
				t.Errorf("got %+v", request)
			}
		})
	}
}

// RFC 6749 sections 4.4.2, 5.2: exact values, and the parameter is looked at
// before any credentials are.
func TestGrantType(t *testing.T) {
	e := newEndpoint(t)
	credentials := "&client_id=worker&client_secret=" + generated
	wrong := "&client_id=worker&client_secret=wrong"
	for _, row := range []struct {
		name, body, code string
	}{
		{"missing", "scope=a" + credentials, CodeInvalidRequest},
		{"missing, wrong secret", "scope=a" + wrong, CodeInvalidRequest},
		{"missing, no client", "scope=a", CodeInvalidRequest},
		{"another, wrong secret", "grant_type=password" + wrong, CodeInvalidClient},
		{"another", "grant_type=password" + credentials, CodeUnsupportedGrantType},
		{"authorization_code", "grant_type=authorization_code" + credentials, CodeUnsupportedGrantType},
		{"other case", "grant_type=Client_Credentials" + credentials, CodeUnsupportedGrantType},
		{"space after it", "grant_type=client_credentials+" + credentials, CodeUnsupportedGrantType},
		{"line break after it", "grant_type=client_credentials%0A" + credentials, CodeUnsupportedGrantType},
		{"camelCase", "grant_type=clientCredentials" + credentials, CodeUnsupportedGrantType},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := e.refuse(t, post(formType, row.body)); got.Code != row.code {
				t.Errorf("%s (%s), want %s", got.Code, got.Reason, row.code)
			}
		})
	}
}
