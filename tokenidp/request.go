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
func clientIP(r *http.Request) netip.Addr { return clientIPIn(variables(r)) }

func clientIPIn(variables map[string]any) netip.Addr {
	text, _ := variables[caddyhttp.ClientIPVarKey].(string)
	addr, _ := netip.ParseAddr(text)
	return addr
}

// variables returns the variables of the request, which handlers share.
func variables(r *http.Request) map[string]any {
	all, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	return all
}
