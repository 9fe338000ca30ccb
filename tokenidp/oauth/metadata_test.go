package oauth

import (
	"net/url"
	"strings"
	"testing"
)

// RFC 8414 sections 2 and 3.
func TestMetadataIsExact(t *testing.T) {
	const methods = `["private_key_jwt","tls_client_auth","self_signed_tls_client_auth","client_secret_basic","client_secret_post"]`
	const algorithms = `["RS256","RS384","RS512","PS256","PS384","PS512","ES256","ES384","ES512","EdDSA","Ed25519"]`
	const rest = `"authorization_endpoint":"%[1]s/authorize","response_types_supported":["code"],"code_challenge_methods_supported":["S256"],"grant_types_supported":["client_credentials"],` +
		`"token_endpoint_auth_methods_supported":` + methods + `,"token_endpoint_auth_signing_alg_values_supported":` + algorithms +
		`,"revocation_endpoint":"%[1]s/revoke","revocation_endpoint_auth_methods_supported":` + methods +
		`,"revocation_endpoint_auth_signing_alg_values_supported":` + algorithms +
		`,"introspection_endpoint":"%[1]s/introspect","introspection_endpoint_auth_methods_supported":` + methods +
		`,"introspection_endpoint_auth_signing_alg_values_supported":` + algorithms + `,"introspection_signing_alg_values_supported":["RS256"],` +
		`"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"],` +
		`"dpop_signing_alg_values_supported":["ES256","EdDSA","Ed25519","ES384","ES512","PS256","PS384","PS512","RS256","RS384","RS512"],"tls_client_certificate_bound_access_tokens":true}`
	for _, row := range []struct {
		name, issuer string
		scopes       []string
		want         string
	}{
		{"host", "https://idp.example.com", []string{"orders.read", "orders.write"},
			`{"issuer":"https://idp.example.com","token_endpoint":"https://idp.example.com/token",` +
				`"jwks_uri":"https://idp.example.com/.well-known/jwks.json","scopes_supported":["orders.read","orders.write"],` + rest},
		{"host and port, no scopes", "http://localhost:8080", nil,
			`{"issuer":"http://localhost:8080","token_endpoint":"http://localhost:8080/token",` +
				`"jwks_uri":"http://localhost:8080/.well-known/jwks.json",` + rest},
		{"path", "https://example.com/idp/one", nil,
			`{"issuer":"https://example.com/idp/one","token_endpoint":"https://example.com/idp/one/token",` +
				`"jwks_uri":"https://example.com/idp/one/.well-known/jwks.json",` + rest},
		{"encoded path", "https://example.com/a%20b", nil,
			`{"issuer":"https://example.com/a%20b","token_endpoint":"https://example.com/a%20b/token",` +
				`"jwks_uri":"https://example.com/a%20b/.well-known/jwks.json",` + rest},
		{"IPv6", "http://[::1]:8080", nil,
			`{"issuer":"http://[::1]:8080","token_endpoint":"http://[::1]:8080/token",` +
				`"jwks_uri":"http://[::1]:8080/.well-known/jwks.json",` + rest},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := Metadata(must(url.Parse(row.issuer)), row.scopes, []string{"RS256"})
			if want := strings.ReplaceAll(row.want, "%[1]s", row.issuer); err != nil || string(got) != want {
				t.Errorf("got %s, %v\nwant %s", got, err, want)
			}
		})
	}
}

// RFC 8414 section 3.1, OpenID Connect Discovery 1.0 section 4.
func TestEndpoints(t *testing.T) {
	for issuer, want := range map[string]Endpoints{
		"https://idp.example.com": {
			"/token", "/authorize", "/introspect", "/revoke", "/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration",
		},
		"https://example.com/idp/one": {
			"/idp/one/token", "/idp/one/authorize", "/idp/one/introspect", "/idp/one/revoke", "/idp/one/.well-known/jwks.json",
			"/.well-known/oauth-authorization-server/idp/one", "/idp/one/.well-known/openid-configuration",
		},
		"https://example.com/a%20b": { // paths as net/http has them, decoded
			"/a b/token", "/a b/authorize", "/a b/introspect", "/a b/revoke", "/a b/.well-known/jwks.json", "/.well-known/oauth-authorization-server/a b", "/a b/.well-known/openid-configuration",
		},
	} {
		if got := NewEndpoints(must(url.Parse(issuer))); got != want {
			t.Errorf("%s: %+v", issuer, got)
		}
	}
}
