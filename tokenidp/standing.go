package tokenidp

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
)

// standing is what an issuer keeps when the configuration is reloaded: who
// failed to authenticate, which secrets are known to be right, and the keys.
// Without it, a reload would forgive every guess, cost a slow hash for every
// client, and forget for how long a key has been retired.
type standing struct {
	authenticator *oauth.Authenticator
	applications  atomic.Pointer[application.Set] // last in force
	keys          atomic.Pointer[storedRing]      // last in force
}

// storedRing is a ring, and the storage that its keys are in.
type storedRing struct {
	ring    *signing.Ring
	storage string
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

// newRing makes the ring of a configuration, which goes on from the one before
// if that had the same storage.
func (s *standing) newRing(storage certmagic.Storage, iss *Issuer) *signing.Ring {
	o := signing.Options{RotateEvery: time.Duration(iss.Rotate), Logger: iss.logger}
	iss.storage = fmt.Sprintf("%T %v", storage, storage)
	if before := s.keys.Load(); before != nil && before.storage == iss.storage {
		o.Predecessor = before.ring
	}
	return signing.NewRingWith(storage, iss.Issuer, iss.SigningAlgorithm, o)
}

// keep puts the issuer's state in force for the configurations after this one.
func (iss *Issuer) keep() {
	iss.standing.applications.Store(iss.applications.Load())
	iss.standing.keys.Store(&storedRing{ring: iss.keys, storage: iss.storage})
}
