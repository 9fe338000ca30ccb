package secret

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// slowHash is a hash of a chosen secret.
type slowHash interface {
	// matches computes the hash, which takes about cost.
	matches(presented string) bool
	// cost returns an estimate of the time on a small server. It depends on the parameters
	// only, so it is the same on every node.
	cost() time.Duration
}

// The commands that make a hash, for errors.
const (
	GenerateCommand = "caddy tokenidp secret"
	HashCommand     = "caddy tokenidp secret --hash"
)

const (
	sha256Prefix = "$sha256$"
	longestHash  = 512

	longestChosen = 1024
)

var errUnknownHash = errors.New("it has none of the accepted forms" +
	" ($sha256$, $argon2id$, bcrypt $2a$ $2b$ $2y$ of cost 10 to 14, $pbkdf2-sha256$, $pbkdf2-sha512$); make one with `" + HashCommand + "`")

var errNoHash = errors.New("it is a generated secret itself, not the hash of one; make another with `" + GenerateCommand + "`, and write the hash that it prints")

// HashSyntax is a regular expression that the accepted hashes match. It says nothing of the
// limits of parameters.
const HashSyntax = `^(\$sha256\$[0-9a-f]{64}` +
	`|\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+` +
	`|\$2[aby]\$1[0-4]\$[./A-Za-z0-9]{53}` +
	`|\$pbkdf2-sha(256|512)\$(i=[0-9]+,l=[0-9]+|[0-9]+)\$[A-Za-z0-9+/.]+\$[A-Za-z0-9+/.]+)$`

// parseHash reads one of
//
//	$sha256$<64 lower-case hexadecimal digits>                 of a generated secret
//	$argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<hash>
//	$2a$|$2b$|$2y$<cost>$<22 characters of salt><31 of hash>   bcrypt
//	$pbkdf2-sha256$i=<iterations>,l=<bytes>$<salt>$<key>       or -sha512, as Ory Hydra writes it
//	$pbkdf2-sha256$<iterations>$<salt>$<key>                   or -sha512, as passlib writes it
//
// and returns the digest or the slow hash. No error quotes the hash, because it may be a
// secret by mistake.
func parseHash(encoded string) (*[sha256.Size]byte, slowHash, error) {
	if Classify(encoded) != Chosen {
		return nil, nil, errNoHash
	}
	if len(encoded) > longestHash || !ascii.Visible(encoded) {
		return nil, nil, errUnknownHash
	}
	var slow slowHash
	var err error
	switch {
	case strings.HasPrefix(encoded, sha256Prefix):
		digest, err := parseSHA256(encoded)
		return digest, nil, err
	case strings.HasPrefix(encoded, argon2idPrefix):
		slow, err = parseArgon2id(encoded)
	case strings.HasPrefix(encoded, "$2a$"), strings.HasPrefix(encoded, "$2b$"), strings.HasPrefix(encoded, "$2y$"):
		slow, err = parseBcrypt(encoded)
	case strings.HasPrefix(encoded, pbkdf2SHA256Prefix), strings.HasPrefix(encoded, pbkdf2SHA512Prefix):
		slow, err = parsePBKDF2(encoded)
	default:
		err = errUnknownHash
	}
	if err != nil {
		return nil, nil, err
	}
	return nil, slow, nil
}

func parseSHA256(encoded string) (*[sha256.Size]byte, error) {
	digits := strings.TrimPrefix(encoded, sha256Prefix)
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != sha256.Size || strings.ToLower(digits) != digits {
		return nil, fmt.Errorf("%s must be followed by %d lower-case hexadecimal digits", sha256Prefix, 2*sha256.Size)
	}
	return (*[sha256.Size]byte)(raw), nil
}

// parameter reads a cost parameter of a hash within its limits. Without limits, one
// authentication could take minutes or gigabytes, or almost nothing.
func parameter(hash, name, digits string, least, most int) (int, error) {
	n, err := strconv.Atoi(digits)
	if err != nil || strconv.Itoa(n) != digits {
		return 0, fmt.Errorf("%s: parameter %s is not a number", hash, name)
	}
	if n < least || n > most {
		return 0, fmt.Errorf("%s: parameter %s is %d; it must be %d to %d", hash, name, n, least, most)
	}
	return n, nil
}

// decodeBounded reads the salt or the hash, in base64 without padding.
func decodeBounded(hash, name, encoded string, least, most int) ([]byte, error) {
	raw, err := base64.RawStdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("%s: the %s is not base64 without padding", hash, name)
	}
	if len(raw) < least || len(raw) > most {
		return nil, fmt.Errorf("%s: the %s has %d bytes; it must have %d to %d", hash, name, len(raw), least, most)
	}
	return raw, nil
}

// HashGenerated returns the hash of a generated secret: "$sha256$" and 64 lower-case
// hexadecimal digits. It returns an error for a secret that is not of the generated form,
// because a fast hash is safe only for 256 random bits.
func HashGenerated(secret string) (string, error) {
	switch Classify(secret) {
	case Generated:
		digest := sha256.Sum256([]byte(secret))
		return sha256Prefix + hex.EncodeToString(digest[:]), nil
	case Mistyped:
		return "", errMistyped
	default:
		return "", fmt.Errorf("hashing a generated secret: it does not begin with %s", generatedPrefix)
	}
}

// HashChosen returns the argon2id hash, in PHC form, of a chosen secret: UTF-8 of 1 to
// 1024 bytes without NUL. It returns an error for anything else, and for a mistyped
// generated secret.
func HashChosen(secret string) (string, error) {
	if len(secret) > longestChosen {
		return "", fmt.Errorf("the secret is longer than %d bytes", longestChosen)
	}
	if err := checkPlain(secret); err != nil {
		return "", err
	}
	return newArgon2id(secret).String(), nil
}
