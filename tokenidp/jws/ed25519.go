package jws

import (
	"crypto/ed25519"
	"errors"

	"filippo.io/edwards25519"
)

// checkEd25519 returns an error for a key that is not a point of the curve, or a point of
// low order. With such a point, signatures of many messages can be made without a private
// key (RFC 8032 section 8.9). It refuses every encoding of such a point, canonical or not.
func checkEd25519(pub ed25519.PublicKey) error {
	if len(pub) != ed25519.PublicKeySize {
		return errUnfit
	}
	point, err := new(edwards25519.Point).SetBytes(pub)
	if err != nil {
		return errors.New("Ed25519 key is not a point of the curve")
	}
	if point.MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return errors.New("Ed25519 key is a point of low order, which anybody can sign for")
	}
	return nil
}
