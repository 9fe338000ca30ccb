package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
)

// Tag represents a secret in memory: its HMAC-SHA-256 with a key of this process. Without
// the key, a leaked Tag cannot be tested against a dictionary. Two Tags of one process are
// equal if their secrets are.
type Tag [sha256.Size]byte

var processKey = sync.OnceValue(func() []byte {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // it never returns an error
	return key
})

// NewTag returns the Tag of a secret, or of other bytes that may have one.
func NewTag(secret []byte) (t Tag) {
	mac := hmac.New(sha256.New, processKey())
	mac.Write(secret)
	mac.Sum(t[:0])
	return t
}
