package caddyfile

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/internal/adminendpoint"
)

// parseStatusPage sets up the status page. Syntax:
//
//	tokenidp_status [<matcher>] {
//		insecure_public
//	}
func parseStatusPage(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // consume directive name
	handler := &adminendpoint.StatusPage{Source: source(h.Dispenser)}
	if h.NextArg() {
		return nil, usage(h.Dispenser, "tokenidp_status, as in: tokenidp_status /status")
	}
	given := make(once)
	for h.NextBlock(0) {
		if err := given.check(h.Dispenser); err != nil {
			return nil, err
		}
		if h.Val() != "insecure_public" {
			return nil, unknown(h.Dispenser, "tokenidp_status", "insecure_public")
		}
		var err error
		if handler.InsecurePublic, err = flag(h.Dispenser); err != nil {
			return nil, err
		}
	}
	return handler, nil
}
