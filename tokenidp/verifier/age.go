package verifier

import (
	"errors"
	"fmt"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
)

var errNoIssuedAt = errors.New("iat is missing, so nobody knows the age")

// checkAge checks the age and the lifetime of a token. iat is
// optional at some issuers: a token without it is refused, or its issuer would
// choose whether it is checked. The clocks need no leeway here: iat was found at most
// [maxIssuedAhead] ahead, and a token that looks younger by that much is no danger.
func (c *Claims) checkAge(r *Requirement, now func() time.Time) error {
	if r.MaxAge > 0 {
		if err := c.younger(TooOld, "it was issued %s ago, and %s is accepted", now(), r.MaxAge); err != nil {
			return err
		}
	}
	if r.MaxLifetime > 0 {
		return c.younger(LivesTooLong, "it was issued for %s, and %s is accepted", c.ExpiresAt, r.MaxLifetime)
	}
	return nil
}

// younger checks what the age of the token is, or will be, at some time.
func (c *Claims) younger(reason Reason, cause string, at time.Time, most time.Duration) error {
	age := at.Sub(c.IssuedAt)
	switch {
	case c.IssuedAt.IsZero():
		return Refuse(reason, errNoIssuedAt)
	case age > most:
		return Refuse(reason, fmt.Errorf(cause, age.Truncate(time.Second), most))
	}
	return nil
}

// checkPresent asks that each claim is there. null stands for a claim that the
// issuer left out (RFC 7519 has no meaning for it), so it is none.
func (c *Claims) checkPresent(paths []claimrule.Path) error {
	for _, path := range paths {
		if value, found := c.At(path); !found || value == nil {
			return Refuse(ClaimRequired, fmt.Errorf("the claim %s is missing or null", path))
		}
	}
	return nil
}
