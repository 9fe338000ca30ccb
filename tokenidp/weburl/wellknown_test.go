package weburl

import (
	"net/url"
	"slices"
	"testing"
)

// RFC 8414 section 3.1 puts the name between host and path; OpenID Connect
// Discovery section 4 behind the path. Both drop a slash at the end.
func TestMetadataLocations(t *testing.T) {
	for issuer, want := range map[string][2]string{
		"https://token.actions.githubusercontent.com": {
			"https://token.actions.githubusercontent.com" + AuthorizationServer,
			"https://token.actions.githubusercontent.com" + OpenIDConfiguration,
		},
		"https://tenant.eu.auth0.com/": {
			"https://tenant.eu.auth0.com" + AuthorizationServer,
			"https://tenant.eu.auth0.com" + OpenIDConfiguration,
		},
		"https://keycloak.example:8443/realms/a%20b": {
			"https://keycloak.example:8443" + AuthorizationServer + "/realms/a%20b",
			"https://keycloak.example:8443/realms/a%20b" + OpenIDConfiguration,
		},
		"https://login.microsoftonline.com/tenant/v2.0": {
			"https://login.microsoftonline.com" + AuthorizationServer + "/tenant/v2.0",
			"https://login.microsoftonline.com/tenant/v2.0" + OpenIDConfiguration,
		},
	} {
		u, err := url.Parse(issuer)
		if err != nil {
			t.Fatal(err)
		}
		if got := MetadataLocations(u); !slices.Equal(got, want[:]) {
			t.Errorf("%s: %q", issuer, got)
		}
	}
}
