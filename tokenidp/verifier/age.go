package verifier

import (
	"errors"
	"fmt"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
)

var errNoIssuedAt = errors.New("iat is missing, so nobody knows the age")

// checkAge checks the age and the lifetime of a token. A token without iat, which is
// optional at some issuers, is refused. Otherwise its issuer would choose whether it is
// checked. No leeway is needed here: iat is at most [maxIssuedAhead] ahead, and it does no
// harm if a token looks younger by that.
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

// younger checks the age that the token has at a time.
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

// checkPresent checks that each claim is present. A claim that is null counts as absent:
// RFC 7519 gives null no meaning.
func (c *Claims) checkPresent(paths []claimrule.Path) error {
	for _, path := range paths {
		if value, found := c.At(path); !found || value == nil || c.Mistyped(path) {
			return Refuse(ClaimRequired, fmt.Errorf("the claim %s is missing, null or mistyped", path))
		}
	}
	return nil
}
