package secret

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"
)

// pbkdf2Hash is a key of RFC 8018 section 5.2 with HMAC-SHA-256 or HMAC-SHA-512.
type pbkdf2Hash struct {
	sha512     bool
	iterations int
	salt       []byte
	key        []byte
}

const (
	pbkdf2SHA256Prefix = "$pbkdf2-sha256$"
	pbkdf2SHA512Prefix = "$pbkdf2-sha512$"

	leastPBKDF2Iterations = 10_000
	mostPBKDF2Iterations  = 2_000_000
)

func parsePBKDF2(encoded string) (*pbkdf2Hash, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 5 {
		return nil, errors.New("pbkdf2: want $pbkdf2-sha256$i=…,l=…$salt$key or $pbkdf2-sha256$iterations$salt$key")
	}
	name, parameters, salt, key := parts[1], parts[2], parts[3], parts[4]
	h := &pbkdf2Hash{sha512: name == "pbkdf2-sha512"}

	iterations, length := parameters, ""
	rest, hydra := strings.CutPrefix(parameters, "i=")
	if hydra {
		iterations, length, _ = strings.Cut(rest, ",l=")
	} else {
		var err error
		if salt, key, err = fromPasslib(name, salt, key); err != nil {
			return nil, err
		}
	}
	var err error
	if h.iterations, err = parameter(name, "i", iterations, leastPBKDF2Iterations, mostPBKDF2Iterations); err != nil {
		return nil, err
	}
	if h.salt, err = decodeBounded(name, "salt", salt, 8, longestHash); err != nil {
		return nil, err
	}
	if h.key, err = decodeBounded(name, "key", key, 16, 64); err != nil {
		return nil, err
	}
	if hydra {
		if l, err := parameter(name, "l", length, 16, 64); err != nil {
			return nil, err
		} else if l != len(h.key) {
			return nil, fmt.Errorf("%s: parameter l is %d, but the key has %d bytes", name, l, len(h.key))
		}
	}
	return h, nil
}

// fromPasslib converts passlib's base64, which has '.' for '+', to standard base64.
func fromPasslib(name, salt, key string) (string, string, error) {
	if strings.Contains(salt+key, "+") {
		return "", "", fmt.Errorf("%s: passlib writes '.' where this has '+'", name)
	}
	return strings.ReplaceAll(salt, ".", "+"), strings.ReplaceAll(key, ".", "+"), nil
}

func (h *pbkdf2Hash) matches(presented string) bool {
	var key []byte
	var err error
	if h.sha512 {
		key, err = pbkdf2.Key(sha512.New, presented, h.salt, h.iterations, len(h.key))
	} else {
		key, err = pbkdf2.Key(sha256.New, presented, h.salt, h.iterations, len(h.key))
	}
	return err == nil && subtle.ConstantTimeCompare(key, h.key) == 1
}

// cost counts the blocks, because a key that is longer than the digest needs all
// iterations again.
func (h *pbkdf2Hash) cost() time.Duration {
	each, digest := 165*time.Nanosecond, sha256.Size
	if h.sha512 {
		each, digest = each*3/2, sha512.Size
	}
	blocks := (len(h.key) + digest - 1) / digest
	return each * time.Duration(h.iterations*blocks)
}
