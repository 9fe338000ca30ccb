package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
	"time"
)

// Match is the result of a comparison without slow hashes.
type Match int

const (
	// NoMatch: it is none of the secrets.
	NoMatch Match = iota
	// Matched: it is one of them.
	Matched
	// Unknown: a slow hash must be computed.
	Unknown
)

// CheckFast compares a presented secret with those that have not expired at now. It
// computes no slow hash: it compares with SHA-256 hashes, mounted secrets, and secrets
// that an earlier CheckSlow has verified. It returns the secret that matched. After
// Unknown, call CheckSlow.
func (l List) CheckFast(presented string, now time.Time) (*Secret, Match) {
	c := newCandidate(presented)
	answer := NoMatch
	for _, s := range l {
		if s.ExpiredAt(now) {
			continue
		}
		switch c.compare(s) {
		case Matched:
			return s, Matched
		case Unknown:
			answer = Unknown
		case NoMatch:
		}
	}
	return nil, answer
}

// Remembers reports whether CheckFast can compare a chosen secret: there is a mounted
// secret, or one that an earlier CheckSlow has verified.
func (l List) Remembers(now time.Time) bool {
	return slices.ContainsFunc(l, func(s *Secret) bool { return !s.ExpiredAt(now) && s.remembered.Load() != nil })
}

// CheckSlow computes the slow hashes, in order, and remembers the secret that matched, so
// that the next request needs no slow hash. The caller must limit how many calls run
// concurrently.
func (l List) CheckSlow(presented string, now time.Time) (*Secret, bool) {
	// Another request may have verified the secret since CheckFast, so each entry is
	// compared once more. The fast comparisons come first.
	if s, match := l.CheckFast(presented, now); match != Unknown {
		return s, match == Matched
	}
	for _, s := range l {
		if s.ExpiredAt(now) || s.slow == nil || s.remembered.Load() != nil {
			continue
		}
		if s.slow.matches(presented) {
			s.remember(presented)
			return s, true
		}
	}
	// An entry may have been verified while the hashes above were computed.
	s, match := l.CheckFast(presented, now)
	return s, match == Matched
}

// ExpiredMatch returns the expired secret that the presented one matches, without slow
// hashes. It is for the log: the caller must not learn it.
func (l List) ExpiredMatch(presented string, now time.Time) (*Secret, bool) {
	c := newCandidate(presented)
	for _, s := range l {
		if s.ExpiredAt(now) && c.compare(s) == Matched {
			return s, true
		}
	}
	return nil, false
}

// candidate is a presented secret with its hashes. Each is computed at most once, for all
// secrets of an Application.
type candidate struct {
	presented string
	form      Form
	refused   bool
	digest    [sha256.Size]byte
	tagged    bool
	tag       Tag
}

func newCandidate(presented string) candidate {
	c := candidate{presented: presented, form: Classify(presented)}
	// A hash in the file may be that of an empty string. With a NUL, several secrets match
	// one hash: HMAC, and so PBKDF2, pads its key with NULs, and bcrypt repeats it with a
	// NUL between. A mistyped secret never matches.
	c.refused = presented == "" || strings.ContainsRune(presented, 0) || c.form == Mistyped
	if c.form == Generated {
		c.digest = sha256.Sum256([]byte(presented))
	}
	return c
}

// compare reports whether the candidate is s.
func (c *candidate) compare(s *Secret) Match {
	if c.refused {
		return NoMatch
	}
	if s.digest != nil {
		if c.form != Generated {
			return NoMatch
		}
		return matchIf(subtle.ConstantTimeCompare(c.digest[:], s.digest[:]))
	}
	if known := s.remembered.Load(); known != nil {
		if !c.tagged {
			c.tag, c.tagged = NewTag([]byte(c.presented)), true
		}
		return matchIf(subtle.ConstantTimeCompare(c.tag[:], known[:]))
	}
	if s.slow == nil {
		return NoMatch // the mounted secret of an inactive Application, which need not be there
	}
	return Unknown
}

func matchIf(equal int) Match {
	if equal == 1 {
		return Matched
	}
	return NoMatch
}
