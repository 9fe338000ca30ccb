package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
)

// parseKey reads one public JWK (RFC 7517 section 4; RFC 7518 section 6; RFC 8037
// section 2). It refuses, with [ErrKey], symmetric and private keys, keys for another use
// than verifying signatures, members that are not canonical base64url, and whatever
// [NewKey] refuses. Without accepted algorithms, the key must name its own.
func parseKey(accepted []string, jwk map[string]any) (*Key, error) {
	id, alg, err := keyParameters(jwk)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	public, err := publicKey(jwk)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if alg, err = chooseAlgorithm(accepted, alg, public); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return NewKey(id, alg, public)
}

// keyParameters returns the kid and the alg (RFC 7517 section 4). Both are optional.
func keyParameters(jwk map[string]any) (id, alg string, err error) {
	if err := checkPurpose(jwk); err != nil {
		return "", "", err
	}
	id, ok := optionalString(jwk, "kid")
	if !ok {
		return "", "", errors.New("kid is not a string")
	}
	alg, ok = optionalString(jwk, "alg")
	if !ok {
		return "", "", errors.New("alg is not a string")
	}
	return id, alg, nil
}

// chooseAlgorithm returns the one algorithm of a key (RFC 8725 section 3.1): the one it
// names, or the first accepted one that fits its type and curve.
func chooseAlgorithm(accepted []string, alg string, public crypto.PublicKey) (string, error) {
	named := func(candidate string) bool { return Canonical(candidate) == Canonical(alg) }
	fitting := func(candidate string) bool { return fits(candidate, public) }
	switch {
	case alg != "" && (len(accepted) == 0 || slices.ContainsFunc(accepted, named)):
		return alg, nil
	case alg != "" && !Supported(Canonical(alg)):
		return "", unsupportedError(fmt.Sprintf("alg %q is not accepted here, only %s", alg, strings.Join(accepted, ", ")))
	case alg != "":
		return "", fmt.Errorf("alg %q is not accepted here, only %s", alg, strings.Join(accepted, ", "))
	case len(accepted) == 0:
		return "", errors.New("alg is missing: a key belongs to one algorithm")
	}
	i := slices.IndexFunc(accepted, fitting)
	if i < 0 {
		return "", fmt.Errorf("alg is missing, and the key fits none of %s", strings.Join(accepted, ", "))
	}
	return accepted[i], nil
}

var errPrivate = errors.New("private member")

// unsupportedError is about a key that may be right, but is of no use here.
type unsupportedError string

func (e unsupportedError) Error() string { return string(e) }

// IsPrivate reports whether an entry was skipped because it is a private or a symmetric
// key. Such a key must not be public.
func IsPrivate(skipped error) bool { return errors.Is(skipped, errPrivate) }

// IsUnsupported reports whether an entry was skipped because its kty, crv or alg is
// not supported, or because the key is not for signatures (RFC 7517 section 5).
func IsUnsupported(skipped error) bool {
	_, ok := errors.AsType[unsupportedError](skipped)
	return ok
}

// PrivateMembers are the members of a JWK that only private and symmetric keys have (RFC
// 7518 section 6, RFC 8037 section 2).
var PrivateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// checkPurpose refuses private and symmetric keys, and keys that are not for verifying
// signatures (RFC 7517 sections 4.2 and 4.3).
func checkPurpose(jwk map[string]any) error {
	for _, private := range PrivateMembers {
		if _, found := jwk[private]; found {
			return fmt.Errorf("%w %q is present", errPrivate, private)
		}
	}
	if use, found := jwk["use"]; found && use != "sig" {
		return unsupportedError(`use is not "sig"`)
	}
	if ops, found := jwk["key_ops"]; found && !allowsVerify(ops) {
		return unsupportedError(`key_ops is not a list of unique strings with "verify"`)
	}
	return nil
}

func allowsVerify(keyOps any) bool {
	ops, _ := keyOps.([]any)
	for i, op := range ops {
		if _, ok := op.(string); !ok || slices.Contains(ops[:i], op) {
			return false
		}
	}
	return slices.Contains(ops, any("verify"))
}

// optionalString returns a member that may be absent. ok is false if it is present and not
// a string.
func optionalString(object map[string]any, name string) (value string, ok bool) {
	member, found := object[name]
	if !found {
		return "", true
	}
	value, ok = member.(string)
	return value, ok
}

func publicKey(jwk map[string]any) (crypto.PublicKey, error) {
	switch jwk["kty"] {
	case "RSA":
		return rsaKey(jwk)
	case "EC":
		return ecKey(jwk)
	case "OKP":
		return okpKey(jwk)
	}
	return nil, unsupportedError("kty is not RSA, EC or OKP")
}

// rsaKey reads RFC 7518 section 6.3.1: both numbers without leading zeros.
func rsaKey(jwk map[string]any) (crypto.PublicKey, error) {
	n, err := octets(jwk, "n")
	if err != nil {
		return nil, err
	}
	e, err := octets(jwk, "e")
	if err != nil {
		return nil, err
	}
	if n[0] == 0 || e[0] == 0 {
		return nil, errors.New("n or e begins with a zero octet")
	}
	exponent := new(big.Int).SetBytes(e)
	if exponent.Cmp(big.NewInt(math.MaxInt32)) > 0 {
		return nil, errors.New("RSA exponent is larger than 2^31-1")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
}

// ecKey reads RFC 7518 section 6.2.1: coordinates of the full length of the field.
func ecKey(jwk map[string]any) (crypto.PublicKey, error) {
	var curve elliptic.Curve
	switch jwk["crv"] {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, unsupportedError("crv is not P-256, P-384 or P-521")
	}
	x, err := octets(jwk, "x")
	if err != nil {
		return nil, err
	}
	y, err := octets(jwk, "y")
	if err != nil {
		return nil, err
	}
	if len(x) != len(y) { // together they could still have the right length
		return nil, errors.New("x and y differ in length")
	}
	return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
}

// okpKey reads RFC 8037 section 2; [NewKey] checks the length.
func okpKey(jwk map[string]any) (crypto.PublicKey, error) {
	if jwk["crv"] != "Ed25519" {
		return nil, unsupportedError("crv is not Ed25519")
	}
	x, err := octets(jwk, "x")
	return ed25519.PublicKey(x), err
}

func octets(jwk map[string]any, name string) ([]byte, error) {
	encoded, ok := jwk[name].(string)
	if !ok || encoded == "" {
		return nil, fmt.Errorf("%s is missing, empty or not a string", name)
	}
	decoded, err := decodeSegment(encoded)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return decoded, nil
}
