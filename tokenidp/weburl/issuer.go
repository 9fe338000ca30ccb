package weburl

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// ParseIssuer parses the identifier of an issuer of this server (RFC 8414 section 2):
// https, or http on the loopback interface, without query and fragment. Clients compare
// it byte by byte, so only the one spelling in which a URL is written out is accepted.
// An error names the issuer and says what to write.
func ParseIssuer(issuer string) (*url.URL, error) {
	u, err := url.Parse(issuer)
	switch {
	case issuer == "":
		return nil, fmt.Errorf("an issuer needs a URL, such as https://idp.example.com")
	case err != nil:
		return nil, fmt.Errorf("issuer %q is not a URL: %w", issuer, err)
	case !isWeb(u), u.User != nil, strings.Contains(u.Host, "*"), !validPort(u):
		return nil, fmt.Errorf("issuer %q must be an https URL, such as https://idp.example.com", issuer)
	case strings.ContainsAny(issuer, "?#"):
		return nil, fmt.Errorf("issuer %q must have no query and no fragment (RFC 8414 section 2)", issuer)
	case strings.HasSuffix(u.Path, "/"):
		return nil, fmt.Errorf("issuer %q must not end in a slash; write %s", issuer, strings.TrimRight(issuer, "/"))
	case !IsProtected(u):
		return nil, fmt.Errorf("issuer %q must be https, because secrets and tokens travel to it; write https://%s", issuer, u.Host+u.Path)
	case u.String() != issuer, u.Host != strings.ToLower(u.Host), u.Path != "" && u.Path != path.Clean(u.Path), u.RawPath != "":
		return nil, fmt.Errorf("issuer %q must be written in its plain form: lower-case host, no encoded or dotted path", issuer)
	}
	return u, nil
}

// isWeb reports whether a URL is http or https, with a host.
func isWeb(u *url.URL) bool {
	return (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != ""
}

func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0
}
