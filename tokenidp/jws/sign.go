package jws

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Sign returns a compact JWS (RFC 7515 section 7.1) of a protected header in base64url and
// a payload. The private key must fit the algorithm. It may be in another place, such as a
// hardware module.
func Sign(private crypto.Signer, alg, header string, payload []byte) (string, error) {
	const signature = 700 // in base64url, of a RSA key of 4096 bits
	token := make([]byte, 0, len(header)+base64url.EncodedLen(len(payload))+signature)
	token = append(append(token, header...), '.')
	token = base64.RawURLEncoding.AppendEncode(token, payload)
	signed, err := algorithms[alg].sign(private, token)
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", alg, err)
	}
	token = append(token, '.')
	return string(base64.RawURLEncoding.AppendEncode(token, signed)), nil
}

var errNoAlgorithm = errors.New("no such algorithm")

func (a algorithm) sign(private crypto.Signer, input []byte) ([]byte, error) {
	switch a.family {
	case pkcs1v15:
		return private.Sign(rand.Reader, a.digest(input), a.hash)
	case pss:
		return private.Sign(rand.Reader, a.digest(input), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: a.hash})
	case ecdsaFixed:
		der, err := private.Sign(rand.Reader, a.digest(input), a.hash)
		if err != nil {
			return nil, err
		}
		return fixedWidth(der, a.curveSize())
	case edwards:
		return private.Sign(rand.Reader, input, crypto.Hash(0))
	}
	return nil, errNoAlgorithm
}

var errNotDER = errors.New("the ECDSA signature is not ASN.1 of two numbers of the curve's length")

// fixedWidth converts an ASN.1 signature of crypto.Signer to the two numbers of JOSE (RFC
// 7518 section 3.4).
func fixedWidth(der []byte, size int) ([]byte, error) {
	var r, s []byte
	var sequence cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&sequence, asn1.SEQUENCE) || !in.Empty() ||
		!sequence.ReadASN1Integer(&r) || !sequence.ReadASN1Integer(&s) || !sequence.Empty() ||
		len(r) > size || len(s) > size {
		return nil, errNotDER
	}
	signature := make([]byte, 2*size)
	copy(signature[size-len(r):], r)
	copy(signature[2*size-len(s):], s)
	return signature, nil
}
