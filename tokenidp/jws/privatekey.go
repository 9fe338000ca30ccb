package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// rsaBits is the size of the RSA keys made here (RFC 7518 section 3.3: at least
// 2048). A larger one costs three times the processor time per signature.
const rsaBits = 2048

// GeneratePrivate makes a private key for one of [Names].
func GeneratePrivate(algorithm string) (crypto.Signer, error) {
	a, ok := algorithms[Canonical(algorithm)]
	switch {
	case !ok:
		return nil, fmt.Errorf("unknown algorithm %q; known: %s", algorithm, strings.Join(Algorithms, ", "))
	case a.family == edwards:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	case a.family == ecdsaFixed:
		return ecdsa.GenerateKey(a.curve, rand.Reader)
	default:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	}
}

// AlgorithmOf is the one algorithm that a key of its type and curve has, or "" where
// there is none, and for RSA, which has six.
func AlgorithmOf(public crypto.PublicKey) string {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return map[elliptic.Curve]string{elliptic.P256(): "ES256", elliptic.P384(): "ES384", elliptic.P521(): "ES512"}[key.Curve]
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}

// DefaultAlgorithm is that of a key which names none: the one that its type and curve
// have, and RS256 for RSA, which every library knows. A client and its server choose the
// same. The error is [ErrKey].
func DefaultAlgorithm(public crypto.PublicKey) (string, error) {
	if algorithm := AlgorithmOf(public); algorithm != "" {
		return algorithm, nil
	}
	const accepted = "RSA, P-256, P-384, P-521 and Ed25519 are accepted"
	switch key := public.(type) {
	case *rsa.PublicKey:
		return "RS256", nil
	case *ecdsa.PublicKey:
		return "", fmt.Errorf("%w: it is of the curve %s; %s", ErrKey, key.Params().Name, accepted)
	}
	return "", fmt.Errorf("%w: it is of another kind; %s", ErrKey, accepted)
}

// ParsePrivatePEM reads the private keys in PEM blocks: PKCS #8, PKCS #1 and SEC 1.
// It passes over what is no key, such as a certificate. Errors never quote what was
// read.
func ParsePrivatePEM(text []byte) ([]crypto.Signer, error) {
	var keys []crypto.Signer
	for block, rest := pem.Decode(ascii.WithoutBOM(text)); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch {
		case strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
			return nil, errors.New("the private key is encrypted with a passphrase; decrypt it, as with: openssl pkey")
		case block.Type == "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case block.Type == "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case block.Type == "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the PEM block %q cannot be read as a key", block.Type)
		}
		private, ok := key.(crypto.Signer)
		if !ok { // X25519, which agrees on keys and does not sign
			return nil, fmt.Errorf("the PEM block %q is not a private key of a kind that signs; use RSA, EC or Ed25519", block.Type)
		}
		keys = append(keys, private)
	}
	return keys, nil
}
