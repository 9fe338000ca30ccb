package application

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// everyField has each field that a file can have.
const everyField = `
resources:
  - name: orders-api
    introspection: [gateway]
    scopes: [{name: orders.read, description: "Read \"orders\" ✓"}, {name: orders.write}]

  - name: billing-api
    resource: https://billing.example.com
    scopes: [{name: billing.read}]
tests:
  - client_id: "7"

    allow: [GET https://api.example.com/orders]
    deny:
      - POST https://api.example.com/orders
      - "* https://api.example.com/billing"
  - anonymous: true
    deny: [GET https://api.example.com/orders]
  - token: {iss: https://login.example.com, scope: orders.read, level: 3, groups: [a, "b"]}
    allow: [GET https://api.example.com/orders]
applications:
  - client_id: "7"
    client_name: "Seven: \\ and \"quotes\""
    scopes: [orders.read, orders.write, billing.read]
    default_scopes: [orders.read]
    token_lifetime: 90m
    quota: {tokens: 600, per: 1d}
    secrets:
      - {id: a, hash: HASH, expires: 2027-06-30}
      - {id: b, hash: HASH2, expires: 2027-06-30T12:00:00.5+02:00}
    claims: {z: [1, 1.5, -3, "1e3"], a: {c: true, "d\u0085\U0001F468\u200d": "\ttab <&>"}, text: "yes"}

  - client_id: retired
    active: false
  - client_id: gateway
    introspection: true
    tls_client_auth_subject_dn: CN=gateway,O=Example
    tls_client_certificate_bound_access_tokens: true
  - client_id: uri
    tls_client_auth_san_uri: spiffe://example.com/orders
    scopes: [orders.read]
  - client_id: published
    jwks_uri: https://worker.example.com/jwks.json
    token_endpoint_auth_signing_alg: ES256
    scopes: [orders.read]
    dpop_bound_access_tokens: true
  - client_id: keys
    jwks: {keys: [ECKEY]}
    scopes: [orders.read]
  - client_id: federated
    scopes: [orders.read]
    federated:
      - {issuer: https://token.example.com, subject: "repo:x"}
      - {issuer: https://token.example.com, audience: here, subject_pattern: "repo:shop/*", claims: {/a~1b/c: [x, "y"], "dots.in": z}, claims_pattern: {/env/name: "prod:*"}}
`

// A rendering reads as the same Set, except for secrets.
func TestRenderRoundTrip(t *testing.T) {
	text := strings.NewReplacer("ECKEY", ecJWK, "HASH2", strings.ReplaceAll(validHash, "0a", "1b"), "HASH", validHash).Replace(everyField)
	set, err := Union([]Part{{Document: Read("/etc/apps.yaml", []byte(text), Options{})}})
	if err != nil {
		t.Fatal(err)
	}
	for _, most := range []int{1, 3, 1000} {
		renderings := set.Render(most)
		for _, r := range renderings {
			if strings.Contains(r.Content, validHash) || strings.Contains(r.Content, "$") {
				t.Errorf("it has a hash: %s", r.Content)
			}
		}
		read, err := ReadRendered(renderings)
		if err != nil {
			t.Fatalf("%v\n%s", err, renderings[0].Content)
		}
		if got, want := described(t, read), described(t, set); got != want {
			t.Errorf("%d at a time:\n%s\nwant\n%s", most, got, want)
		}
	}
}

// described has everything of a set except secrets.
func described(t *testing.T, s *Set) string {
	t.Helper()
	var b strings.Builder
	write := func(v any) {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(text, '\n'))
	}
	for _, r := range s.Resources() {
		write(r)
	}
	for _, a := range s.Applications() {
		plain := *a
		plain.Secrets, plain.Federated = nil, nil
		for _, f := range a.Federated {
			without := *f
			without.Source = "" // it is in the line of the Application
			plain.Federated = append(plain.Federated, &without)
		}
		write(plain)
		for _, s := range a.Secrets {
			write([]any{s.ID, s.Expires})
		}
		for _, f := range a.Federated {
			b.WriteString(f.String())
		}
		if a.Certificate != nil {
			b.WriteString(a.Certificate.String())
		}
	}
	tests, err := s.Tests()
	write(tests)
	write(err)
	return b.String()
}

// A rendering has every field of an Application.
func TestRenderHasEveryField(t *testing.T) {
	form, rendered := reflect.TypeFor[applicationForm](), make(map[string]bool)
	for i := range form.NumField() {
		name, _, _ := strings.Cut(form.Field(i).Tag.Get("json"), ",")
		rendered[name] = true
	}
	for _, field := range applicationObject.Fields {
		if !rendered[field.Name] && field.Name != "jwks_file" { // which is rendered as jwks
			t.Errorf("%s is not rendered", field.Name)
		}
	}
}

// A mistake in tests stays a mistake.
func TestRenderKeepsMistakesInTests(t *testing.T) {
	set, err := Union([]Part{{Document: Read("apps.yaml", []byte("applications: []\ntests: [{anonymous: true}]\n"), Options{})}})
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadRendered(set.Render(10))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read.Tests(); err == nil || !strings.Contains(err.Error(), "has neither allow nor deny") {
		t.Error(err)
	}
}
