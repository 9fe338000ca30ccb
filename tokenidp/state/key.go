package state

import (
	"crypto/sha256"
	"encoding/binary"
)

// kind is the kind of what a key names.
type kind byte

const (
	tokenKind  kind = 1 // one token
	clientKind kind = 2 // the tokens of a client
	issuerKind kind = 3 // the tokens of an issuer
	onceKind   kind = 4 // a single-use identifier
)

// key is 128 bits of the SHA-256 of a name. Its size is the same for all names, and two
// names with one key cannot be found.
type key struct{ high, low uint64 }

// newKey allocates only for names that are longer than usual.
func newKey(k kind, issuer, name string) key {
	var room [512]byte
	text := append(room[:0], byte(k))
	text = binary.AppendUvarint(text, uint64(len(issuer)))
	text = append(text, issuer...)
	text = append(text, name...)
	digest := sha256.Sum256(text)
	// A stored record with the zero key is damaged.
	return key{max(binary.BigEndian.Uint64(digest[:]), 1), binary.BigEndian.Uint64(digest[8:])}
}
