// Package weburl has the rules about URLs: what an issuer, a resource, an origin or an
// endpoint must be, where metadata are, and which URLs are the same.
package weburl

import "strings"

// WithPath returns an http or https URL with a path: an empty one becomes "/", which is
// the same (RFC 3986 section 6.2.3). URLs in both spellings are equal after that, and
// nothing else is changed. Some clients add the slash, as `new URL(…).href` does.
//
// It is for finding what was named. An `iss` and an `aud` are compared as they are.
func WithPath(url string) string {
	scheme, rest, found := strings.Cut(url, "://")
	if !found || scheme != "https" && scheme != "http" {
		return url
	}
	end := strings.IndexAny(rest, "/?#")
	switch {
	case end < 0:
		return url + "/"
	case rest[end] == '/':
		return url
	}
	return scheme + "://" + rest[:end] + "/" + rest[end:]
}
