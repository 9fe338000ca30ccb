package application

import (
	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
)

// Federation is a workload that an issuer elsewhere vouches for: a pod, a pipeline.
// It authenticates with a token of that issuer, and has no secret here (RFC 7523
// section 2.2, with another issuer than the client itself).
type Federation struct {
	// Issuer is compared byte for byte with the iss of a token.
	Issuer string
	// Audience is what the token must be for; "" stands for the issuer of this server.
	Audience string
	// Claims tell which of the issuer's tokens are the workload's: all of them must
	// hold. There is at least one.
	Claims []claimrule.Rule
	// Source is the "file:line" of its definition.
	Source string
}
