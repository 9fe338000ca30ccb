package dpop

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// URL is the target of a request without query and fragment, in the one spelling in
// which two of them can be compared: RFC 3986 section 6.2.2, but for dot segments,
// which servers understand differently, and section 6.2.3.
type URL string

var errURL = errors.New("not an http or https URL in ASCII, without user information")

// NewURL brings a URL into that form.
func NewURL(s string) (URL, error) {
	if !ascii.Visible(s) {
		return "", errURL
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Opaque != "" {
		return "", errURL
	}
	// The parser has decoded the host, of which no encoding is another spelling here.
	if !ascii.Visible(u.Host) || strings.Contains(u.Host, "%") {
		return "", errURL
	}
	return URL(u.Scheme + "://" + plainHost(u) + plainPath(u.EscapedPath())), nil
}

// Origin is the beginning of URLs: scheme, host and port.
type Origin string

// NewOrigin takes the origin of a URL that has no path, query or fragment.
func NewOrigin(s string) (Origin, error) {
	u, err := NewURL(s)
	origin, empty := strings.CutSuffix(string(u), "/")
	if err != nil || !empty || strings.Count(origin, "/") != 2 || strings.ContainsAny(s, "?#") || strings.HasSuffix(s, "/") {
		return "", errors.New("not an origin")
	}
	return Origin(origin), nil
}

// At is the URL of a path, as it was sent, at the origin.
func (o Origin) At(escapedPath string) URL { return URL(string(o) + plainPath(escapedPath)) }

func (u URL) among(all []URL) bool { return slices.Contains(all, u) }

// plainHost is in lower case, without the port that the scheme has anyway.
func plainHost(u *url.URL) string {
	host := strings.ToLower(u.Host) // ASCII
	if port := u.Port(); port == "" || port == map[string]string{"https": "443", "http": "80"}[u.Scheme] {
		host = strings.TrimSuffix(strings.TrimSuffix(host, port), ":")
	}
	return host
}

// plainPath has percent-encodings in upper case, and none of characters that need
// none. The empty path is the root's.
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

// isUnreserved: RFC 3986 section 2.3.
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
