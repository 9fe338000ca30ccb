package jws

import "fmt"

// ParseProof is [Parse] for a JWS with the key that verifies it (jwk, RFC 7515 section
// 4.1.3). Such a JWS proves possession of the key, and nothing else. The key is checked as
// in [NewKey], for the algorithm of the header. Nothing is verified yet. A kid is ignored
// in the header and in the key.
func ParseProof(proof string) (*Message, *Key, error) {
	m, encoded, err := split(proof)
	if err != nil {
		return nil, nil, err
	}
	members, err := decodeHeader(encoded)
	if err != nil {
		return nil, nil, err
	}
	delete(members, "kid")
	if m.Header, err = readHeader(members); err != nil {
		return nil, nil, err
	}
	jwk, ok := members["jwk"].(map[string]any)
	if !ok {
		return nil, nil, fmt.Errorf("%w: jwk is not an object", ErrHeader)
	}
	delete(jwk, "kid")
	key, err := parseKey([]string{m.Header.Algorithm}, jwk)
	return m, key, err
}
