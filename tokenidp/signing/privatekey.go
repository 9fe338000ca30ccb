package signing

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// mostPrivateKeys bounds what is published from outside.
const mostPrivateKeys = 10

// parsePrivateKeys reads PEM blocks, a private JWK, or a JWK Set of those (RFC 7517
// section 5). A key without a kid gets its thumbprint (RFC 7638); one without an
// algorithm gets the given one, or, where none is given, that of its type: RS256,
// ES256, ES384, ES512 or EdDSA. Errors never quote what was read.
func parsePrivateKeys(text []byte, algorithm string) ([]*Key, error) {
	parse := parsePEM
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		parse = parseJWKs
	}
	jwks, err := parse(text)
	switch {
	case err != nil:
		return nil, err
	case len(jwks) == 0:
		return nil, errors.New("there is no private key in it; write PEM, or a JWK")
	case len(jwks) > mostPrivateKeys:
		return nil, fmt.Errorf("there are %d keys in it, more than %d", len(jwks), mostPrivateKeys)
	}
	keys := make([]*Key, 0, len(jwks))
	for i, jwk := range jwks {
		k, err := privateKey(jwk, algorithm)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if slices.ContainsFunc(keys, func(other *Key) bool { return other.ID == k.ID }) {
			return nil, fmt.Errorf("key %d has the kid %q of another", i+1, k.ID)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// parsePEM passes over what is not a key, such as a certificate.
func parsePEM(text []byte) ([]jose.JSONWebKey, error) {
	var keys []jose.JSONWebKey
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
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
		keys = append(keys, jose.JSONWebKey{Key: key})
	}
	return keys, nil
}

func parseJWKs(text []byte) ([]jose.JSONWebKey, error) {
	document, err := strictjson.Object(text) // no repeated names, nothing trailing
	if err != nil {
		return nil, errors.New("it is not a JWK: no strict JSON")
	}
	set := struct {
		Keys []josejson.RawMessage `json:"keys"`
	}{Keys: []josejson.RawMessage{text}}
	if _, isSet := document["keys"]; isSet {
		set.Keys = nil
		if err := josejson.Unmarshal(text, &set); err != nil {
			return nil, errors.New("it is not a JWK Set")
		}
	}
	keys := make([]jose.JSONWebKey, len(set.Keys))
	for i, jwk := range set.Keys {
		if err := keys[i].UnmarshalJSON(jwk); err != nil {
			return nil, fmt.Errorf("key %d is not a JWK of a known kind", i+1)
		}
	}
	return keys, nil
}

func privateKey(jwk jose.JSONWebKey, algorithm string) (*Key, error) {
	private, ok := jwk.Key.(crypto.Signer)
	if !ok {
		return nil, errors.New("it is not a private key of a kind that signs; use RSA, EC or Ed25519")
	}
	if jwk.Use != "" && jwk.Use != "sig" {
		return nil, fmt.Errorf("its use is %.20q, not sig", jwk.Use)
	}
	if key, isRSA := private.(*rsa.PrivateKey); isRSA {
		key.Precompute()
	}
	algorithm = cmp.Or(jwk.Algorithm, algorithm, usualAlgorithm(private))
	if jwk.KeyID == "" {
		public, err := jws.NewKey("", algorithm, private.Public())
		if err != nil {
			return nil, err
		}
		jwk.KeyID = public.Thumbprint()
	}
	if !plainKeyID(jwk.KeyID) {
		return nil, errors.New("its kid is not 1 to 128 characters of ASCII without spaces")
	}
	k, err := newKey(jwk.KeyID, algorithm, time.Time{}, time.Time{}, private)
	if err != nil {
		return nil, err
	}
	k.outside = true
	return k, nil
}

// usualAlgorithm is that of the key's type, or "".
func usualAlgorithm(private crypto.Signer) string {
	switch key := private.(type) {
	case *rsa.PrivateKey:
		return DefaultAlgorithm
	case *ecdsa.PrivateKey:
		return map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[key.Params().BitSize]
	case ed25519.PrivateKey:
		return "EdDSA"
	}
	return ""
}

func plainKeyID(kid string) bool {
	return len(kid) >= 1 && len(kid) <= 128 && !strings.ContainsFunc(kid, func(c rune) bool { return c <= ' ' || c > '~' })
}
