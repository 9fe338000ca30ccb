package application

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// Secret is one of an Application's secrets, as something to compare with: the
// secret itself is not in it.
type Secret struct {
	// ID is what logs and lists call it, unique within the Application.
	ID string
	// Expires is the first instant at which the secret is no longer valid; zero: never.
	Expires time.Time

	// One of the three is set: the SHA-256 of a generated secret, a slow hash, or,
	// of a mounted secret, only its tag in remembered.
	digest *[sha256.Size]byte
	slow   slowHash
	// remembered is the tag of the secret that has once matched slow.
	remembered atomic.Pointer[secret.Tag]

	// stored stands for what is in the file, to find the same again elsewhere, or
	// in another version.
	stored secret.Tag
	line   int
}

// Same reports whether the files have the same for both: the same hash, or the same
// mounted secret. Two hashes of one secret are not the same.
func (s *Secret) Same(other *Secret) bool { return s.stored == other.stored }

func (s *Secret) expired(now time.Time) bool {
	return !s.Expires.IsZero() && !now.Before(s.Expires)
}

// A generated secret is
//
//	tidp_ 43×base64url 6×base62
//
// A prefix that secret scanners find, 32 random bytes, and the CRC-32 of all
// that precedes. All of it is in [A-Za-z0-9_-], because curl -u does not
// percent-encode what RFC 6749 section 2.3.1 says must be.
const (
	secretPrefix    = "tidp_"
	secretRandom    = 32
	checksumLength  = 6
	secretBody      = len(secretPrefix) + 43
	secretLength    = secretBody + checksumLength
	base62          = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	longestSecret   = 1024
	generateCommand = "caddy tokenidp secret"
	hashCommand     = "caddy tokenidp secret --hash"
)

// Form says what a presented secret looks like.
type Form int

const (
	// Chosen is anything without the prefix of generated secrets.
	Chosen Form = iota
	// Generated has the prefix, the length, the characters and the checksum.
	Generated
	// Mistyped has the prefix and not the rest: it cannot be anybody's secret.
	Mistyped
)

// GenerateSecret makes a secret of 256 random bits.
func GenerateSecret() (secret string) {
	random := make([]byte, secretRandom)
	_, _ = rand.Read(random) // it never returns an error
	body := secretPrefix + base64.RawURLEncoding.EncodeToString(random)
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

// ClassifySecret tells the form of a presented secret. It takes a slip of the
// keyboard from a guess without any hashing.
func ClassifySecret(presented string) Form {
	if !strings.HasPrefix(presented, secretPrefix) {
		return Chosen
	}
	if len(presented) != secretLength {
		return Mistyped
	}
	body := presented[:secretBody]
	// The decoder skips line breaks, and so may return fewer bytes.
	random, err := base64.RawURLEncoding.Strict().DecodeString(body[len(secretPrefix):])
	if err != nil || len(random) != secretRandom || checksum(body) != presented[secretBody:] {
		return Mistyped
	}
	return Generated
}

// HashGenerated returns "$sha256$" and 64 lower-case hexadecimal digits. A fast
// hash is enough for 256 random bits, and for nothing less: it refuses any
// secret that is not of the generated form.
func HashGenerated(secret string) (string, error) {
	switch ClassifySecret(secret) {
	case Generated:
		digest := sha256.Sum256([]byte(secret))
		return sha256Prefix + hex.EncodeToString(digest[:]), nil
	case Mistyped:
		return "", errMistyped
	default:
		return "", fmt.Errorf("hashing a generated secret: it does not begin with %s", secretPrefix)
	}
}

var errMistyped = errors.New("the secret begins with " + secretPrefix + " but its checksum does not fit: it is mistyped or cut off")

// HashChosen returns the argon2id hash, in PHC form, of a secret that somebody
// chose: UTF-8 of 1 to 1024 bytes without NUL.
func HashChosen(secret string) (string, error) {
	switch {
	case secret == "":
		return "", errors.New("the secret is empty")
	case len(secret) > longestSecret:
		return "", fmt.Errorf("the secret is longer than %d bytes", longestSecret)
	case strings.ContainsRune(secret, 0):
		return "", errors.New("the secret has a NUL in it")
	case !utf8.ValidString(secret):
		return "", errors.New("the secret is not valid UTF-8")
	case ClassifySecret(secret) == Mistyped:
		// It would be stored and never match.
		return "", errMistyped
	}
	return newArgon2id(secret).String(), nil
}
