package signing

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// KeySet is a JWK Set (RFC 7517 section 5), ready to be served.
type KeySet struct {
	// JSON is the document: public halves only, the newest key first.
	JSON []byte
	// ETag changes when the document does; a quoted strong validator (RFC 9110
	// section 8.8.3).
	ETag string
}

func encodeKeySet(oldestFirst []*Key) (KeySet, error) {
	set := jose.JSONWebKeySet{Keys: make([]jose.JSONWebKey, 0, len(oldestFirst))}
	for _, k := range slices.Backward(oldestFirst) {
		set.Keys = append(set.Keys, k.public.JWK())
	}
	document, err := json.Marshal(set)
	if err != nil {
		return KeySet{}, fmt.Errorf("encoding the JWK Set: %w", err)
	}
	digest := sha256.Sum256(document)
	return KeySet{JSON: document, ETag: `"` + base64.RawURLEncoding.EncodeToString(digest[:16]) + `"`}, nil
}
