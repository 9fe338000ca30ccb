package tokenidp

import (
	"net/http"
	"net/netip"
	"net/url"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// originalPath returns the path as the client sent it, before any rewrite.
func originalPath(r *http.Request) string {
	return originalURL(r).Path
}

func originalURL(r *http.Request) *url.URL {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return original.URL
	}
	return r.URL
}

// originalMethod returns the method as the client sent it.
func originalMethod(r *http.Request) string {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return original.Method
	}
	return r.Method
}

// clientIP returns the address of the client, as Caddy has determined it with the server's
// trusted_proxies, or the zero address.
func clientIP(r *http.Request) netip.Addr {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	addr, _ := netip.ParseAddr(text)
	return addr
}
