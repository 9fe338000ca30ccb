package caddyfile

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// parseProtectedResource sets up the metadata of an API. Syntax:
//
//	protected_resource <identifier>
//
// It takes no matcher: it answers only at the well-known path of the identifier,
// as the client sent it.
func parseProtectedResource(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next() // consume directive name
	handler := &tokenidp.ProtectedResource{Source: source(h.Dispenser)}
	args := h.RemainingArgs()
	if len(args) != 1 || args[0] == "" || isMatcher(args[0]) {
		return nil, usage(h.Dispenser, "protected_resource <identifier>, as in: protected_resource https://api.example.com")
	}
	handler.Resource = args[0]
	if h.NextBlock(0) {
		return nil, h.Err("protected_resource takes no block")
	}
	return route(h, handler), nil
}
