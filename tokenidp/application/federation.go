package application

import (
	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
)

// Federation is a workload that authenticates with a token of an issuer elsewhere, such as
// a pod or a pipeline. It has no secret here (RFC 7523 section 2.2, with another issuer
// than the client).
type Federation struct {
	// Issuer is compared byte for byte with the iss of a token.
	Issuer string
	// Audience is the required audience of the token. "" is the issuer of this server.
	Audience string
	// Claims identify the tokens of the workload among those of the issuer. All must hold.
	// There is at least one.
	Claims []claimrule.Rule
	// Source is the "file:line" of its definition.
	Source string
}
