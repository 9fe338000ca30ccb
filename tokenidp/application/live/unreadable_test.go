package live

import (
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// What a field limits stays limited, whatever is written in its place: a file with a
// value that cannot be read does not start, and what was in force stays while it runs.
// Only `active` does more: what is not true there shuts out.
func TestUnreadableValuesOpenNothing(t *testing.T) {
	fields := map[string][]string{
		"expires: 2027-06-30":                              {"2027-6-30", "2027-06-31", "tomorrow", "0", "1y", "2027-06-30 12:00:00"},
		"quota: {tokens: 5, per: 1h}":                      {"5", "0", "{tokens: 0, per: 1h}", "{tokens: 5}", "{per: 1h}", "{tokens: 5, per: 0}", `{tokens: 5, per: "0s"}`, "5/h", "none"},
		"grant_types: [client_credentials]":                {"client_credentials", "[]", "[password]", "[Client_Credentials]"},
		"scopes: [a.read]":                                 {"a.read", "[]", `"*"`, "['*']", "[a.raed]", "[a.read, 1]"},
		"default_scopes: [a.read]":                         {"a.read", "[]", "['*']"},
		"token_lifetime: 10s":                              {"10", `"10"`, "0s", "-1s", "none", "1y"},
		"token_endpoint_auth_method: client_secret_basic":  {"client_secret", "none", "[client_secret_basic]"},
		"tls_client_certificate_bound_access_tokens: true": {"True", "yes", `"true"`, "1", "required"},
		"introspection: false":                             {"False", "no", `"false"`, "0"},
		"client_id: a":                                     {"0x1", "A b"},
	}
	base := "resources: [{name: a-api, scopes: [{name: a.read}]}]\napplications:\n  - secrets:\n      - id: s\n        hash: " + validHash + "\n        expires: 2027-06-30\n"
	for field := range fields {
		if !strings.HasPrefix(field, "expires") {
			base += "    " + field + "\n"
		}
	}
	for field, values := range fields {
		name, _, _ := strings.Cut(field, ":")
		for _, value := range append(values, "", "~", "!x y", "&x y", "[[a]]", "{x: [y]}") {
			t.Run(name+": "+value, func(t *testing.T) {
				text := strings.Replace(base, field, name+": "+value, 1)
				if _, _, failure := loadText(t, text); failure == "" {
					t.Error("it starts")
				}
				f := newFolder(t, map[string]string{"a.yaml": base}, "a.yaml")
				before := f.set
				f.save("a.yaml", text)
				if got := f.refresh(func(*application.Set) error { return nil }); !strings.HasPrefix(got, "broken a.yaml") {
					t.Errorf("while running: %s", got)
				}
				if f.set != before {
					t.Error("something else is in force")
				}
			})
		}
	}
}
