package verifier

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// Confirmation names the keys that a token is bound to (RFC 7800 section 3.1). The sender
// must prove possession of each that is not empty.
type Confirmation struct {
	Certificate string // x5t#S256, of the client's certificate (RFC 8705 section 3.1)
	Key         string // jkt, of the key of its proofs (RFC 9449 section 6.1)
}

// confirmation reads cnf. It refuses an unknown confirmation method, because a token that
// is bound in another way must not be accepted as unbound (RFC 7800 section 3.1).
func (r *claimReader) confirmation() *Confirmation {
	value, found := r.all["cnf"]
	if !found {
		return nil
	}
	members, _ := value.(map[string]any)
	c := new(Confirmation)
	for name, member := range members {
		thumbprint, _ := member.(string)
		switch {
		case !isThumbprint(thumbprint):
			r.fail(UnsupportedConfirm, fmt.Errorf("cnf has %.64q, which is not the SHA-256 of a key or certificate in base64url", name))
		case name == "x5t#S256":
			c.Certificate = thumbprint
		case name == "jkt":
			c.Key = thumbprint
		default:
			r.fail(UnsupportedConfirm, fmt.Errorf("cnf has the unknown %.64q", name))
		}
	}
	if len(members) == 0 {
		r.fail(UnsupportedConfirm, errEmptyConfirmation)
	}
	return c
}

var errEmptyConfirmation = errors.New("cnf is not an object with a member")

var thumbprintEncoding = base64.RawURLEncoding.Strict()

func isThumbprint(s string) bool {
	var sum [sha256.Size]byte
	if len(s) != base64.RawURLEncoding.EncodedLen(len(sum)) {
		return false
	}
	n, err := thumbprintEncoding.Decode(sum[:], []byte(s))
	return err == nil && n == len(sum)
}
