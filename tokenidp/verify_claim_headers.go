package tokenidp

import (
	"net/http"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimheader"
)

// ClaimHeader is a request header that carries a claim to the upstream.
type ClaimHeader struct {
	// The name of the request header, such as X-Client-Id.
	Header string `json:"header"`

	// The claim whose value it carries, such as client_id. A name that begins with
	// a slash is a JSON Pointer (RFC 6901) into nested claims; * is all claims, as
	// JSON in base64url. Lists are joined with spaces. A token without the claim
	// sets no header.
	Claim string `json:"claim"`

	// How the claim is written: "json" is its JSON in ASCII, which has a form for every
	// value. As text, a list with an element that has a space in it refuses the request.
	// Default: as text.
	Format string `json:"format,omitempty"`
}

func claimHeaders(configured []ClaimHeader) (claimheader.Headers, error) {
	configs := make([]claimheader.Config, len(configured))
	for i, c := range configured {
		configs[i] = claimheader.Config(c)
	}
	return claimheader.Parse(configs)
}

// removeClaimHeaders removes the claim headers that the client sent. Headers that an
// earlier verify has set stay.
func (v *Verify) removeClaimHeaders(r *http.Request, before *admission) {
	v.headers.Remove(r, before.hasSet)
}
