package jws

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"math/big"
)

// ErrSignature: the signature was not made by the key over the signing input.
var ErrSignature = errors.New("signature does not verify")

// Verify checks a signature over a JWS signing input (RFC 7515 section 5.2) with
// the key's own algorithm. The standard library does it, because it is stricter
// than JOSE libraries: RSA signatures have the length of the modulus, PSS salts
// that of the hash (RFC 7518 section 3.5), Ed25519 scalars are canonical.
func (k *Key) Verify(signingInput, signature []byte) error {
	a, valid := algorithms[k.Algorithm], false
	switch pub := k.Public.(type) {
	case *rsa.PublicKey:
		valid = a.verifyRSA(pub, signingInput, signature)
	case *ecdsa.PublicKey:
		valid = a.verifyECDSA(pub, signingInput, signature)
	case ed25519.PublicKey:
		valid = a.family == edwards && len(pub) == ed25519.PublicKeySize &&
			ed25519.Verify(pub, signingInput, signature)
	}
	if !valid {
		return ErrSignature
	}
	return nil
}

func (a algorithm) verifyRSA(pub *rsa.PublicKey, signingInput, signature []byte) bool {
	switch a.family {
	case pkcs1v15:
		return rsa.VerifyPKCS1v15(pub, a.hash, a.digest(signingInput), signature) == nil
	case pss:
		// Left to itself, the library takes any salt length.
		salt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return rsa.VerifyPSS(pub, a.hash, a.digest(signingInput), signature, salt) == nil
	default:
		return false
	}
}

// verifyECDSA reads r and s as two numbers of the curve's length, never as ASN.1
// (RFC 7518 section 3.4). ecdsa.Verify refuses those outside of 0 < r, s < n.
func (a algorithm) verifyECDSA(pub *ecdsa.PublicKey, signingInput, signature []byte) bool {
	if a.family != ecdsaFixed || pub.Curve != a.curve {
		return false
	}
	size := a.curveSize()
	if len(signature) != 2*size {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	return ecdsa.Verify(pub, a.digest(signingInput), r, s)
}

// curveSize is the length of a number in bytes.
func (a algorithm) curveSize() int { return (a.curve.Params().BitSize + 7) / 8 }

func (a algorithm) digest(data []byte) []byte {
	h := a.hash.New()
	h.Write(data)
	return h.Sum(nil)
}
