package tokenidp

import (
	"net/http"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// checkBinding judges whether who sends a token is whom it was issued to. It is about
// this request, so nothing of it is remembered with the token.
func (v *Verify) checkBinding(r *http.Request, claims *verifier.Claims) error {
	if claims.Confirmation == nil {
		return nil
	}
	return claims.Confirmation.CheckCertificate(r.TLS)
}
