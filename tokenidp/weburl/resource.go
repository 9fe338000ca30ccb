package weburl

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// ParseResource parses the identifier of a protected resource (RFC 9728 section 1.2):
// https, or http on the loopback interface, without a fragment. Stricter than the RFC,
// it has no query, no user, and no slash at the end of a path. An error names the
// resource.
func ParseResource(identifier string) (*url.URL, error) {
	u, err := url.Parse(identifier)
	switch {
	case err != nil || !isWeb(u) || u.User != nil:
		return nil, fmt.Errorf("resource %q must be an https URL, such as https://api.example.com", identifier)
	case !IsProtected(u):
		return nil, fmt.Errorf("resource %q must be https", identifier)
	case strings.ContainsAny(identifier, "?#"):
		return nil, fmt.Errorf("resource %q must have no query and no fragment", identifier)
	case strings.HasSuffix(identifier, "/") && u.Path != "/":
		return nil, fmt.Errorf("resource %q must not end in a slash; write %s", identifier, strings.TrimRight(identifier, "/"))
	case u.String() != identifier || u.RawPath != "":
		return nil, errors.New("a resource must be written in its plain form, with no encoded path")
	}
	return u, nil
}

// CheckIndicator returns an error if the text is no resource indicator: an absolute URI
// without a fragment (RFC 8707 section 2). Its text continues a sentence that begins
// with the indicator.
func CheckIndicator(indicator string) error {
	u, err := url.Parse(indicator)
	switch {
	case err != nil || !u.IsAbs() || !ascii.Visible(indicator):
		return errors.New("must be an absolute URI, such as https://api.example.com/orders")
	case strings.Contains(indicator, "#"):
		return errors.New("must have no fragment (RFC 8707 section 2)")
	case u.Host == "" && (u.Scheme == "http" || u.Scheme == "https"):
		return errors.New("has no host")
	}
	return nil
}
