package weburl

import (
	"errors"
	"net/url"
	"strings"
)

// The mistakes in a URL that [ParseEndpoint] finds. Each text continues a sentence that
// begins with the URL.
var (
	ErrNoHost         = errors.New("is not a URL with a host")
	ErrUserOrFragment = errors.New("must have no user and no fragment")
	ErrQuery          = errors.New("must have no query (RFC 8414 section 2)")
)

// MaxLength is the length in bytes of the longest URL from others that is used.
const MaxLength = 2048

// ParseEndpoint parses a URL to which requests are sent. The caller decides about its
// scheme, with [IsProtected]. It returns [ErrNoHost] or [ErrUserOrFragment].
func ParseEndpoint(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return nil, ErrNoHost
	case u.User != nil || strings.Contains(raw, "#"):
		return nil, ErrUserOrFragment
	}
	return u, nil
}

// ParseForeignIssuer parses the identifier of an issuer elsewhere, which is spelled as
// that issuer does. It returns the errors of [ParseEndpoint], or [ErrQuery].
func ParseForeignIssuer(issuer string) (*url.URL, error) {
	u, err := ParseEndpoint(issuer)
	if err == nil && strings.Contains(issuer, "?") {
		return nil, ErrQuery
	}
	return u, err
}

// Display returns the URL without user, query and fragment, which may have secrets.
func Display(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(not a URL)"
	}
	return WithoutQuery(u)
}

// WithoutQuery returns the URL without user, query and fragment.
func WithoutQuery(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, Opaque: u.Opaque}
	return shown.String()
}
