package oauth

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// oddClaims is what YAML can say, and what a writer of JSON by hand would get wrong.
const oddClaims = `
      "a \"quoted\" \\ name": "\"}, {\"sub\": \"admin"
      https://shop.example.com/claims/team: "Straße 🛒 e\u0301 \u2028 \uFEFF"
      control: "\u0001\b\t\n\r\x7f"
      html: "</script><!--&-->"
      placeholder: "{env.HOME} {http.request.host}"
      empty: ""
      digits: "0123"
      day: "2026-11-23"
      block: |
        two
        lines
      zero: 0
      negative: -7
      large: 9007199254740991
      fraction: 1.5
      small: 0.000001
      yes: true
      no: false
      list: []
      mapping: {}
      nested: {"a/b~c": [[], {}, ["x", 1, false, {"": {"ü": "é"}}]], sub: not a claim of its own}
`

// RFC 7519 section 4, RFC 8259: whatever an Application's claims are, the claims set is
// one JSON object, in which they are what the file says, and the others are this
// server's.
func TestOddClaimsAreCorrectJSON(t *testing.T) {
	want := map[string]any{
		`a "quoted" \ name`:                    `"}, {"sub": "admin`,
		"https://shop.example.com/claims/team": "Straße 🛒 e\u0301 \u2028 \uFEFF",
		"control":                              "\u0001\b\t\n\r\x7f",
		"html":                                 "</script><!--&-->",
		"placeholder":                          "{env.HOME} {http.request.host}",
		"empty":                                "",
		"digits":                               "0123",
		"day":                                  "2026-11-23",
		"block":                                "two\nlines\n",
		"zero":                                 json.Number("0"),
		"negative":                             json.Number("-7"),
		"large":                                json.Number("9007199254740991"),
		"fraction":                             json.Number("1.5"),
		"small":                                json.Number("0.000001"),
		"yes":                                  true,
		"no":                                   false,
		"list":                                 []any{},
		"mapping":                              map[string]any{},
		"nested": map[string]any{
			"a/b~c": []any{[]any{}, map[string]any{}, []any{"x", json.Number("1"), false, map[string]any{"": map[string]any{"ü": "é"}}}},
			"sub":   "not a claim of its own",
		},
	}
	token := claimsToken(t, oddClaims)
	claims, err := token.Claims()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := strictjson.Object(claims); err != nil { // as verify reads it
		t.Errorf("%s: %v", claims, err)
	}
	var got map[string]any
	decoder := json.NewDecoder(bytes.NewReader(claims)) // as others may
	decoder.UseNumber()
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%s: %v", claims, err)
	}
	if got["iss"] != idp || got["sub"] != "x" || got["client_id"] != "x" || got["aud"] != "orders-api" || got["jti"] != token.ID || got["cnf"] == nil {
		t.Errorf("%s", claims)
	}
	for _, name := range append([]string{"cnf"}, ClaimNames...) {
		delete(got, name)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// claimsToken is a token, bound to a key, of an Application with the claims.
func claimsToken(t *testing.T, claims string) *AccessToken {
	t.Helper()
	file := filepath.Join(t.TempDir(), "applications.yaml")
	text := "resources: [{name: orders-api, scopes: [{name: orders.read}]}]\napplications:\n  - client_id: x\n    scopes: [orders.read]\n" +
		"    secrets: [{id: a, hash: " + generatedHash() + "}]\n    claims:" + claims
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := live.NewLibrary([]string{file}, application.Options{}).Load()
	if err != nil {
		t.Fatal(err)
	}
	app, _ := set.Application("x")
	token := NewAccessToken(idp, &Client{Application: app}, &application.Grant{Audience: "orders-api", Lifetime: time.Hour}, time.Now())
	token.Confirmation = &Confirmation{}
	return token
}

// An Application without claims, or with none in the mapping, has those of every token.
func TestNoClaimsOfItsOwn(t *testing.T) {
	claims, err := claimsToken(t, " {}").Claims()
	if object, malformed := strictjson.Object(claims); err != nil || malformed != nil || len(object) != len(ClaimNames)+1 {
		t.Errorf("%s: %v, %v", claims, err, malformed)
	}
}
