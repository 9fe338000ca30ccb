package jws

import (
	"crypto"
	"crypto/elliptic"
	"slices"
)

// Algorithms lists the supported signature algorithms (RFC 7518 section 3.1, RFC 8037
// section 3.1). None of them is symmetric, so a key that verifies a token cannot sign one.
var Algorithms = []string{
	"RS256", "RS384", "RS512",
	"PS256", "PS384", "PS512",
	"ES256", "ES384", "ES512",
	"EdDSA",
}

// Names lists all accepted names of algorithms: Ed25519 (RFC 9864 section 2.2) is another
// name for EdDSA.
var Names = append(slices.Clone(Algorithms), "Ed25519")

// Supported reports whether alg is one of [Algorithms], byte for byte.
func Supported(alg string) bool {
	_, ok := algorithms[alg]
	return ok
}

type family int

const (
	pkcs1v15 family = iota + 1
	pss
	ecdsaFixed
	edwards
)

type algorithm struct {
	family family
	hash   crypto.Hash
	curve  elliptic.Curve // ECDSA: the only one that fits (RFC 7518 section 3.4)
}

var algorithms = map[string]algorithm{
	"RS256": {family: pkcs1v15, hash: crypto.SHA256},
	"RS384": {family: pkcs1v15, hash: crypto.SHA384},
	"RS512": {family: pkcs1v15, hash: crypto.SHA512},
	"PS256": {family: pss, hash: crypto.SHA256},
	"PS384": {family: pss, hash: crypto.SHA384},
	"PS512": {family: pss, hash: crypto.SHA512},
	"ES256": {family: ecdsaFixed, hash: crypto.SHA256, curve: elliptic.P256()},
	"ES384": {family: ecdsaFixed, hash: crypto.SHA384, curve: elliptic.P384()},
	"ES512": {family: ecdsaFixed, hash: crypto.SHA512, curve: elliptic.P521()},
	"EdDSA": {family: edwards},
}

// Canonical returns the one of [Algorithms] that one of [Names] means, and any other text
// unchanged. EdDSA and Ed25519 are the same here, because [NewKey] accepts no other
// Edwards curve.
func Canonical(alg string) string {
	if alg == "Ed25519" {
		return "EdDSA"
	}
	return alg
}
