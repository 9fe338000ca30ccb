package jws

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// MaxKeys is the number of entries a key set may have, usable or not.
const MaxKeys = 100

// KeySet holds the usable keys of one JWK set. It is immutable. A nil KeySet is empty.
type KeySet struct {
	Skipped   []error  // why each unusable entry was left out
	Ambiguous []string // kids that stand for different keys of one algorithm
	keys      []*Key
}

// ParseKeySet reads a JWK set (RFC 7517 section 5). Unusable entries are skipped one by
// one: symmetric and private keys, keys for another use than verifying signatures, and what
// [NewKey] refuses. An entry without "alg", as RFC 7517 section 4.4 permits, gets the first
// of the accepted algorithms that fits its kty and crv; one with another alg is skipped.
// Without accepted algorithms, each entry must name its own.
//
// One kid may stand for a key of each algorithm. All different keys of one kid and
// algorithm are skipped, because it is not clear which one a token means. A key that is
// there twice is one key. The error is [ErrKey], for a document that is not a JWK set,
// repeats a member name anywhere, or has over [MaxKeys] entries.
func ParseKeySet(jwks []byte, accepted ...string) (*KeySet, error) {
	document, err := strictjson.Object(ascii.WithoutBOM(jwks)) // RFC 8259 section 8.1
	if err != nil {
		return nil, fmt.Errorf("%w set: %w", ErrKey, err)
	}
	entries, ok := document["keys"].([]any)
	if !ok {
		return nil, fmt.Errorf(`%w set: "keys" is not an array`, ErrKey)
	}
	if len(entries) > MaxKeys {
		return nil, fmt.Errorf("%w set: %d entries, more than %d", ErrKey, len(entries), MaxKeys)
	}
	s := new(KeySet)
	for i, entry := range entries {
		s.add(accepted, i, entry)
	}
	s.dropRepeated()
	s.dropAmbiguous()
	return s, nil
}

func (s *KeySet) add(accepted []string, index int, entry any) {
	jwk, ok := entry.(map[string]any)
	if !ok {
		s.skip(index, nil, fmt.Errorf("%w: not an object", ErrKey))
		return
	}
	key, err := parseKey(accepted, jwk)
	if err != nil {
		s.skip(index, jwk["kid"], err)
		return
	}
	s.keys = append(s.keys, key)
}

func (s *KeySet) skip(index int, kid any, err error) {
	s.Skipped = append(s.Skipped, fmt.Errorf("key %d (kid %q): %w", index, fmt.Sprint(kid), err))
}

var errAmbiguous = errors.New("other keys of this algorithm have this kid too; each needs a kid of its own")

// dropRepeated removes repeated keys: some issuers publish a key twice.
func (s *KeySet) dropRepeated() {
	var kept []*Key
	for _, key := range s.keys {
		if !slices.ContainsFunc(kept, key.Equal) {
			kept = append(kept, key)
		}
	}
	s.keys = kept
}

// dropAmbiguous removes different keys of one kid and algorithm. It keeps keys without
// kid, because no token can name them.
func (s *KeySet) dropAmbiguous() {
	type name struct{ kid, algorithm string }
	count := make(map[name]int)
	for _, key := range s.keys {
		count[name{key.ID, key.Algorithm}]++
	}
	s.keys = slices.DeleteFunc(s.keys, func(key *Key) bool {
		if key.ID == "" || count[name{key.ID, key.Algorithm}] == 1 {
			return false
		}
		s.Skipped = append(s.Skipped, fmt.Errorf("key of %s (kid %q): %w: %w", key.Algorithm, key.ID, ErrKey, errAmbiguous))
		s.Ambiguous = append(s.Ambiguous, key.ID)
		return true
	})
}

// Key returns the first key with this kid, compared byte for byte. There is none for the
// empty kid.
func (s *KeySet) Key(kid string) (*Key, bool) {
	if s == nil || kid == "" {
		return nil, false
	}
	i := slices.IndexFunc(s.keys, func(key *Key) bool { return key.ID == kid })
	if i < 0 {
		return nil, false
	}
	return s.keys[i], true
}

// Keys returns the usable keys in the order of the document, also those without kid. The
// caller may change the slice.
func (s *KeySet) Keys() []*Key {
	if s == nil {
		return nil
	}
	return slices.Clone(s.keys)
}
