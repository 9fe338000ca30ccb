package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"

	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/tokenidp/caddy-tokenidp/internal/zerocopy"
)

// ErrSignature means that the key did not make this signature of the signing input.
var ErrSignature = errors.New("signature does not verify")

// Verify verifies a signature of a JWS signing input (RFC 7515 section 5.2) with the
// algorithm of the key. The error is [ErrSignature]. It uses the standard library, which
// is stricter than JOSE libraries: RSA signatures have the length of the modulus, PSS
// salts that of the hash (RFC 7518 section 3.5), and Ed25519 scalars are canonical.
func (k *Key) Verify(signingInput string, signature []byte) error {
	a, input, valid := algorithms[k.Algorithm], zerocopy.Bytes(signingInput), false
	switch pub := k.Public.(type) {
	case *rsa.PublicKey:
		valid = k.verifyRSA(a, pub, input, signature)
	case *ecdsa.PublicKey:
		valid = a.verifyECDSA(pub, input, signature)
	case ed25519.PublicKey:
		valid = a.family == edwards && len(pub) == ed25519.PublicKeySize &&
			ed25519.Verify(pub, input, signature)
	}
	if !valid {
		return ErrSignature
	}
	return nil
}

func (k *Key) verifyRSA(a algorithm, pub *rsa.PublicKey, signingInput, signature []byte) bool {
	switch a.family {
	case pkcs1v15:
		// A Key that NewKey did not make was not checked.
		return k.pkcs1v15 != nil && k.pkcs1v15.verifies(a.hash, a.digest(signingInput), signature)
	case pss:
		// By default, the library accepts any salt length.
		salt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return rsa.VerifyPSS(pub, a.hash, a.digest(signingInput), signature, salt) == nil
	default:
		return false
	}
}

// verifyECDSA reads r and s as two numbers of the curve's length, never as ASN.1
// (RFC 7518 section 3.4). The library refuses those outside of 0 < r, s < n.
func (a algorithm) verifyECDSA(pub *ecdsa.PublicKey, signingInput, signature []byte) bool {
	if a.family != ecdsaFixed || pub.Curve != a.curve || len(signature) != 2*a.curveSize() {
		return false
	}
	return ecdsa.VerifyASN1(pub, a.digest(signingInput), inASN1(signature))
}

// inASN1 converts two numbers of the same length, of 66 bytes at most, to the DER of
// SEQUENCE { r INTEGER, s INTEGER }. It is the reverse of [fixedWidth].
func inASN1(signature []byte) []byte {
	const header, integer, longest = 3, 3, 66
	der := make([]byte, header, header+2*(integer+longest))
	der = appendInteger(der, signature[:len(signature)/2])
	der = appendInteger(der, signature[len(signature)/2:])
	der[1], der[2] = byte(asn1.SEQUENCE), length(len(der)-header)
	if len(der)-header < 0x80 {
		return der[1:]
	}
	der[0], der[1] = byte(asn1.SEQUENCE), 0x81 // one byte of length follows
	return der
}

// appendInteger appends the shortest DER of a number that is not negative.
func appendInteger(der, number []byte) []byte {
	for len(number) > 1 && number[0] == 0 {
		number = number[1:]
	}
	der = append(der, byte(asn1.INTEGER))
	if number[0] < 0x80 {
		return append(append(der, length(len(number))), number...)
	}
	return append(append(der, length(len(number)+1), 0), number...)
}

func length(n int) byte { return byte(n) } //nolint:gosec // 138 at most

// curveSize returns the length of a number, in bytes.
func (a algorithm) curveSize() int { return (a.curve.Params().BitSize + 7) / 8 }

func (a algorithm) digest(data []byte) []byte {
	switch a.hash {
	case crypto.SHA256:
		sum := sha256.Sum256(data)
		return sum[:]
	case crypto.SHA384:
		sum := sha512.Sum384(data)
		return sum[:]
	default:
		sum := sha512.Sum512(data)
		return sum[:]
	}
}
