package tokenidp

import (
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
)

// standing is what an issuer keeps when the configuration is reloaded: who
// failed to authenticate, and which secrets are known to be right. Without it,
// a reload would forgive every guess, and cost a slow hash for every client.
type standing struct {
	authenticator *oauth.Authenticator
	applications  atomic.Pointer[application.Set] // last in force
}

// standings are those of the issuers in any configuration that is loaded.
var standings = caddy.NewUsagePool()

// Destruct has nothing to release.
func (*standing) Destruct() error { return nil }

// stand finds what the issuer keeps. It is given back with standings.Delete.
func (iss *Issuer) stand() error {
	value, _, err := standings.LoadOrNew(iss.Issuer, func() (caddy.Destructor, error) {
		return &standing{authenticator: oauth.NewAuthenticator()}, nil
	})
	if err != nil {
		return err
	}
	iss.standing = value.(*standing)
	return nil
}
