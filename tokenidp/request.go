package tokenidp

import (
	"net/http"
	"net/netip"
	"net/url"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// originalPath returns the path as the client sent it, before any rewrite.
func originalPath(r *http.Request) string {
	_, sent := original(r)
	return sent.Path
}

// original returns the method and the URL as the client sent them.
func original(r *http.Request) (method string, u *url.URL) {
	if sent, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return sent.Method, sent.URL
	}
	return r.Method, r.URL
}

// clientIP returns the address of the client, as Caddy has determined it with the server's
// trusted_proxies, or the zero address.
func clientIP(r *http.Request) netip.Addr {
	addr, _ := netip.ParseAddr(clientIPIn(variables(r)))
	return addr
}

func clientIPIn(variables map[string]any) string {
	text, _ := variables[caddyhttp.ClientIPVarKey].(string)
	return text
}

// variables returns the variables of the request, which handlers share. To find them in the
// context takes as long as a hash: do it once for each request.
func variables(r *http.Request) map[string]any {
	all, ok := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	if !ok {
		all = make(map[string]any) // not a request of Caddy
	}
	return all
}
