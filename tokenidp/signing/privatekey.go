package signing

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// mostPrivateKeys is how many keys from outside are published at most.
const mostPrivateKeys = 10

// parsePrivateKeys parses PEM blocks, a private JWK, or a JWK Set of those (RFC 7517
// section 5). A key without a kid gets its thumbprint (RFC 7638). A key without an
// algorithm gets the given one, or if that is "", the one of its type: RS256, ES256,
// ES384, ES512 or EdDSA. Errors never quote the text.
func parsePrivateKeys(text []byte, algorithm string) ([]*Key, error) {
	text, parse := ascii.WithoutBOM(text), parsePEM
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
		same := func(other *Key) bool { return sameKey(other, k) && other.Algorithm == k.Algorithm }
		switch {
		case slices.ContainsFunc(keys, same): // it is there twice
		case slices.ContainsFunc(keys, func(other *Key) bool { return other.ID == k.ID }):
			return nil, fmt.Errorf("key %d has the kid %q of another", i+1, k.ID)
		default:
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func parsePEM(text []byte) ([]jose.JSONWebKey, error) {
	private, err := jws.ParsePrivatePEM(text)
	keys := make([]jose.JSONWebKey, len(private))
	for i := range private {
		keys[i].Key = private[i]
	}
	return keys, err
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
	algorithm = cmp.Or(jws.Canonical(jwk.Algorithm), algorithm, jws.AlgorithmOf(private.Public()), DefaultAlgorithm)
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

func plainKeyID(kid string) bool {
	return len(kid) >= 1 && len(kid) <= 128 && ascii.Visible(kid)
}
