package jws

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"
)

// lowOrder are the y coordinates of all points whose order divides 8, and those that
// are the same modulo 2^255-19, in little endian. Each has two signs of x.
var lowOrder = map[string]string{
	"order 1":                   "0100000000000000000000000000000000000000000000000000000000000000",
	"order 1, not canonical":    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"order 2":                   "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"order 4":                   "0000000000000000000000000000000000000000000000000000000000000000",
	"order 4, not canonical":    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"order 8":                   "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"order 8, with the other y": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
}

// RFC 8032 section 8.9: for a key of low order, anybody can sign.
func TestKeysOfLowOrderAreRefused(t *testing.T) {
	for name, encoded := range lowOrder {
		for _, sign := range []byte{0, 0x80} {
			x, err := hex.DecodeString(encoded)
			if err != nil || len(x) != ed25519.PublicKeySize {
				t.Fatal(name, err)
			}
			x[31] |= sign
			jwk := map[string]any{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "1", "x": b64(string(x))}
			document, err := json.Marshal(jwk)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := NewKey("1", "EdDSA", ed25519.PublicKey(x)); !errors.Is(err, ErrKey) {
				t.Errorf("%s, sign %x: NewKey: %v", name, sign, err)
			}
			if _, err := parseJWK("", document); !errors.Is(err, ErrKey) {
				t.Errorf("%s, sign %x: ParseKey: %v", name, sign, err)
			}
			if set, err := ParseKeySet([]byte(`{"keys":[` + string(document) + `]}`)); err == nil && len(set.Keys()) > 0 {
				t.Errorf("%s, sign %x: ParseKeySet takes it", name, sign)
			}
			delete(jwk, "kid")
			header, err := json.Marshal(map[string]any{"typ": "dpop+jwt", "alg": "Ed25519", "jwk": jwk})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := ParseProof(b64(string(header)) + "." + b64("{}") + "." + b64(string(make([]byte, ed25519.SignatureSize)))); !errors.Is(err, ErrKey) {
				t.Errorf("%s, sign %x: ParseProof: %v", name, sign, err)
			}
		}
	}
	none := make([]byte, ed25519.PublicKeySize)
	none[0] = 2 // no point has this y
	if _, err := NewKey("1", "EdDSA", ed25519.PublicKey(none)); !errors.Is(err, ErrKey) {
		t.Errorf("no point: %v", err)
	}
}
