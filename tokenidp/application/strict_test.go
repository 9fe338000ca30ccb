package application

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

// valid uses every field once. Rows replace a part of it.
const valid = `resources:
  - name: orders-api
    scopes:
      - name: orders.read
        description: Read orders
      - name: orders.write
  - name: billing-api
    resource: https://api.example.com/billing
    scopes:
      - name: billing.read
applications:
  - client_id: orders-worker
    client_name: Orders worker
    active: true
    grant_types: [client_credentials]
    token_endpoint_auth_method: client_secret_basic
    secrets:
      - id: "2026-11"
        hash: "$sha256$0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
        expires: 2027-06-30
    scopes: [orders.read, orders.write]
    default_scopes: [orders.read]
    token_lifetime: 30m
`

const validHash = `"$sha256$0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"`

func TestLoadEveryField(t *testing.T) {
	set, warnings, failure := loadText(t, "\uFEFF"+valid)
	if failure != "" || len(warnings) > 0 {
		t.Fatal(failure, warnings)
	}
	a, ok := set.Application("orders-worker")
	if !ok {
		t.Fatal("not found")
	}
	s := a.Secrets[0]
	got := fmt.Sprintf("%s|%s|%v|%v|%s|%v|%v|%v|%s|%s|%s", a.ClientID, a.ClientName, a.Active, a.GrantTypes, a.TokenEndpointAuthMethod,
		a.Scopes, a.DefaultScopes, a.TokenLifetime, filepath.Base(a.Source), s.ID, s.Expires.Format(time.RFC3339))
	if want := "orders-worker|Orders worker|true|[client_credentials]|client_secret_basic|[orders.read orders.write]|[orders.read]|30m0s|a.yaml:12|2026-11|2027-07-01T00:00:00Z"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var resources []string
	for _, r := range set.Resources() {
		resources = append(resources, fmt.Sprintf("%s|%s|%v|%s", r.Name, r.Audience(), r.Scopes, filepath.Base(r.Source)))
	}
	if want := "orders-api|orders-api|[{orders.read Read orders} {orders.write }]|a.yaml:2 billing-api|https://api.example.com/billing|[{billing.read }]|a.yaml:7"; strings.Join(resources, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(resources, " "), want)
	}
	if r, ok := set.Resource("billing.read"); !ok || r.Name != "billing-api" {
		t.Errorf("owner of billing.read: %v", r)
	}
	if _, ok := set.Resource("billing"); ok {
		t.Error("a scope that nobody defined has an owner")
	}
	if !a.AllowsGrant("client_credentials") || a.AllowsGrant("password") || a.AllowsGrant("") {
		t.Error("grant types")
	}
}

func TestDefaults(t *testing.T) {
	set := mustLoad(t, "resources: [{name: a-api, scopes: [{name: a.read}]}]\napplications:\n  - client_id: x\n    scopes: [a.read]\n    secrets: [{id: a, hash: "+validHash+"}]\n")
	a, _ := set.Application("x")
	if !a.Active || !a.AllowsGrant(GrantClientCredentials) || a.TokenEndpointAuthMethod != "" || a.TokenLifetime != 0 || len(a.DefaultScopes) != 0 || !a.Secrets[0].Expires.IsZero() {
		t.Errorf("%+v", a)
	}
}

// TestAccepted has unusual but valid files.
func TestAccepted(t *testing.T) {
	for _, row := range []struct{ name, old, new string }{
		{"quoted ids stay strings", "client_id: orders-worker", `client_id: "0123"`},
		{"an explicit string", "client_id: orders-worker", "client_id: !!str 0123"},
		{"a quoted day as id of a secret", `"2026-11"`, `"2026-11-01"`},
		{"every character of a client_id", "orders-worker", "'!\"#$%&''()*+,-./09;<=>?@AZ[\\]^_`az{|}~'"},
		{"an id that begins like a secret", `"2026-11"`, "tidp_2026"},
		{"an inactive application needs no secret", "active: true", "active: false"},
		{"an instant", "2027-06-30", "2027-06-30T12:00:00+02:00"},
		{"a quoted day", "2027-06-30", `"2027-06-30"`},
		{"a URN", "https://api.example.com/billing", "urn:example:billing"},
		{"identifier and name alike", "name: billing-api", "name: https://api.example.com/billing"},
		{"the least lifetime", "30m", "10s"},
		{"a day", "30m", "1d"},
		{"comments and a document start", "resources:", "# a\n---\nresources: # b"},
		{"Windows line breaks", "\n", "\r\n"},
		{"YAML 1.1", "resources:", "%YAML 1.1\n---\nresources:"},
		{"YAML 1.2", "resources:", "%YAML 1.2\n---\nresources:"},
		{"YAML 1.2 after comments", "resources:", "# a\n\n%YAML  1.2 # b\r\n---\nresources:"},
		{"no applications, said so", valid[strings.Index(valid, "applications:"):], "applications: []"},
		{"only resources", valid[strings.Index(valid, "applications:"):], ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, _, failure := loadText(t, strings.ReplaceAll(valid, row.old, row.new)); failure != "" {
				t.Error(failure)
			}
		})
	}
	if _, _, failure := loadText(t, "applications: []"); failure != "" {
		t.Error(failure)
	}
}

const (
	orders   = `application "orders-worker": `
	secret11 = orders + `secret "2026-11": `
)

var applicationOf = strings.Join(applicationObject.Names(), ", ")

func TestFieldErrors(t *testing.T) {
	for _, row := range []struct{ name, old, new, want string }{
		// Fields.
		{"unknown at the top", "applications:\n", "clients: []\napplications:\n", `11: unknown field "clients"; known: resources, applications, tests`},
		{"unknown, near a known one", "token_lifetime:", "token_lifetimes:", `23: ` + orders + `unknown field "token_lifetimes"; did you mean "token_lifetime"? known: ` + applicationOf},
		{"unknown in a resource", "    resource: https", "    audience: https", `8: resource "billing-api": unknown field "audience"; known: name, resource, scopes, introspection`},
		{"unknown in a scope", "description:", "descripton:", `5: resource "orders-api": scopes: unknown field "descripton"; did you mean "description"? known: name, description`},
		{"unknown in a secret", "expires:", "expire:", `20: ` + secret11 + `unknown field "expire"; did you mean "expires"? known: id, hash, file, expires`},
		{"a field of another case", "client_name:", "Client_Name:", `13: ` + orders + `unknown field "Client_Name"; did you mean "client_name"? known: ` + applicationOf},
		{"repeated", "    active: true", "    client_id: b", `14: ` + orders + `field "client_id" is repeated; it was in line 12 already`},
		{"repeated at the top", "applications:\n", "resources: []\napplications:\n", `11: field "resources" is repeated; it was in line 1 already`},
		{"repeated in quotes", "    active: true", `    "client_id": b`, `14: ` + orders + `field "client_id" is repeated; it was in line 12 already`},
		{"the secret itself", "hash: " + validHash, "secret: hunter2", "19: " + secret11 + "field \"secret\" is not accepted, since only hashes are stored: make a secret with `caddy tokenidp secret`, or hash yours with `caddy tokenidp secret --hash`, and write the result as `hash`"},
		{"a client_secret", "    active: true", "    client_secret: hunter2", "14: " + orders + "field \"client_secret\" is not accepted, since only hashes are stored: make a secret with `caddy tokenidp secret`, or hash yours with `caddy tokenidp secret --hash`, and write the result as `hash`"},
		{"a password", "    active: true", "    password: hunter2", "14: " + orders + "field \"password\" is not accepted, since only hashes are stored: make a secret with `caddy tokenidp secret`, or hash yours with `caddy tokenidp secret --hash`, and write the result as `hash`"},
		{"a field that is a list", "    active: true", "    ? [a]\n    : b", `14: ` + orders + `a field name must be a plain word`},
		{"a field that is null", "    active: true", "    ~: b", `14: ` + orders + `a field name must be a plain word`},

		// What YAML guesses.
		{"0123", "client_id: orders-worker", "client_id: 0123", `12: application 1: client_id must be a string; quote it: "0123"`},
		{"1e3", "client_id: orders-worker", "client_id: 1e3", `12: application 1: client_id must be a string; quote it: "1e3"`},
		{"true", "client_id: orders-worker", "client_id: true", `12: application 1: client_id must be a string; quote it: "true"`},
		{"yes", "client_id: orders-worker", "client_id: yes", `12: application "yes": client_id must be a string; quote it: "yes"`},
		{"Off", "client_name: Orders worker", "client_name: Off", `13: ` + orders + `client_name must be a string; quote it: "Off"`},
		{"0x1F", "client_id: orders-worker", "client_id: 0x1F", `12: application 1: client_id must be a string; quote it: "0x1F"`},
		{"1_000", "client_id: orders-worker", "client_id: 1_000", `12: application 1: client_id must be a string; quote it: "1_000"`},
		{".inf", "client_id: orders-worker", "client_id: .inf", `12: application 1: client_id must be a string; quote it: ".inf"`},
		{"a day as id", `"2026-11"`, "2026-11-01", `18: ` + orders + `secret 1: id must be a string; quote it: "2026-11-01"`},
		{"null", "client_id: orders-worker", "client_id: null", `12: application 1: client_id is null; give it a value or leave it out`},
		{"nothing", "client_name: Orders worker", "client_name:", `13: ` + orders + `client_name is null; give it a value or leave it out`},
		{"a tilde in a list", "[orders.read, orders.write]", "[orders.read, ~]", `21: ` + orders + `scopes is null; give it a value or leave it out`},
		{"null application", "applications:\n", "applications:\n  -\n", `12: application 1: is null; give it a value or leave it out`},
		{"a list for a string", "client_id: orders-worker", "client_id: [a]", `12: application 1: client_id must be a string`},
		{"a mapping for a string", "client_id: orders-worker", "client_id: {a: b}", `12: application 1: client_id must be a string; a value that begins with { has to be quoted`},
		{"an unquoted placeholder", validHash, "{env.HASH}", `19: ` + secret11 + `hash must be a string; a value that begins with { has to be quoted`},
		{"a number for a hash", validHash, "20261120", `19: ` + secret11 + `hash is not usable: it has none of the accepted forms ($sha256$, $argon2id$, bcrypt $2a$ $2b$ $2y$ of cost 10 to 14, $pbkdf2-sha256$, $pbkdf2-sha512$); make one with ` + "`caddy tokenidp secret --hash`"},
		{"a string for a list", "[orders.read, orders.write]", "orders.read orders.write", `21: ` + orders + `scopes must be a list`},
		{"a string for a mapping", "      - name: orders.write\n", "      - orders.write\n", "6: resource \"orders-api\": scopes: must be a mapping; write `- name: \"orders.write\"`"},
		{"a string for a secret", "      - id: \"2026-11\"\n", "      - hunter2\n      - id: \"2026-11\"\n", `18: ` + orders + `secret 1: must be a mapping with the fields id, hash, file, expires`},
		{"a mapping for a list of applications", "  - client_id", "    client_id", `12: applications must be a list`},
		{"a quoted boolean", "active: true", `active: "true"`, `14: ` + orders + `active must be true or false, without quotes; until it is true, the application is inactive`},
		{"an old boolean", "active: true", `active: yes`, `14: ` + orders + `active must be true or false, without quotes; until it is true, the application is inactive`},
		{"a tagged boolean", "active: true", `active: !!bool yes`, `14: ` + orders + `active must be true or false, without quotes; until it is true, the application is inactive`},

		// What YAML can do and these files do not need.
		{"an anchor", "client_id: orders-worker", "client_id: &id orders-worker", `12: ` + orders + `client_id has an anchor (&), which is not accepted; write the value out where it is needed`},
		{"an anchor of a mapping", "  - client_id: orders-worker", "  - &a\n    client_id: orders-worker", `12: ` + orders + `has an anchor (&), which is not accepted; write the value out where it is needed`},
		{"an alias", "name: billing-api", "name: &b billing-api\n    description: *b", `7: resource "billing-api": name has an anchor (&), which is not accepted; write the value out where it is needed` + "\n" +
			`a.yaml:8: resource "billing-api": unknown field "description"; known: name, resource, scopes, introspection`},
		{"an alias of nothing", "client_name: Orders worker", "client_name: *worker", "13: not YAML: a value that begins with * is an alias of another; quote it"},
		{"a merge key", "    active: true", "    <<: {active: true}", `14: ` + orders + `merge keys (<<) are not accepted; write the fields out`},
		{"a tag", "client_id: orders-worker", "client_id: !secret orders-worker", `12: application 1: client_id has a tag (!), which is not accepted; leave it out`},
		{"a binary tag", "client_id: orders-worker", "client_id: !!binary b3JkZXJz", `12: application 1: client_id has a tag (!), which is not accepted; leave it out`},
		{"a set", "applications:\n", "applications: !!set\n", `11: applications has a tag (!), which is not accepted; leave it out`},

		// Resources.
		{"a name with a space", "name: orders-api", "name: orders api", `2: resource "orders api": name must be 1 to 255 visible ASCII characters without " and \`},
		{"an empty name", "name: orders-api", `name: ""`, `2: resource "": name must be 1 to 255 visible ASCII characters without " and \`},
		{"a long name", "name: orders-api", "name: " + strings.Repeat("a", 256), `2: resource "` + strings.Repeat("a", 64) + `"…: name must be 1 to 255 visible ASCII characters without " and \`},
		{"null resource", "applications:\n", "  -\napplications:\n", `11: resource 3: is null; give it a value or leave it out`},
		{"null scope", "      - name: orders.write\n", "      -\n", `6: resource "orders-api": scopes: is null; give it a value or leave it out`},
		{"no name", "  - name: orders-api\n    scopes:", "  - scopes:", `2: resource 1: name is missing`},
		{"a name twice", "name: billing-api", "name: orders-api", `7: resource "orders-api": resource "orders-api" is already defined at a.yaml:2`},
		{"an identifier that is another's name", "name: orders-api", "name: https://api.example.com/billing", `8: resource "billing-api": resource "https://api.example.com/billing" is already defined at a.yaml:2`},
		{"no scopes", "    scopes:\n      - name: billing.read\n", "", `7: resource "billing-api": scopes is missing; a resource needs at least one scope`},
		{"empty scopes", "    scopes:\n      - name: billing.read\n", "    scopes: []\n", `9: resource "billing-api": scopes is empty; a resource needs at least one scope`},
		{"a scope twice", "name: billing.read", "name: orders.read", `10: resource "billing-api": scope "orders.read" is already defined at a.yaml:4`},
		{"a scope with a space", "name: billing.read", "name: billing read", `10: resource "billing-api": scopes: name must be 1 to 255 visible ASCII characters without " and \ (RFC 6749 section 3.3)`},
		{"a scope that is not ASCII", "name: billing.read", "name: bílling", `10: resource "billing-api": scopes: name must be 1 to 255 visible ASCII characters without " and \ (RFC 6749 section 3.3)`},
		{"a description of two lines", "Read orders", `"Read\norders"`, `5: resource "orders-api": scopes: description must be 1 to 1024 printable characters in one line`},
		{"a relative identifier", "https://api.example.com/billing", "/billing", `8: resource "billing-api": resource must be an absolute URI, such as https://api.example.com/orders`},
		{"an identifier with a fragment", "https://api.example.com/billing", "https://api.example.com/billing#a", `8: resource "billing-api": resource must have no fragment (RFC 8707 section 2)`},
		{"an identifier with an empty fragment", "https://api.example.com/billing", "https://api.example.com/billing#", `8: resource "billing-api": resource must have no fragment (RFC 8707 section 2)`},
		{"an identifier without a host", "https://api.example.com/billing", "https:///billing", `8: resource "billing-api": resource has no host`},
		{"an identifier with a space", "https://api.example.com/billing", "https://api.example.com/bil ling", `8: resource "billing-api": resource must be an absolute URI, such as https://api.example.com/orders`},

		// Applications.
		{"no client_id", "  - client_id: orders-worker\n    client_name", "  - client_name", `12: application 1: client_id is missing`},
		{"an empty client_id", "client_id: orders-worker", `client_id: ""`, `12: application "": client_id must be 1 to 255 visible ASCII characters without spaces`},
		{"a client_id with a space", "client_id: orders-worker", "client_id: orders worker", `12: application "orders worker": client_id must be 1 to 255 visible ASCII characters without spaces`},
		{"a client_id that is not ASCII", "client_id: orders-worker", "client_id: örders", `12: application "örders": client_id must be 1 to 255 visible ASCII characters without spaces`},
		{"a client_id that is a secret", "client_id: orders-worker", "client_id: " + generated, `12: application 1: client_id is a secret; a client_id appears in logs and tokens`},
		{"a client_id with a colon", "client_id: orders-worker", "client_id: orders:worker", `12: application "orders:worker": client_id must have no colon: it ends the user name in Basic authentication, and curl -u does not encode it`},
		{"an empty client_name", "Orders worker", `""`, `13: ` + orders + `client_name must be 1 to 255 printable characters in one line`},
		{"a client_name that feeds lines", "Orders worker", `"a\nb"`, `13: ` + orders + `client_name must be 1 to 255 printable characters in one line`},
		{"no grant types", "[client_credentials]", "[]", "15: " + orders + "grant_types is empty; leave it out for [client_credentials], or write `active: false`"},
		{"an unknown grant type", "[client_credentials]", "[client_credential]", `15: ` + orders + `grant_types has the unknown "client_credential"; did you mean "client_credentials"? known: client_credentials`},
		{"a known grant type and another", "[client_credentials]", "[client_credentials, password]", `15: ` + orders + `grant_types has the unknown "password"; known: client_credentials`},
		{"an unknown method", ": client_secret_basic", ": client_secret_jwt", `16: ` + orders + `token_endpoint_auth_method has the unknown "client_secret_jwt"; known: client_secret_basic, client_secret_post, private_key_jwt, self_signed_tls_client_auth, tls_client_auth`},
		{"a scope twice in an application", "[orders.read, orders.write]", "[orders.read, orders.read]", `21: ` + orders + `scopes has "orders.read" twice`},
		{"a scope that nobody owns", "[orders.read, orders.write]", "[orders.read, orders.wrote]", `21: ` + orders + `scope "orders.wrote" is owned by no resource; did you mean "orders.write"? known: orders.read, orders.write, billing.read`},
		{"empty scopes of an application", "[orders.read, orders.write]", "[]", `21: ` + orders + `scopes is empty` + "\n" + `a.yaml:22: ` + orders + `default_scopes has "orders.read", which is not in scopes`},
		{"no scopes of an application", "    scopes: [orders.read, orders.write]\n    default_scopes: [orders.read]\n", "", `12: ` + orders + `scopes is missing; without any, it can never get a token`},
		{"a default that is not granted", "default_scopes: [orders.read]", "default_scopes: [billing.read]", `22: ` + orders + `default_scopes has "billing.read", which is not in scopes`},
		{"an empty default", "default_scopes: [orders.read]", "default_scopes: []", `22: ` + orders + `default_scopes is empty`},
		{"a default of two resources", "[orders.read, orders.write]\n    default_scopes: [orders.read]", "[orders.read, billing.read]\n    default_scopes: [orders.read, billing.read]", `22: ` + orders + `default_scopes has scopes of several resources, "orders-api" and "billing-api"; a token is for one`},
		{"a lifetime without a unit", "30m", "3600", `23: ` + orders + `token_lifetime is not a duration such as 1h, 90m or 1d; if it is in seconds, write 3600s`},
		{"a quoted lifetime without a unit", "30m", `"3600"`, `23: ` + orders + `token_lifetime is not a duration such as 1h, 90m or 1d; if it is in seconds, write 3600s`},
		{"a short lifetime", "30m", "9s", `23: ` + orders + `token_lifetime must be whole seconds, 10s to 24h`},
		{"a long lifetime", "30m", "1d1s", `23: ` + orders + `token_lifetime must be whole seconds, 10s to 24h`},
		{"a negative lifetime", "30m", "-1h", `23: ` + orders + `token_lifetime must be whole seconds, 10s to 24h`},
		{"a lifetime in fractions", "30m", "10.5s", `23: ` + orders + `token_lifetime must be whole seconds, 10s to 24h`},
		{"a lifetime of too many days", "30m", "99999999999d", `23: ` + orders + `token_lifetime is not a duration such as 1h, 90m or 1d`},
		{"a day less an hour", "30m", "1d-1h", `23: ` + orders + `token_lifetime is not a duration such as 1h, 90m or 1d`},

		// Quota, introspection.
		{"a quota that is a number", "token_lifetime: 30m", "quota: 600", `23: ` + orders + `quota: must be a mapping with the fields tokens, per`},
		{"half a quota", "token_lifetime: 30m", "quota: {tokens: 600}", "23: " + orders + "quota: per is missing; write `quota: {tokens: 600, per: 1h}`"},
		{"the other half of a quota", "token_lifetime: 30m", "quota: {per: 1h}", "23: " + orders + "quota: tokens is missing; write `quota: {tokens: 600, per: 1h}`"},
		{"a quota of something else", "token_lifetime: 30m", "quota: {tokens: 600, per: 1h, burst: 1}", `23: ` + orders + `quota: unknown field "burst"; known: tokens, per`},
		{"a quota of no tokens", "token_lifetime: 30m", "quota: {tokens: 0, per: 1h}", `23: ` + orders + `quota: tokens must be a whole number, 1 to 1000000, without quotes`},
		{"a quota of too many tokens", "token_lifetime: 30m", "quota: {tokens: 1000001, per: 1h}", `23: ` + orders + `quota: tokens must be a whole number, 1 to 1000000, without quotes`},
		{"a quota in octal", "token_lifetime: 30m", "quota: {tokens: 0600, per: 1h}", `23: ` + orders + `quota: tokens must be a whole number, 1 to 1000000, without quotes`},
		{"a quoted quota", "token_lifetime: 30m", `quota: {tokens: "600", per: 1h}`, `23: ` + orders + `quota: tokens must be a whole number, 1 to 1000000, without quotes`},
		{"a quota in fractions", "token_lifetime: 30m", "quota: {tokens: 6e2, per: 1h}", `23: ` + orders + `quota: tokens must be a whole number, 1 to 1000000, without quotes`},
		{"a quota in no time", "token_lifetime: 30m", "quota: {tokens: 600, per: 0s}", `23: ` + orders + `quota: per must be whole seconds, 1s to 30d`},
		{"a quota in too much time", "token_lifetime: 30m", "quota: {tokens: 600, per: 31d}", `23: ` + orders + `quota: per must be whole seconds, 1s to 30d`},
		{"a quota without a unit of time", "token_lifetime: 30m", `quota: {tokens: 600, per: "60"}`, `23: ` + orders + `quota: per is not a duration such as 1h, 90m or 1d; if it is in seconds, write 60s`},
		{"introspection in words", "token_lifetime: 30m", `introspection: yes`, `23: ` + orders + `introspection must be true or false, without quotes`},
		{"introspection by nobody", "    scopes:\n      - name: billing.read\n", "    introspection: [orders-workr]\n    scopes:\n      - name: billing.read\n", `9: resource "billing-api": introspection names "orders-workr", which no application has as its client_id; did you mean "orders-worker"? known: orders-worker`},
		{"introspection by one twice", "    scopes:\n      - name: billing.read\n", "    introspection: [orders-worker, orders-worker]\n    scopes:\n      - name: billing.read\n", `9: resource "billing-api": introspection has "orders-worker" twice`},
		{"introspection by all", "    scopes:\n      - name: billing.read\n", "    introspection: true\n    scopes:\n      - name: billing.read\n", `9: resource "billing-api": introspection must be a list`},

		// Secrets.
		{"no id", `      - id: "2026-11"` + "\n        hash", "      - hash", `18: ` + orders + `secret 1: id is missing`},
		{"an empty id", `"2026-11"`, `""`, `18: ` + orders + `secret "": id must be 1 to 64 printable characters`},
		{"an id that feeds lines", `"2026-11"`, `"a\nb"`, `18: ` + orders + `secret "a\nb": id must be 1 to 64 printable characters`},
		{"an id that is a secret", `"2026-11"`, generated, `18: ` + orders + `secret 1: id is a secret; an id appears in logs`},
		{"an id twice", "      - id", "      - id: \"2026-11\"\n        hash: " + validHash + "\n      - id", `20: ` + secret11 + `id is already that of the secret in line 18`},
		{"neither hash nor file", "        hash: " + validHash + "\n", "", "18: " + secret11 + "has neither hash nor file; `caddy tokenidp secret` makes a secret with its hash"},
		{"both hash and file", "        expires: 2027-06-30", "        file: secret", `20: ` + secret11 + `has both hash in line 19 and file in line 20; keep one`},
		{"a secret in the place of its path", "hash: " + validHash, "file: " + generated, `19: ` + secret11 + `file must be the path of a file with the secret, not the secret`},
		{"a secret in the place of its hash", validHash, generated, "19: " + secret11 + "hash is not usable: it is a generated secret itself, not the hash of one; make another with `caddy tokenidp secret`, and write the hash that it prints"},
		{"a hash out of bounds", validHash, "$argon2id$v=19$m=1024,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", `19: ` + secret11 + `hash is not usable: argon2id: parameter m is 1024; it must be 7168 to 262144`},
		{"a day that is none", "2027-06-30", "2027-06-31", `20: ` + secret11 + `expires must be a day such as 2027-06-30, at the end of which (UTC) the secret expires, or an instant such as 2027-06-30T12:00:00Z`},
		{"an instant without zone", "2027-06-30", `"2027-06-30T12:00:00"`, `20: ` + secret11 + `expires must be a day such as 2027-06-30, at the end of which (UTC) the secret expires, or an instant such as 2027-06-30T12:00:00Z`},
		{"an instant with a comma", "2027-06-30", `"2027-06-30T12:00:00,5Z"`, `20: ` + secret11 + `expires must be a day such as 2027-06-30, at the end of which (UTC) the secret expires, or an instant such as 2027-06-30T12:00:00Z`},
		{"the zero time, which would be never", "2027-06-30", `0001-01-01T00:00:00Z`, `20: ` + secret11 + `expires must be a day such as 2027-06-30, at the end of which (UTC) the secret expires, or an instant such as 2027-06-30T12:00:00Z`},
		{"never", "2027-06-30", `never`, `20: ` + secret11 + `expires must be a day such as 2027-06-30, at the end of which (UTC) the secret expires, or an instant such as 2027-06-30T12:00:00Z`},
		{"an active application without secrets", valid[strings.Index(valid, "    secrets:"):strings.Index(valid, "    scopes: [")], "", "12: " + orders + "secrets is missing; it could never authenticate: add one, or write `active: false`"},
		{"an active application with no secret", valid[strings.Index(valid, "    secrets:"):strings.Index(valid, "    scopes: [")], "    secrets: []\n", "17: " + orders + "secrets is empty; it could never authenticate: add one, or write `active: false`"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if !strings.Contains(valid, row.old) {
				t.Fatalf("nothing to replace by %q", row.new)
			}
			set, _, failure := loadText(t, strings.Replace(valid, row.old, row.new, 1))
			if want := "a.yaml:" + row.want; failure != want {
				t.Errorf("got:\n%s\nwant:\n%s", failure, want)
			}
			if set != nil {
				t.Error("half a set was loaded")
			}
			if strings.Contains(failure, "hunter2") || strings.Contains(failure, generated) {
				t.Error("the error repeats a secret")
			}
		})
	}
}

func TestDocumentErrors(t *testing.T) {
	const empty = "a.yaml:1: is empty; if there is to be no application, write `applications: []`"
	for _, row := range []struct{ name, text, want string }{
		{"empty", "", empty},
		{"a byte order mark", "\uFEFF", empty},
		{"a comment", "# nothing\n", empty},
		{"a document start", "---\n", empty},
		{"null", "null\n", empty},
		{"an empty mapping", "{}\n", empty},
		{"a list", "- a\n", "a.yaml:1: must be a mapping with the fields resources, applications, tests"},
		{"a string", "hunter2\n", "a.yaml:1: must be a mapping with the fields resources, applications, tests"},
		{"null applications", "applications:\n", "a.yaml:1: applications is null; give it a value or leave it out"},
		{"a second document", "applications: []\n---\napplications: []\n", "a.yaml:2: has a second document; put it into a file of its own"},
		{"an empty second document", "applications: []\n---\n", "a.yaml:2: has a second document; put it into a file of its own"},
		{"text after the end", "applications: []\n...\nhunter2\n", "a.yaml:3: not YAML: did not find expected <document start>"},
		{"a tab", "applications:\n\t- a\n", "a.yaml:2: not YAML: a tab where the indentation should be; indent with spaces, not tabs"},
		{"a tab in the line after an unquoted value", "applications:\n  - client_id: a\n\n\tactive: false\n", "a.yaml:4: not YAML: a tab where the indentation should be; indent with spaces, not tabs"},
		{"a tab right after an unquoted value", "applications:\n  - client_id: a\n\tactive: false\n", "a.yaml:3: not YAML: a tab where the indentation should be; indent with spaces, not tabs"},
		{"a tab after two lines of a value", "applications:\n  - client_id: a\n      b\n  \tactive: false\n", "a.yaml:4: not YAML: a tab where the indentation should be; indent with spaces, not tabs"},
		{"a tab in a text of several lines", "applications:\n  - client_name: |\n\ta\n", "a.yaml:3: not YAML: a tab where the indentation should be; indent with spaces, not tabs"},
		{"a value that begins with @", "applications:\n  - client_id: @a\n", "a.yaml:2: not YAML: found character that cannot start any token; quote what begins with @, % or `"},
		{"half-written", "applications:\n  - client_id: \"hunt", "a.yaml:2: not YAML: found unexpected end of stream"},
		{"an unclosed list", "\napplications: [\n\n", "a.yaml:4: not YAML: did not find expected node content"},
		{"a list closed by the wrong bracket", "\n\napplications: [a}\n", "a.yaml:3: not YAML: did not find expected ',' or ']'"},
		{"indentation", "\napplications:\n  - client_id: a\n    active: false\n   scopes: [a]\n", "a.yaml:5: not YAML: did not find expected '-' indicator in the block that begins in line 3; check the indentation and the quotes of this line"},
		{"indentation, with comments and a whole application behind it", "\napplications:\n  - client_id: a\n    secrets:\n      - id: x\n        hash: y\n     # c\n     expires: z\n# d\n\n# e\n  - client_id: b\n    scopes: [a]\n",
			"a.yaml:8: not YAML: did not find expected key in the block that begins in line 3; check the indentation and the quotes of this line"},
		{"text behind quotes", "applications:\n  - client_id: a\n    client_name: 'it's'\n", "a.yaml:3: not YAML: did not find expected key in the block that begins in line 2; check the indentation and the quotes of this line"},
		{"YAML 1.2 without a document start", "%YAML 1.2\napplications: []\n", "a.yaml:2: not YAML: mapping values are not allowed in this context"},
		{"YAML 1.2 twice", "%YAML 1.2\n%YAML 1.2\n---\napplications: []\n", "a.yaml:2: not YAML: found duplicate %YAML directive; remove this line"},
		{"YAML 1.3", "%YAML 1.3\n---\napplications: []\n", "a.yaml:1: not YAML: found incompatible YAML document; remove this line"},
		{"two colons", "applications: []\nresources: a: b\n", "a.yaml:2: not YAML: mapping values are not allowed in this context"},
		{"invalid UTF-8", "applications:\n  - client_id: a\xff\n", "a.yaml:2: is not valid UTF-8"},
		{"UTF-16", "\xff\xfea\x00:\x00", "a.yaml:1: is not valid UTF-8"},
		{"a NUL", "applications: []\n# \x00\n", "a.yaml:2: has a control character; write it as an escape within double quotes"},
		{"an escape character", "applications: []\n\n# \x1b[2J\n", "a.yaml:3: has a control character; write it as an escape within double quotes"},
		{"a byte order mark within", "applications: []\n# \uFEFF\n", "a.yaml:2: has a control character; write it as an escape within double quotes"},
		{"Markdown", "# Title\n\n* one\n* two\n", "a.yaml:3: not YAML: did not find expected alphabetic or numeric character"},
		{"deep nesting", strings.Repeat("[", 100_000), "a.yaml:1: not YAML: exceeded max depth of 10000"},
		{"deep nesting that is closed", "applications: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "a.yaml:1: application 1: must be a mapping with the fields " + applicationOf},
	} {
		t.Run(row.name, func(t *testing.T) {
			set, _, failure := loadText(t, row.text)
			if failure != row.want {
				t.Errorf("got:\n%s\nwant:\n%s", failure, row.want)
			}
			if set != nil {
				t.Error("half a set was loaded")
			}
		})
	}
}

// TestF08BillionLaughs would build 10^9 strings if aliases were followed.
func TestF08BillionLaughs(t *testing.T) {
	text := "resources:\n  - &a [" + strings.Repeat("lol,", 10) + "]\n"
	want := "a.yaml:2: resource 1: has an anchor (&), which is not accepted; write the value out where it is needed\n"
	for i := range 8 {
		text += fmt.Sprintf("  - &%c [%s]\n", 'b'+i, strings.Repeat(fmt.Sprintf("*%c,", 'a'+i), 10))
		want += fmt.Sprintf("a.yaml:%d: resource %d: has an anchor (&), which is not accepted; write the value out where it is needed\n", i+3, i+2)
	}
	text += "applications: *i\n"
	want += "a.yaml:11: applications is an alias (*), which is not accepted; write the value out"
	if _, _, failure := loadText(t, text); failure != want {
		t.Errorf("got:\n%s\nwant:\n%s", failure, want)
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		valid, grantFile, team("a"), "", "---\n", "applications: []", "applications: [{}]", "resources: [{}]\napplications: {}",
		"a: &a [*a]", "applications: &a [*a]", "<<: {a: b}", "applications:\n - <<: *x\n", "? [a]\n: b", "\uFEFFapplications: []",
		"applications: !!set {a}\n", "applications:\n  - client_id: 0123\n    secrets: [{file: /dev/zero, id: a}]\n",
		"%YAML 1.1\n---\napplications: []", "%TAG ! tag:x,2026:\n---\n!a b", "applications: []\n---\n", strings.Repeat("[", 200),
		"# a\n\n# b\napplications:\n  # c\n  - client_id: a # d\n# e\n", "applications: |\n  a\n b\n", "\xff\xfe",
	} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := Union([]Part{{Document: Read(filepath.Join(dir, "a.yaml"), data, Options{Now: func() time.Time { return noon }})}})
		if (set == nil) == (err == nil) {
			t.Fatalf("%v and %v", set, err)
		}
		if err != nil {
			if n := strings.Count(err.Error(), "\n"); n > strictyaml.MaxReported {
				t.Errorf("%d lines of errors", n)
			}
			return
		}
		for _, a := range set.Applications() {
			if found, ok := set.Application(a.ClientID); !ok || found != a {
				t.Errorf("%q is not found", a.ClientID)
			}
			if a.Active && (a.BySecret() == (len(a.Secrets) == 0) || len(a.Scopes) == 0) {
				t.Errorf("%q is of no use", a.ClientID)
			}
			for _, scope := range a.Scopes {
				if _, err := set.Grant(a, scope, nil, time.Hour); err != nil {
					t.Errorf("%q may not have %q: %v", a.ClientID, scope, err)
				}
			}
			if _, err := set.Grant(a, "", nil, time.Hour); (err == nil) != (len(a.DefaultScopes) > 0) {
				t.Errorf("%q and its default %q: %v", a.ClientID, a.DefaultScopes, err)
			}
		}
	})
}
