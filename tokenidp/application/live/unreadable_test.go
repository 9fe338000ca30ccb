package live

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// limited is a file, and for lines of it what may be written instead by mistake.
type limited struct {
	base   string
	fields map[string][]string
}

// limits are fields that restrict.
var limits = []limited{
	{withSecret, map[string][]string{
		"expires: 2027-06-30":                              {"2027-6-30", "2027-06-31", "tomorrow", "0", "1y", "2027-06-30 12:00:00", "never", "0001-01-01"},
		"id: s":                                            {"2027-06-30", "12"},
		"hash: " + validHash:                               {"secret", "12", "$sha256$0a"},
		"quota: {tokens: 5, per: 1h}":                      {"5", "0", "{tokens: 0, per: 1h}", "{tokens: 5}", "{per: 1h}", "{tokens: 5, per: 0}", `{tokens: 5, per: "0s"}`, "{tokens: -1, per: 1h}", "5/h", "none"},
		"grant_types: [client_credentials]":                {"client_credentials", "[]", "[password]", "[Client_Credentials]", "[yes]"},
		"scopes: [a.read]":                                 {"a.read", "[]", `"*"`, "['*']", "[a.raed]", "[a.read, 1]"},
		"default_scopes: [a.read]":                         {"a.read", "[]", "['*']"},
		"token_lifetime: 10s":                              {"10", `"10"`, "0s", "-1s", "none", "1y"},
		"token_endpoint_auth_method: client_secret_basic":  {"client_secret", "none", "[client_secret_basic]", "yes"},
		"tls_client_certificate_bound_access_tokens: true": {"True", "yes", `"true"`, "1", "required"},
		"introspection: false":                             {"False", "no", `"false"`, "0"},
		"client_name: a":                                   {"0", `""`},
		"client_id: a":                                     {"0x1", "A b"},
		"claims: {tenant: a}":                              {"a", "[a]", "{tenant: }", "{sub: b}"},
		"resource: https://a.example.com":                  {"a", "5", "[https://a.example.com]"},
		"introspection: [a]":                               {"a", "['*']", "[b]"},
		"name: a.read":                                     {"5", "[a.read]"},
	}},
	{with("dpop_bound_access_tokens: true", "jwks: {keys: ["+validKey+"]}", "token_endpoint_auth_signing_alg: ES256"), map[string][]string{
		"dpop_bound_access_tokens: true":         {"True", "on", `"true"`, "required"},
		"jwks: {keys: [" + validKey + "]}":       {"{keys: []}", "{keys: [{}]}", validKey, "[]", "{key: [" + validKey + "]}"},
		"token_endpoint_auth_signing_alg: ES256": {"ES512", "none", "HS256", "5"},
	}},
	{with("jwks_file: keys.jwks"), map[string][]string{"jwks_file: keys.jwks": {"none.jwks", "a.yaml", "5", `""`, "."}}},
	{with("jwks_uri: https://a.example.com/jwks.json"), map[string][]string{"jwks_uri: https://a.example.com/jwks.json": {"http://a.example.com/jwks.json", "a.example.com", "5"}}},
	{with("federated: [{issuer: https://b.example.com, subject: a, audience: x, claims: {ref: main}}]"), map[string][]string{
		"subject: a":          {"'*'", "'a*'", "5", "[a]"},
		"audience: x":         {"5", "[x]", `""`},
		"claims: {ref: main}": {"{ref: '*'}", "{ref: []}", "{}", "main", "{ref: 5}", "{iss: a}"},
		"federated: [{issuer: https://b.example.com, subject: a, audience: x, claims: {ref: main}}]": {
			"[]", "[{issuer: https://b.example.com}]", "[{issuer: https://b.example.com, subject_pattern: '*'}]", "[{issuer: https://b.example.com, subject: a, claim: {ref: main}}]",
		},
	}},
	{with("tls_client_auth_subject_dn: CN=a"), map[string][]string{"tls_client_auth_subject_dn: CN=a": {"a", "'*'", "CN=*,", `""`}}},
	{with("tls_client_auth_san_dns: a.example.com"), map[string][]string{"tls_client_auth_san_dns: a.example.com": {"'*.example.com'", `""`}}},
	{with("tls_client_auth_san_uri: spiffe://example.com/a"), map[string][]string{"tls_client_auth_san_uri: spiffe://example.com/a": {"a", `""`}}},
	{with("tls_client_auth_san_ip: 192.0.2.7"), map[string][]string{"tls_client_auth_san_ip: 192.0.2.7": {"192.0.2.0/24", "192.0.2", `""`}}},
	{with("tls_client_auth_san_email: a@example.com"), map[string][]string{"tls_client_auth_san_email: a@example.com": {"'@example.com'", "example.com", `""`}}},
}

const (
	validKey = "{kty: EC, crv: P-256, x: f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU, y: x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0}"

	withSecret = `resources:
  - resource: https://a.example.com
    name: a-api
    scopes: [{name: a.read}]
    introspection: [a]
applications:
  - client_id: a
    client_name: a
    scopes: [a.read]
    default_scopes: [a.read]
    secrets:
      - id: s
        hash: ` + validHash + `
        expires: 2027-06-30
    quota: {tokens: 5, per: 1h}
    grant_types: [client_credentials]
    token_lifetime: 10s
    token_endpoint_auth_method: client_secret_basic
    tls_client_certificate_bound_access_tokens: true
    introspection: false
    claims: {tenant: a}
`
)

// with is an Application that authenticates by the fields.
func with(fields ...string) string {
	return "resources: [{name: a-api, scopes: [{name: a.read}]}]\napplications:\n  - client_id: a\n    scopes: [a.read]\n    " + strings.Join(fields, "\n    ") + "\n"
}

// What a field limits stays limited, whatever is written in its place: a file with a
// value that cannot be read does not start, and what was in force stays while it runs.
// Only `active` does more: what is not true there shuts out.
func TestUnreadableValuesOpenNothing(t *testing.T) {
	for _, limited := range limits {
		for field, values := range limited.fields {
			name, _, _ := strings.Cut(field, ":")
			for _, value := range append(slices.Clone(values), "", "~", "!x y", "&x y", "[[a]]", "{x: [y]}") {
				t.Run(name+": "+value, func(t *testing.T) { testUnreadable(t, limited.base, field, name+": "+value) })
			}
		}
	}
}

func testUnreadable(t *testing.T, base, field, wrong string) {
	text := strings.Replace(base, field, wrong, 1)
	if text == base {
		t.Fatal("nothing is replaced")
	}
	f := newFolder(t, map[string]string{"a.yaml": base, "keys.jwks": `{"keys":[` + jwk.ReplaceAllString(validKey, `"$0"`) + `]}`}, "a.yaml")
	before := f.set
	f.save("a.yaml", text)
	if got := f.refresh(func(*application.Set) error { return nil }); !strings.HasPrefix(got, "broken a.yaml") && !strings.HasPrefix(got, "rejected a.yaml") {
		t.Errorf("while running: %s", got)
	}
	if f.set != before {
		t.Error("something else is in force")
	}
	if _, err := NewLibrary([]string{filepath.Join(f.dir, "a.yaml")}, application.Options{}).Load(); err == nil {
		t.Error("it starts")
	}
}

// jwk finds the words of a JWK.
var jwk = regexp.MustCompile(`[A-Za-z0-9_-]+`)

// No field of an Application is forgotten above.
func TestUnreadableValuesAreComplete(t *testing.T) {
	_, _, failure := loadText(t, "applications: [{client_id: a, nonsense: 1}]\n")
	known := regexp.MustCompile(`known: (.*)`).FindStringSubmatch(failure)
	if known == nil {
		t.Fatal(failure)
	}
	tested := map[string]bool{"active": true, "secrets": true} // elsewhere, and by its fields
	for _, l := range limits {
		for field := range l.fields {
			name, _, _ := strings.Cut(field, ":")
			tested[name] = true
		}
	}
	for _, name := range strings.Split(known[1], ", ") {
		if !tested[name] {
			t.Errorf("%s is missing", name)
		}
	}
}
