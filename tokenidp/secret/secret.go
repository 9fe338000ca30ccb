// Package secret holds the secrets by which clients authenticate, as something to
// compare with: the hashes that are accepted, and the generated form. No secret itself
// stays in memory, and no error repeats one, or its hash.
package secret

import (
	"crypto/sha256"
	"errors"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Secret is one of an Application's secrets.
type Secret struct {
	// ID is what logs and lists call it, unique within the Application.
	ID string
	// Expires is the first instant at which the secret is no longer valid; zero: never.
	Expires time.Time
	// Line is where its definition begins in its file, from 1.
	Line int

	// One of the three is set: the SHA-256 of a generated secret, a slow hash, or,
	// of a mounted secret, only its Tag in remembered.
	digest *[sha256.Size]byte
	slow   slowHash
	// remembered is the Tag of the secret that has once matched slow.
	remembered atomic.Pointer[Tag]

	stored Tag
}

// SetHash has the Secret match what the hash is of: see parseHash for the forms. The
// error goes on where a sentence that names the hash has begun.
func (s *Secret) SetHash(encoded string) (err error) {
	if s.digest, s.slow, err = parseHash(encoded); err != nil {
		return err
	}
	s.stored = NewTag([]byte(encoded))
	return nil
}

// SetPlain has the Secret match the given one, such as that of a mounted file. Only
// its Tag stays in memory.
func (s *Secret) SetPlain(plain string) error {
	if err := checkPlain(plain); err != nil {
		return err
	}
	s.remember(plain)
	s.stored = *s.remembered.Load()
	return nil
}

var errMistyped = errors.New("the secret begins with " + generatedPrefix + " but its checksum does not fit: it is mistyped or cut off")

// checkPlain refuses what could never match, or nobody means to be a secret.
func checkPlain(plain string) error {
	switch {
	case plain == "":
		return errors.New("the secret is empty")
	case strings.ContainsRune(plain, 0):
		return errors.New("the secret has a NUL in it")
	case !utf8.ValidString(plain):
		return errors.New("the secret is not valid UTF-8")
	case Classify(plain) == Mistyped:
		return errMistyped
	}
	return nil
}

// Stored returns what stands for the hash, or for the plain secret, that the Secret was
// given: equal for two that were given the same. It is zero for a Secret that was given
// none. Two hashes of one secret are not the same.
func (s *Secret) Stored() Tag { return s.stored }

func (s *Secret) remember(presented string) {
	t := NewTag([]byte(presented))
	s.remembered.Store(&t)
}

// List is the secrets of one Application.
type List []*Secret

// HashingTime returns how long all slow hashes together are estimated to take, from
// their parameters alone. That is what a wrong secret costs until the right ones are
// remembered.
func (l List) HashingTime() (sum time.Duration) {
	for _, s := range l {
		if s.slow != nil {
			sum += s.slow.cost()
		}
	}
	return sum
}

// Remember takes over what an earlier List knows of secrets that are still the same:
// they cost no slow hash again.
func (l List) Remember(earlier List) {
	for _, s := range l {
		if s.slow == nil {
			continue
		}
		for _, known := range earlier {
			if t := known.remembered.Load(); t != nil && known.stored == s.stored {
				s.remembered.CompareAndSwap(nil, t)
			}
		}
	}
}
