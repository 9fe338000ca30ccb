package oauth

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/dpop"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// Endpoints are the paths of an issuer's endpoints. For an issuer with a path they are
// below it, except the metadata: RFC 8414 section 3.1 inserts its path between host and
// path.
type Endpoints struct {
	Token                       string
	Authorization               string
	Introspection               string
	Revocation                  string
	JWKS                        string
	AuthorizationServerMetadata string
	OpenIDConfiguration         string
}

// NewEndpoints returns the endpoints of an issuer. Its URL must not end with a slash.
func NewEndpoints(issuer *url.URL) Endpoints {
	base := strings.TrimSuffix(issuer.Path, "/")
	return Endpoints{
		Token:                       base + "/token",
		Authorization:               base + "/authorize",
		Introspection:               base + "/introspect",
		Revocation:                  base + "/revoke",
		JWKS:                        base + "/.well-known/jwks.json",
		AuthorizationServerMetadata: weburl.AuthorizationServer + base,
		OpenIDConfiguration:         base + weburl.OpenIDConfiguration,
	}
}

// Metadata is the authorization server's metadata (RFC 8414 section 2), served at both
// well-known paths. It is about the configured issuer, and never uses the Host of a
// request.
func Metadata(issuer *url.URL, scopes, signingAlgorithms []string) ([]byte, error) {
	endpoints := NewEndpoints(issuer)
	at := func(path string) string {
		return (&url.URL{Scheme: issuer.Scheme, Host: issuer.Host, Path: path}).String()
	}
	return json.Marshal(struct {
		Issuer        string   `json:"issuer"`
		TokenEndpoint string   `json:"token_endpoint"`
		JWKSURI       string   `json:"jwks_uri"`
		Scopes        []string `json:"scopes_supported,omitempty"`

		AuthorizationEndpoint string   `json:"authorization_endpoint"`
		ResponseTypes         []string `json:"response_types_supported"`
		CodeChallengeMethods  []string `json:"code_challenge_methods_supported"`

		GrantTypes     []string `json:"grant_types_supported"`
		AuthMethods    []Method `json:"token_endpoint_auth_methods_supported"`
		AuthAlgorithms []string `json:"token_endpoint_auth_signing_alg_values_supported"`

		RevocationEndpoint      string   `json:"revocation_endpoint"`
		RevocationMethods       []Method `json:"revocation_endpoint_auth_methods_supported"`
		RevocationAlgorithms    []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
		IntrospectionEndpoint   string   `json:"introspection_endpoint"`
		IntrospectionMethods    []Method `json:"introspection_endpoint_auth_methods_supported"`
		IntrospectionAlgorithms []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
		IntrospectionSigning    []string `json:"introspection_signing_alg_values_supported"` // RFC 9701 section 7

		SubjectTypes     []string `json:"subject_types_supported"`
		IDTokenSigning   []string `json:"id_token_signing_alg_values_supported"`
		DPoPSigning      []string `json:"dpop_signing_alg_values_supported"`
		CertificateBound bool     `json:"tls_client_certificate_bound_access_tokens"`
	}{
		Issuer:        issuer.String(),
		TokenEndpoint: at(endpoints.Token),
		JWKSURI:       at(endpoints.JWKS),
		Scopes:        scopes,

		// OpenID Connect Discovery section 3 requires the first two, and MCP clients
		// refuse metadata without them, also for client credentials. grant_types_supported
		// and the endpoint itself say that no client gets a code.
		AuthorizationEndpoint: at(endpoints.Authorization),
		ResponseTypes:         []string{"code"},
		CodeChallengeMethods:  []string{"S256"},

		GrantTypes:  []string{ClientCredentials},
		AuthMethods: Methods,
		// For assertions (RFC 8414 section 2): without none and symmetric algorithms.
		AuthAlgorithms: jws.Names,

		RevocationEndpoint:      at(endpoints.Revocation),
		RevocationMethods:       Methods, // clients authenticate in one way, wherever they do
		RevocationAlgorithms:    jws.Names,
		IntrospectionEndpoint:   at(endpoints.Introspection),
		IntrospectionMethods:    Methods,
		IntrospectionAlgorithms: jws.Names,
		IntrospectionSigning:    signingAlgorithms,

		// No ID token is issued. OpenID clients refuse metadata without these two, and
		// read the algorithms of access tokens there.
		SubjectTypes:     []string{"public"},
		IDTokenSigning:   signingAlgorithms,
		DPoPSigning:      dpop.Algorithms, // RFC 9449 section 5.1
		CertificateBound: true,            // for Applications that ask for it (RFC 8705 section 3.3)
	})
}
