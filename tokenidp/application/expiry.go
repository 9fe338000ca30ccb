package application

import "time"

// ExpiryNotice is how long before its expiry a secret is told of.
const ExpiryNotice = 30 * 24 * time.Hour

// Validity is what the clock says of a secret.
type Validity string

const (
	// Valid is not about to expire.
	Valid Validity = "valid"
	// Expiring expires within ExpiryNotice.
	Expiring Validity = "expiring"
	// Expired does not authenticate any more.
	Expired Validity = "expired"
)

// ValidityAt is the validity at a moment.
func (s *Secret) ValidityAt(now time.Time) Validity {
	switch {
	case s.expired(now):
		return Expired
	case s.expired(now.Add(ExpiryNotice)):
		return Expiring
	default:
		return Valid
	}
}
