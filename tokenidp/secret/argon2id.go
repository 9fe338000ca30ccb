package secret

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// argon2id is a hash of RFC 9106.
type argon2id struct {
	memory int // KiB
	passes int
	lanes  int
	salt   []byte
	hash   []byte
}

const argon2idPrefix = "$argon2id$"

// The limits. A small server can compute one pass over 256 MiB for a request. The product
// limits the time, each factor the memory.
const (
	leastArgon2Memory = 7168
	mostArgon2Memory  = 256 << 10
	mostArgon2Passes  = 16
	mostArgon2Lanes   = 16
	mostArgon2Work    = 1 << 20
)

func parseArgon2id(encoded string) (*argon2id, error) {
	const name = "argon2id"
	parts := strings.Split(strings.TrimPrefix(encoded, argon2idPrefix), "$")
	if len(parts) != 4 || parts[0] != "v=19" {
		return nil, errors.New("argon2id: want $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	}
	parameters := strings.Split(parts[1], ",")
	if len(parameters) != 3 {
		return nil, errors.New("argon2id: want the parameters m=…,t=…,p=…, in this order")
	}
	var a argon2id
	for i, p := range []struct {
		name        string
		least, most int
		value       *int
	}{
		{"m", leastArgon2Memory, mostArgon2Memory, &a.memory},
		{"t", 1, mostArgon2Passes, &a.passes},
		{"p", 1, mostArgon2Lanes, &a.lanes},
	} {
		given := slices.IndexFunc(parameters, func(s string) bool { return strings.HasPrefix(s, p.name+"=") })
		switch {
		case given < 0:
			return nil, errors.New("argon2id: want the parameters m=…,t=…,p=…, in this order")
		case given != i: // as some libraries write it
			return nil, errors.New("argon2id: the parameters are in another order than m=…,t=…,p=…; write them in this one, and the hash stays valid")
		}
		digits := strings.TrimPrefix(parameters[i], p.name+"=")
		var err error
		if *p.value, err = parameter(name, p.name, digits, p.least, p.most); err != nil {
			return nil, err
		}
	}
	if work := a.memory * a.passes; work > mostArgon2Work {
		return nil, fmt.Errorf("argon2id: parameters m×t are %d; they must be at most %d", work, mostArgon2Work)
	}
	var err error
	if a.salt, err = decodeBounded(name, "salt", parts[2], 8, 64); err != nil {
		return nil, err
	}
	if a.hash, err = decodeBounded(name, "hash", parts[3], 16, 64); err != nil {
		return nil, err
	}
	return &a, nil
}

// newArgon2id returns a hash with parameters that OWASP recommends: 19 MiB, 2 passes.
func newArgon2id(secret string) *argon2id {
	a := &argon2id{memory: 19456, passes: 2, lanes: 1, salt: make([]byte, 16), hash: make([]byte, 32)}
	_, _ = rand.Read(a.salt) // it never returns an error
	a.hash = a.derive(secret)
	return a
}

func (a *argon2id) derive(secret string) []byte {
	//nolint:gosec // parseArgon2id bounds each of them
	return argon2.IDKey([]byte(secret), a.salt, uint32(a.passes), uint32(a.memory), uint8(a.lanes), uint32(len(a.hash)))
}

func (a *argon2id) matches(presented string) bool {
	return subtle.ConstantTimeCompare(a.derive(presented), a.hash) == 1
}

func (a *argon2id) cost() time.Duration {
	return 20 * time.Millisecond * time.Duration(a.memory*a.passes) / 38912
}

// String returns the PHC form, for the applications file.
func (a *argon2id) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("%sv=%d$m=%d,t=%d,p=%d$%s$%s", argon2idPrefix, argon2.Version,
		a.memory, a.passes, a.lanes, b64.EncodeToString(a.salt), b64.EncodeToString(a.hash))
}
