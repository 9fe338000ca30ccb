// Package secret has the secrets of clients: the accepted hashes, the generated form, and
// comparisons with both. No secret stays in memory in plain text, and no error quotes one,
// or its hash.
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
	// ID is its name in logs and lists. It is unique within the Application.
	ID string
	// Expires is the first moment at which the secret is no longer valid. Zero: never.
	Expires time.Time
	// Line is the line of its definition in the file, from 1.
	Line int

	// One of the three is set: the SHA-256 of a generated secret, a slow hash, or, for a
	// mounted secret, its Tag in remembered.
	digest *[sha256.Size]byte
	slow   slowHash
	// remembered is the Tag of the secret that has matched slow.
	remembered atomic.Pointer[Tag]

	stored Tag
}

// SetHash sets the hash of the secret. Its forms are those of the applications file. The
// error continues a sentence that names the hash.
func (s *Secret) SetHash(encoded string) (err error) {
	if s.digest, s.slow, err = parseHash(encoded); err != nil {
		return err
	}
	s.stored = NewTag([]byte(encoded))
	return nil
}

// SetPlain sets the secret itself, such as that of a mounted file. Only its Tag stays in
// memory.
func (s *Secret) SetPlain(plain string) error {
	if err := checkPlain(plain); err != nil {
		return err
	}
	s.remember(plain)
	s.stored = *s.remembered.Load()
	return nil
}

var errMistyped = errors.New("the secret begins with " + generatedPrefix + " but its checksum does not fit: it is mistyped or cut off")

// checkPlain returns an error for a text that could never match, or is not meant as a
// secret.
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

// Stored returns a Tag of the hash or the plain secret that was set. Two Secrets have the
// same Tag if they were set to the same text. It is zero if nothing was set. Two different
// hashes of one secret have different Tags.
func (s *Secret) Stored() Tag { return s.stored }

func (s *Secret) remember(presented string) {
	t := NewTag([]byte(presented))
	s.remembered.Store(&t)
}

// List is the secrets of one Application.
type List []*Secret

// HashingTime returns an estimate, from the parameters, of the time to compute all slow
// hashes. A wrong secret takes this long until the correct ones are remembered.
func (l List) HashingTime() (sum time.Duration) {
	for _, s := range l {
		if s.slow != nil {
			sum += s.slow.cost()
		}
	}
	return sum
}

// Remember takes over from an earlier List which secrets were verified, so that unchanged
// secrets need no slow hash again.
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
