package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
	"time"
)

// Match is what is known about a presented secret without a slow hash.
type Match int

const (
	// NoMatch: it is none of the secrets.
	NoMatch Match = iota
	// Matched: it is one of them.
	Matched
	// Unknown: only a slow hash can tell.
	Unknown
)

// CheckFast compares a presented secret with those that have not expired at
// now, without ever running a slow hash: with SHA-256 hashes, mounted secrets,
// and secrets remembered from an earlier CheckSlow. It returns the secret that
// matched. After Unknown, call CheckSlow.
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

// Remembers reports whether CheckFast has something to compare a chosen secret with: a
// mounted secret, or one remembered from an earlier CheckSlow.
func (l List) Remembers(now time.Time) bool {
	return slices.ContainsFunc(l, func(s *Secret) bool { return !s.ExpiredAt(now) && s.remembered.Load() != nil })
}

// CheckSlow runs the slow hashes that CheckFast has no answer for, in order,
// and remembers the secret that matched, so that the next token costs no slow
// hash. Bound how many calls run at once: that is the point of its being
// separate.
func (l List) CheckSlow(presented string, now time.Time) (*Secret, bool) {
	// Another request may have made an entry remembered since CheckFast said
	// Unknown, so each is compared once more. All the fast ones go first.
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
	// What was remembered while the hashes above ran was skipped.
	s, match := l.CheckFast(presented, now)
	return s, match == Matched
}

// ExpiredMatch finds the expired secret that the presented one would have
// matched without a slow hash. It is for the log: the caller must not learn it.
func (l List) ExpiredMatch(presented string, now time.Time) (*Secret, bool) {
	c := newCandidate(presented)
	for _, s := range l {
		if s.ExpiredAt(now) && c.compare(s) == Matched {
			return s, true
		}
	}
	return nil, false
}

// candidate is a presented secret with what the comparisons need of it, each
// computed once, if at all, however many secrets an Application has.
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
	// A foreign hash may be that of an empty string. With a NUL, several secrets
	// fit one hash: HMAC, and so PBKDF2, fills its key up with NULs, and bcrypt
	// repeats it with one in between. A mistyped secret is nobody's.
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
