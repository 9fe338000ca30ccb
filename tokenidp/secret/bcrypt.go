package secret

import (
	"encoding/base64"
	"errors"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// bcryptHash is the whole of "$2b$<cost>$<salt><hash>", or $2a$ or $2y$.
type bcryptHash struct {
	encoded string
	rounds  int // the base-2 logarithm of them
}

const (
	bcryptLength = 60
	// bcryptSecret is how many bytes bcrypt uses. It ignores the others.
	bcryptSecret = 72
)

var bcryptBase64 = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)

func parseBcrypt(encoded string) (*bcryptHash, error) {
	if len(encoded) != bcryptLength || encoded[6] != '$' {
		return nil, errors.New("bcrypt: want $2b$<cost of two digits>$ and 53 characters")
	}
	digits := encoded[4:6]
	if digits[0] == '0' {
		digits = digits[1:]
	}
	rounds, err := parameter("bcrypt", "cost", digits, 10, 14)
	if err != nil {
		return nil, err
	}
	// Tools differ in the unused bits of the last character of a salt, so only the hash
	// must have the one spelling that can match.
	if _, err := bcryptBase64.DecodeString(encoded[7:29]); err != nil {
		return nil, errors.New("bcrypt: the salt has characters other than ./A-Za-z0-9")
	}
	if _, err := bcryptBase64.Strict().DecodeString(encoded[29:]); err != nil {
		return nil, errors.New("bcrypt: the hash is not one that bcrypt writes")
	}
	return &bcryptHash{encoded: encoded, rounds: rounds}, nil
}

// matches returns false for a secret that bcrypt would truncate. Otherwise every secret
// with the same first 72 bytes would match.
func (b *bcryptHash) matches(presented string) bool {
	return len(presented) <= bcryptSecret &&
		bcrypt.CompareHashAndPassword([]byte(b.encoded), []byte(presented)) == nil
}

func (b *bcryptHash) cost() time.Duration {
	return 57 * time.Millisecond << (b.rounds - 10)
}
