package weburl

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// Target is the http or https URL of a request without query and fragment. It is
// normalized (RFC 3986 sections 6.2.2 and 6.2.3), so two targets can be compared. Dot
// segments stay, because servers differ in how they read them.
type Target string

var errTarget = errors.New("not an http or https URL in ASCII, without user information")

// ParseTarget normalizes a URL. It returns an error if that is not an http or https URL
// in ASCII, or if it has a user.
func ParseTarget(s string) (Target, error) {
	if !ascii.Visible(s) {
		return "", errTarget
	}
	u, err := url.Parse(s)
	if err != nil || !isWeb(u) || u.User != nil || u.Opaque != "" {
		return "", errTarget
	}
	// The parser has decoded the host. An encoded host is not accepted as a spelling.
	if !ascii.Visible(u.Host) || strings.Contains(u.Host, "%") {
		return "", errTarget
	}
	return Target(u.Scheme + "://" + plainHost(u) + plainPath(u.EscapedPath())), nil
}

// Origin is the normalized beginning of URLs: scheme, host and port.
type Origin string

// ParseOrigin normalizes an origin. It returns an error if the text has a path, a query
// or a fragment, or is no target.
func ParseOrigin(s string) (Origin, error) {
	u, err := ParseTarget(s)
	origin, empty := strings.CutSuffix(string(u), "/")
	if err != nil || !empty || strings.Count(origin, "/") != 2 || strings.ContainsAny(s, "?#") || strings.HasSuffix(s, "/") {
		return "", errors.New("not an origin")
	}
	return Origin(origin), nil
}

// At returns the target of a path at the origin. The path is encoded, as it was sent.
func (o Origin) At(escapedPath string) Target { return Target(string(o) + plainPath(escapedPath)) }

// CheckBrowserOrigin returns an error if the text is not an origin as browsers write it,
// in the header Origin. All origins are "*".
func CheckBrowserOrigin(origin string) error {
	if origin == "*" {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin {
		return fmt.Errorf("%q is not an origin; write it as https://tools.example.com", origin)
	}
	return nil
}

// plainHost returns the host in lower case, without the default port of the scheme.
func plainHost(u *url.URL) string {
	host := strings.ToLower(u.Host) // ASCII
	if port := u.Port(); port == "" || port == map[string]string{"https": "443", "http": "80"}[u.Scheme] {
		host = strings.TrimSuffix(strings.TrimSuffix(host, port), ":")
	}
	return host
}

// plainPath returns the path with percent-encodings in upper case, and decodes those of
// unreserved characters. The empty path becomes "/".
func plainPath(escaped string) string {
	if escaped == "" {
		return "/"
	}
	if !strings.Contains(escaped, "%") {
		return escaped
	}
	var b strings.Builder
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '%' || i+2 >= len(escaped) {
			b.WriteByte(escaped[i])
			continue
		}
		encoded := escaped[i : i+3]
		i += 2
		if c, err := url.PathUnescape(encoded); err == nil && len(c) == 1 && isUnreserved(c[0]) {
			b.WriteString(c)
		} else {
			b.WriteString(strings.ToUpper(encoded))
		}
	}
	return b.String()
}

// isUnreserved reports whether a character needs no encoding (RFC 3986 section 2.3).
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
