package secret

import "time"

// ExpiryNotice is how long before its expiry a secret is reported.
const ExpiryNotice = 30 * 24 * time.Hour

// Validity says whether a secret has expired, or expires soon.
type Validity string

const (
	// Valid does not expire soon.
	Valid Validity = "valid"
	// Expiring expires within ExpiryNotice.
	Expiring Validity = "expiring"
	// Expired cannot authenticate any more.
	Expired Validity = "expired"
)

// ValidityAt returns the validity at a time.
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

// ExpiredAt reports whether the secret has expired at a time.
func (s *Secret) ExpiredAt(now time.Time) bool {
	return !s.Expires.IsZero() && !now.Before(s.Expires)
}
