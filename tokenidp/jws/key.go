package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/go-jose/go-jose/v4"
)

// ErrKey is wrapped in every error about a key that must not be used.
var ErrKey = errors.New("unusable key")

// Limits of RSA moduli, in bits. RFC 7518 section 3.3 sets the lower one. The upper one
// bounds the time of a verification with a foreign key.
const (
	MinRSABits = 2048
	MaxRSABits = 8192
)

// Key is a public key that verifies signatures of exactly one algorithm
// (RFC 8725 section 3.1). Treat it as immutable; [NewKey] and [ParseKeySet] make
// it.
type Key struct {
	ID        string           // kid, may be empty
	Algorithm string           // one of [Algorithms]
	Public    crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey

	pkcs1v15 *pkcs1v15Key // for RSASSA-PKCS1-v1_5
}

// NewKey returns a key. Every key is checked here: the type and curve fit the algorithm,
// RSA moduli have [MinRSABits] to [MaxRSABits] bits and an odd exponent from 3 to 2^31-1,
// EC points are on their curve, and Ed25519 keys are points that are not of low order.
// Otherwise the error is [ErrKey].
func NewKey(id, algorithm string, public crypto.PublicKey) (*Key, error) {
	k := &Key{ID: id, Algorithm: Canonical(algorithm), Public: public}
	a, ok := algorithms[k.Algorithm]
	if !ok {
		return nil, fmt.Errorf("%w: algorithm %q is not supported", ErrKey, algorithm)
	}
	if err := a.accepts(public); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if pub, ok := public.(*rsa.PublicKey); ok && a.family == pkcs1v15 {
		k.pkcs1v15 = &pkcs1v15Key{public: pub}
	}
	return k, nil
}

var errUnfit = errors.New("type or curve does not fit the algorithm")

func (a algorithm) accepts(public crypto.PublicKey) error {
	switch pub := public.(type) {
	case *rsa.PublicKey:
		if pub != nil && (a.family == pkcs1v15 || a.family == pss) {
			return checkRSA(pub)
		}
	case *ecdsa.PublicKey:
		if pub != nil && a.family == ecdsaFixed && pub.Curve == a.curve {
			_, err := pub.Bytes() // refuses a point that is not on the curve
			return err
		}
	case ed25519.PublicKey:
		if a.family == edwards {
			return checkEd25519(pub)
		}
	}
	return errUnfit
}

// fits reports whether the type and curve fit the algorithm. It does not check the key
// further.
func fits(alg string, public crypto.PublicKey) bool {
	a, known := algorithms[Canonical(alg)]
	return known && !errors.Is(a.accepts(public), errUnfit)
}

func checkRSA(pub *rsa.PublicKey) error {
	switch {
	case pub.N == nil || pub.N.Sign() <= 0 || pub.N.Bit(0) == 0:
		return errors.New("RSA modulus is not an odd positive number")
	case pub.N.BitLen() < MinRSABits || pub.N.BitLen() > MaxRSABits:
		return fmt.Errorf("RSA modulus has %d bits, not %d to %d", pub.N.BitLen(), MinRSABits, MaxRSABits)
	case pub.E < 3 || pub.E%2 == 0 || pub.E > math.MaxInt32:
		return errors.New("RSA exponent is not an odd number from 3 to 2^31-1")
	case weakPrimes(pub.N):
		return errors.New("RSA modulus can be factored (ROCA, CVE-2017-15361)")
	}
	return nil
}

// weakPrimes recognises the moduli of a faulty key generator found in smart
// cards: modulo each small prime they are a power of 65537, which happens by
// chance once in 2^27.
func weakPrimes(n *big.Int) bool {
	for _, p := range []int64{
		3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79,
		83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
	} {
		remainder, power := new(big.Int).Mod(n, big.NewInt(p)).Int64(), int64(1)
		for power != remainder {
			if power = power * 65537 % p; power == 1 {
				return false
			}
		}
	}
	return true
}

// Equal reports whether the other is the same key, under the same kid and for the same
// algorithm.
func (k *Key) Equal(other *Key) bool {
	public, comparable := k.Public.(interface{ Equal(crypto.PublicKey) bool })
	return k.ID == other.ID && k.Algorithm == other.Algorithm && comparable && public.Equal(other.Public)
}

// Thumbprint returns the SHA-256 thumbprint of the key in base64url (RFC 7638).
func (k *Key) Thumbprint() string {
	jwk := k.JWK()
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return "" // only for a Key that no constructor made
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// JWK returns the public key with kid, alg and use "sig", for a key set (RFC 7517 section
// 5).
func (k *Key) JWK() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Public, KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"}
}
