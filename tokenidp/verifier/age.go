package verifier

import (
	"errors"
	"fmt"
	"time"
)

var errNoIssuedAt = errors.New("iat is missing, so nobody knows the age")

// checkAge judges how old a token is, and for how long it was issued. iat is
// optional at some issuers: a token without it is refused, or its issuer would
// choose whether it is judged. The clocks need no leeway here: iat was found at most
// [maxIssuedAhead] ahead, and a token that looks younger by that much is no danger.
func (c *Claims) checkAge(r *Requirement, now time.Time) error {
	age, lifetime := now.Sub(c.IssuedAt), c.ExpiresAt.Sub(c.IssuedAt)
	unknown := c.IssuedAt.IsZero()
	switch {
	case r.MaxAge > 0 && unknown:
		return Refuse(TooOld, errNoIssuedAt)
	case r.MaxAge > 0 && age > r.MaxAge:
		return Refuse(TooOld, fmt.Errorf("it was issued %s ago, and %s is accepted", age.Truncate(time.Second), r.MaxAge))
	case r.MaxLifetime > 0 && unknown:
		return Refuse(LivesTooLong, errNoIssuedAt)
	case r.MaxLifetime > 0 && lifetime > r.MaxLifetime:
		return Refuse(LivesTooLong, fmt.Errorf("it was issued for %s, and %s is accepted", lifetime, r.MaxLifetime))
	}
	return nil
}

// checkPresent asks that each claim is there. null stands for a claim that the
// issuer left out (RFC 7519 has no meaning for it), so it is none.
func (c *Claims) checkPresent(paths []Path) error {
	for _, path := range paths {
		if value, found := c.At(path); !found || value == nil {
			return Refuse(ClaimRequired, fmt.Errorf("the claim %s is missing or null", path))
		}
	}
	return nil
}
