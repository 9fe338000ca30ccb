package tokenidp

import (
	"errors"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// notRevoked refuses a verified token that was taken back, for every request anew:
// a token that is remembered may have been taken back since. Where nobody knows which
// ones were, none passes.
func notRevoked(s state.State, claims *verifier.Claims) error {
	if err := s.Ready(); err != nil {
		return verifier.Refuse(verifier.RevocationsUnknown, err)
	}
	if s.Revoked(state.Token{Issuer: claims.Issuer, ID: claims.ID, ClientID: claims.ClientID, IssuedAt: claims.IssuedAt}) {
		return verifier.Refuse(verifier.Revoked, errRevoked)
	}
	return nil
}

var errRevoked = errors.New("it, its client's tokens or all of its issuer's were taken back")
