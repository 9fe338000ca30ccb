package state

import (
	"crypto/sha256"
	"encoding/binary"
)

// kind is what a key names.
type kind byte

const (
	tokenKind  kind = 1 // one token
	clientKind kind = 2 // the tokens of a client
	issuerKind kind = 3 // the tokens of an issuer
	onceKind   kind = 4 // a single-use identifier
)

// key is a name, however long, in 128 bits of SHA-256: it takes the same room for
// all, and nobody can find two names with one key.
type key struct{ high, low uint64 }

// newKey allocates only where the names are longer than any that are in use.
func newKey(k kind, issuer, name string) key {
	var room [512]byte
	text := append(room[:0], byte(k))
	text = binary.AppendUvarint(text, uint64(len(issuer)))
	text = append(text, issuer...)
	text = append(text, name...)
	digest := sha256.Sum256(text)
	// Zero is no key: a stored record that has it is damaged.
	return key{max(binary.BigEndian.Uint64(digest[:]), 1), binary.BigEndian.Uint64(digest[8:])}
}
