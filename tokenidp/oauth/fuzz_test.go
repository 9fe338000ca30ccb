package oauth

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

// Whatever is accepted names a grant type and a client, and is all text.
func FuzzParseTokenRequest(f *testing.F) {
	for _, seed := range []struct{ contentType, authorization, body string }{
		{formType, "", minimal + "&client_secret=b&scope=c+d&resource=e&resource=f"},
		{formType, basic("a", "b"), "grant_type=client_credentials"},
		{formType, basic("+ / : % = &", mounted), "grant_type=client_credentials&scope=%C3%A9"},
		{formType, basic("a", "b"), minimal},
		{formType, "Basic YTpi, Basic YTpi", minimal},
		{formType, "Bearer a", minimal},
		{formType + "; charset=utf-8", "", "grant_type=a&client_id=%00"},
		{formType, "", "grant_type=a&client_id=%ff&scope=%zz;"},
		{formType, "", minimal + "&client_assertion=a.b.c&client_assertion_type=d"},
		{jsonType, "", `{"grantType":"client_credentials","clientId":"a","clientSecret":"b","scope":"c"}`},
		{jsonType, "", `{"grant_type":"client_credentials","clientId":"a","client_id":"b"}`},
		{jsonType, "", `{"grantType":"a","clientId":"\u0000","x":[{"y":null}]}`},
		{jsonType, "", `{"grantType":"a","clientId":"\ud800","clientſecret":1e999}`},
		{jsonType, "", strings.Repeat(`{"a":[`, 100)},
		{"application/json; charset=utf-16", "", "\xff\xfe{\x00}\x00"},
		{"multipart/form-data; boundary=a", "", "--a--"},
	} {
		f.Add(seed.contentType, seed.authorization, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, contentType, authorization string, body []byte) {
		r := post(contentType, string(body))
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		request, err := parse(r)
		if err != nil {
			if e := refusal(t, err); e.Status < 400 || e.Status > 415 || e.Code == "" || e.Reason == "" {
				t.Errorf("refused with %+v", *e)
			}
			return
		}
		c := request.Credentials
		if request.GrantType == "" || !c.nameClient() || c.Method == "" {
			t.Errorf("accepted %+v", *request)
		}
		for _, text := range append(request.Resource, request.GrantType, request.Scope, c.ClientID, c.Secret) {
			if !isText(text) {
				t.Errorf("accepted %q", text)
			}
		}
	})
}

// Whatever is accepted is text that survives encoding it again, and any text
// survives being encoded in the first place.
func FuzzBasic(f *testing.F) {
	for _, seed := range []string{
		"a:b", "a:b:c", ":", "a", "a%3Ab:c", "a+b:c%20d", "%zz:a", "a:%", "a:\x00", "a:%00", "\xff:a", "é:€", mounted + ":" + mounted,
	} {
		f.Add(base64.StdEncoding.EncodeToString([]byte(seed)))
		f.Add(seed)
	}
	f.Add("YTpi\n")
	f.Add("YTpiYw")
	f.Add("YTpiYx==")
	f.Fuzz(func(t *testing.T, encoded string) {
		id, secret, err := decodeBasic(encoded)
		if err == nil {
			if id == "" || !isText(id) || !isText(secret) {
				t.Errorf("accepted %q, %q", id, secret)
			}
			roundTrip(t, id, secret)
		}
		if encoded != "" && isText(encoded) {
			roundTrip(t, encoded, encoded)
		}
	})
}

func roundTrip(t *testing.T, id, secret string) {
	t.Helper()
	encoded := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(secret)))
	gotID, gotSecret, err := decodeBasic(encoded)
	if err != nil || gotID != id || gotSecret != secret {
		t.Errorf("%q, %q became %q, %q, %v", id, secret, gotID, gotSecret, err)
	}
}
