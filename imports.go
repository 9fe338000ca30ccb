// Package tokenidp adds OAuth 2.0 access tokens for machine-to-machine calls to
// Caddy: an issuer with a token endpoint, and the directive `verify` that
// enforces the tokens in front of APIs.
//
// Importing this package is all that a build needs:
//
//	xcaddy build --with github.com/tokenidp/caddy-tokenidp
package tokenidp

import (
	// The Caddy modules.
	_ "github.com/tokenidp/caddy-tokenidp/tokenidp"
	// The routes below /tokenidp/ at the admin endpoint.
	_ "github.com/tokenidp/caddy-tokenidp/internal/adminendpoint"
	// The syntax of their directives.
	_ "github.com/tokenidp/caddy-tokenidp/caddyfile"
	// The commands below `caddy tokenidp`.
	_ "github.com/tokenidp/caddy-tokenidp/internal/command"
)
