package caddyfile

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// parseAuthorizationServer sets up the endpoints of an issuer. Syntax:
//
//	tokenidp [<issuer-url>]
//
// It takes no matcher: it answers only at the issuer's own paths, as the client
// sent them. The issuer must be named only where several are configured.
func parseAuthorizationServer(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next() // consume directive name
	handler := &tokenidp.AuthorizationServer{Source: source(h.Dispenser)}
	args := h.RemainingArgs()
	switch {
	case slices.ContainsFunc(args, isMatcher):
		return nil, h.Err("tokenidp takes no matcher: it answers only at its issuer's own paths")
	case len(args) > 1 || slices.Contains(args, ""):
		return nil, usage(h.Dispenser, "tokenidp [<issuer-url>], as in: tokenidp https://idp.example.com")
	case len(args) == 1:
		handler.Issuer = args[0]
	}
	if h.NextBlock(0) {
		return nil, h.Err("tokenidp takes no block here; options belong to the block issuer <url> { … } of the global option tokenidp")
	}
	return route(h, handler), nil
}

func isMatcher(arg string) bool {
	return arg != "" && strings.IndexByte("/@*", arg[0]) >= 0
}
