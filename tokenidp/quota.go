package tokenidp

import (
	"context"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
)

// takeFromQuota takes one token from what the Application may have. Only the
// Application itself comes so far, so nobody can use up another's.
func (iss *Issuer) takeFromQuota(ctx context.Context, a *application.Application) error {
	if a.Quota.Tokens == 0 {
		return nil
	}
	// Neither of the two has a space in it.
	if wait := iss.state.Take(ctx, iss.Issuer+" "+a.ClientID, a.Quota.Tokens, a.Quota.Per); wait > 0 {
		return oauth.QuotaExceeded(wait)
	}
	return nil
}
