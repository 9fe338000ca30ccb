package verifier

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/dpop"
)

// wellKnownResource is where a resource's metadata are, between its host and its
// path (RFC 9728 section 3).
const wellKnownResource = "/.well-known/oauth-protected-resource"

// Resource is a protected resource that says who issues tokens for it (RFC 9728).
type Resource struct {
	// Identifier is what clients compare with byte for byte.
	Identifier string
	// MetadataURL is where its metadata are.
	MetadataURL string
	// MetadataPath is the path of that URL.
	MetadataPath string
}

// NewResource checks a resource identifier (RFC 9728 section 1.2): an https URL,
// or one of http on the loopback interface, without a fragment; and, own, without
// a query, a user, or a slash at its end.
func NewResource(identifier string) (*Resource, error) {
	u, err := url.Parse(identifier)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("resource %q must be an https URL, such as https://api.example.com", identifier)
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return nil, fmt.Errorf("resource %q must be https", identifier)
	case strings.ContainsAny(identifier, "?#"):
		return nil, fmt.Errorf("resource %q must have no query and no fragment", identifier)
	case strings.HasSuffix(identifier, "/"):
		return nil, fmt.Errorf("resource %q must not end in a slash; write %s", identifier, strings.TrimRight(identifier, "/"))
	case u.String() != identifier || u.RawPath != "":
		return nil, errors.New("a resource must be written in its plain form, with no encoded path")
	}
	at := url.URL{Scheme: u.Scheme, Host: u.Host, Path: wellKnownResource + u.Path}
	return &Resource{Identifier: identifier, MetadataURL: at.String(), MetadataPath: at.Path}, nil
}

// ResourceRules are what the routes of a resource ask of its tokens, all together.
type ResourceRules struct {
	Issuers, Scopes []string // whose tokens are accepted, and what some route asks for
	DPoP            bool     // some route can check a proof
	DPoPRequired    bool     // every route asks for one
	MTLS            bool     // some route asks for a token that is bound to a certificate, or takes one instead
}

// Metadata is the metadata document (RFC 9728 section 2).
func (r *Resource) Metadata(rules ResourceRules) ([]byte, error) {
	document := struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers,omitempty"`
		Scopes               []string `json:"scopes_supported,omitempty"`
		BearerMethods        []string `json:"bearer_methods_supported"`
		CertificateBound     bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
		DPoPAlgorithms       []string `json:"dpop_signing_alg_values_supported,omitempty"`
		DPoPRequired         bool     `json:"dpop_bound_access_tokens_required,omitempty"`
	}{r.Identifier, rules.Issuers, rules.Scopes, []string{"header"}, rules.MTLS, nil, rules.DPoPRequired}
	if rules.DPoP {
		document.DPoPAlgorithms = dpop.Algorithms
	}
	return json.Marshal(document)
}
