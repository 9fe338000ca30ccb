package secret

import (
	"crypto/rand"
	"encoding/base64"
	"hash/crc32"
	"strings"
)

// A generated secret is
//
//	tidp_ 43×base64url 6×base62
//
// A prefix that secret scanners find, 32 random bytes, and the CRC-32 of both. All
// characters are in [A-Za-z0-9_-], because curl -u does not percent-encode as RFC 6749
// section 2.3.1 requires.
const (
	generatedPrefix = "tidp_"
	randomBytes     = 32
	checksumLength  = 6
	bodyLength      = len(generatedPrefix) + 43
	generatedLength = bodyLength + checksumLength
	base62          = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Form is the form of a presented secret.
type Form int

const (
	// Chosen is anything without the prefix of generated secrets.
	Chosen Form = iota
	// Generated has the prefix, the length, the characters and the checksum.
	Generated
	// Mistyped has the prefix, but not the rest. No client can have such a secret.
	Mistyped
)

// Generate returns a new secret of 256 random bits, in the generated form.
func Generate() (secret string) {
	random := make([]byte, randomBytes)
	_, _ = rand.Read(random) // it never returns an error
	body := generatedPrefix + base64.RawURLEncoding.EncodeToString(random)
	return body + checksum(body)
}

func checksum(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	var digits [checksumLength]byte
	for i := checksumLength - 1; i >= 0; i-- {
		digits[i] = base62[sum%62]
		sum /= 62
	}
	return string(digits[:])
}

// Classify returns the form of a presented secret. So a typing error is found without a
// hash.
func Classify(presented string) Form {
	if !strings.HasPrefix(presented, generatedPrefix) {
		return Chosen
	}
	if len(presented) != generatedLength {
		return Mistyped
	}
	body := presented[:bodyLength]
	// The decoder skips line breaks, and so may return fewer bytes.
	random, err := base64.RawURLEncoding.Strict().DecodeString(body[len(generatedPrefix):])
	if err != nil || len(random) != randomBytes || checksum(body) != presented[bodyLength:] {
		return Mistyped
	}
	return Generated
}
