package verifier

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/dpop"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// Resource is a protected resource with metadata (RFC 9728).
type Resource struct {
	// Identifier is its URL. Clients compare it byte for byte.
	Identifier string
	// MetadataURL is the URL of its metadata.
	MetadataURL string
	// MetadataPath is the path of that URL.
	MetadataPath string
}

// NewResource returns the resource with this identifier (RFC 9728 section 1.2). It
// returns the errors of [weburl.ParseResource].
func NewResource(identifier string) (*Resource, error) {
	u, err := weburl.ParseResource(identifier)
	if err != nil {
		return nil, err
	}
	at := url.URL{Scheme: u.Scheme, Host: u.Host, Path: weburl.ProtectedResource + strings.TrimSuffix(u.Path, "/")}
	return &Resource{Identifier: identifier, MetadataURL: at.String(), MetadataPath: at.Path}, nil
}

// Is reports whether the audience is this resource. It ignores the slash of an empty path.
// It does not decide about a token: [Requirement] does.
func (r *Resource) Is(audience string) bool {
	return weburl.WithPath(audience) == weburl.WithPath(r.Identifier)
}

// AudienceOf returns the audience with which a requirement accepts tokens for the resource,
// and false if it accepts none.
func (r *Resource) AudienceOf(required *Requirement) (audience string, found bool) {
	if required == nil {
		return "", false
	}
	for _, accepted := range required.AcceptedAudiences() {
		if r.Is(accepted) {
			return accepted, true
		}
	}
	return "", false
}

// Covers returns how many bytes of the path of a request to the host the resource's own
// path covers, segment by segment, and -1 if the request is not below it. If several
// resources cover the path, the client means the one with the most bytes. It ignores case,
// like Caddy's matchers. It does not decide about the request.
func (r *Resource) Covers(host, path string) int {
	_, rest, _ := strings.Cut(r.MetadataURL, "://")
	own := strings.TrimPrefix(r.MetadataPath, weburl.ProtectedResource)
	authority := rest[:strings.IndexByte(rest, '/')]
	if !strings.EqualFold(authority, host) || len(path) < len(own) || !strings.EqualFold(path[:len(own)], own) {
		return -1
	}
	if len(path) > len(own) && path[len(own)] != '/' {
		return -1
	}
	return len(own)
}

// ResourceRules are the requirements of all routes of a resource for its tokens.
type ResourceRules struct {
	Issuers, Scopes []string // whose tokens are accepted, and the scopes that a route requires
	DPoP            bool     // some route can check a proof
	DPoPRequired    bool     // every route requires a proof
	MTLS            bool     // a route requires or accepts a token that is bound to a certificate
}

// Metadata returns the metadata document (RFC 9728 section 2).
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
