package oauth

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

const claimsOfAToken = `{"iss":"https://idp.example.com","sub":"worker","aud":"orders-api","client_id":"worker","scope":"orders.read",` +
	`"iat":1773662400,"exp":1773666000,"jti":"a1","limit":1e3,"list":[1,"a",null],"nested":{"n":0.10},"active":"no","token_type":"mac"}`

// RFC 7662 section 2.2: exactly this, and nothing beside it where a token is not
// active.
func TestIntrospectionIsExact(t *testing.T) {
	claims := must(strictjson.Object([]byte(claimsOfAToken)))
	bound := must(strictjson.Object([]byte(`{"client_id":"a","cnf":{"x5t#S256":"b"}}`)))
	proven := must(strictjson.Object([]byte(`{"client_id":"a","cnf":{"jkt":"b"}}`)))
	for _, row := range []struct {
		name string
		i    Introspection
		form string
		json string
	}{
		{"inactive", Inactive(), `{"active":false}`, `{"isSuccess":true,"data":{"active":false}}`},
		{"active", Active(claims), `{"active":true,"aud":"orders-api","client_id":"worker","exp":1773666000,"iat":1773662400,"iss":"https://idp.example.com","jti":"a1",` +
			`"limit":1e3,"list":[1,"a",null],"nested":{"n":0.10},"scope":"orders.read","sub":"worker","token_type":"Bearer"}`,
			`{"isSuccess":true,"data":{"active":true,"aud":"orders-api","clientId":"worker","exp":1773666000,"iat":1773662400,"iss":"https://idp.example.com","jti":"a1",` +
				`"limit":1e3,"list":[1,"a",null],"nested":{"n":0.10},"scope":"orders.read","sub":"worker","tokenType":"Bearer"}}`},
		{"bound to a certificate (RFC 8705 section 3.2)", Active(bound), `{"active":true,"client_id":"a","cnf":{"x5t#S256":"b"},"token_type":"Bearer"}`,
			`{"isSuccess":true,"data":{"active":true,"clientId":"a","cnf":{"x5t#S256":"b"},"tokenType":"Bearer"}}`},
		{"bound to a key (RFC 9449 section 6.2)", Active(proven), `{"active":true,"client_id":"a","cnf":{"jkt":"b"},"token_type":"DPoP"}`,
			`{"isSuccess":true,"data":{"active":true,"clientId":"a","cnf":{"jkt":"b"},"tokenType":"DPoP"}}`},
	} {
		for format, want := range map[Format]string{Form: row.form, JSON: row.json} {
			t.Run(row.name, func(t *testing.T) {
				w := httptest.NewRecorder()
				if err := WriteIntrospection(w, format, row.i); err != nil || w.Code != http.StatusOK || w.Body.String() != want {
					t.Errorf("%d %s, %v\nwant %s", w.Code, w.Body, err, want)
				}
				checkHeaders(t, w.Header(), nil)
			})
		}
	}
	if claims["active"] != "no" {
		t.Error("the claims were changed, which all requests share")
	}
}

// RFC 9701 section 5: iss, aud and iat beside the answer, and neither sub nor exp.
func TestIntrospectionClaimsAreExact(t *testing.T) {
	const want = `{"iss":"https://idp.example.com","aud":"orders-api","iat":1773662400,"token_introspection":{"active":false}}`
	got, err := Inactive().Claims("https://idp.example.com", "orders-api", time.Unix(1773662400, 0))
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	w := httptest.NewRecorder()
	if err := WriteIntrospectionJWT(w, "a.b.c"); err != nil || w.Code != http.StatusOK || w.Body.String() != "a.b.c" {
		t.Errorf("%d %s, %v", w.Code, w.Body, err)
	}
	if h := w.Header(); h.Get("Content-Type") != "application/token-introspection+jwt" || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", h)
	}
}

// RFC 9701 section 4: who asks for a JWT gets one.
func TestAcceptOfAnIntrospection(t *testing.T) {
	for _, row := range []struct {
		accept []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"application/json"}, false},
		{[]string{"*/*"}, false},
		{[]string{"application/*"}, false},
		{[]string{"application/jwt"}, false},
		{[]string{"application/token-introspection+jwt"}, true},
		{[]string{"Application/Token-Introspection+JWT"}, true},
		{[]string{"application/json, application/token-introspection+jwt;q=0.5"}, true},
		{[]string{"application/json", "application/token-introspection+jwt"}, true},
		{[]string{"application/token-introspection+jwt;q=0"}, false},
		{[]string{"application/token-introspection+jwt;q=0.000"}, false},
		{[]string{"application/token-introspection+jwt;q=x"}, false},
		{[]string{"application/token-introspection+jwt2"}, false},
	} {
		r := post(formType, "token=a&client_id=a&client_secret=b")
		r.Header["Accept"] = row.accept
		request, err := ParseIntrospectionRequest(httptest.NewRecorder(), r, Policy{})
		if err != nil || request.Signed != row.want {
			t.Errorf("%q: %+v, %v", row.accept, request, err)
		}
	}
}
