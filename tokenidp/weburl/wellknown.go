package weburl

import (
	"net/url"
	"strings"
)

// The well-known places of metadata.
const (
	// AuthorizationServer is between host and path of an issuer (RFC 8414 section 3).
	AuthorizationServer = "/.well-known/oauth-authorization-server"
	// OpenIDConfiguration is after the path of an issuer (OpenID Connect Discovery
	// section 4).
	OpenIDConfiguration = "/.well-known/openid-configuration"
	// ProtectedResource is between host and path of a resource (RFC 9728 section 3).
	ProtectedResource = "/.well-known/oauth-protected-resource"
)

// MetadataLocations returns the URLs at which an issuer may have its metadata, in the
// order in which to try them. A slash at the end of its path is dropped.
func MetadataLocations(issuer *url.URL) []string {
	host := issuer.Scheme + "://" + issuer.Host
	path := strings.TrimSuffix(issuer.EscapedPath(), "/")
	return []string{
		host + AuthorizationServer + path,
		host + path + OpenIDConfiguration,
	}
}
