package secret

import "time"

// ExpiryNotice is how long before its expiry a secret is told of.
const ExpiryNotice = 30 * 24 * time.Hour

// Validity is whether a secret has expired, or is about to.
type Validity string

const (
	// Valid is not about to expire.
	Valid Validity = "valid"
	// Expiring expires within ExpiryNotice.
	Expiring Validity = "expiring"
	// Expired does not authenticate any more.
	Expired Validity = "expired"
)

// ValidityAt returns the validity at a moment.
func (s *Secret) ValidityAt(now time.Time) Validity {
	switch {
	case s.ExpiredAt(now):
		return Expired
	case s.ExpiredAt(now.Add(ExpiryNotice)):
		return Expiring
	default:
		return Valid
	}
}

// ExpiredAt reports whether the secret has expired at a moment.
func (s *Secret) ExpiredAt(now time.Time) bool {
	return !s.Expires.IsZero() && !now.Before(s.Expires)
}
