package tokenidp

import (
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
)

// standing is what an issuer keeps when the configuration is reloaded: who
// failed to authenticate, which secrets are known to be right, and the keys, its own
// and those of its clients.
// Without it, a reload would forgive every guess, cost a slow hash for every
// client, and forget for how long a key has been retired.
type standing struct {
	authenticator *oauth.Authenticator
	applications  atomic.Pointer[application.Set]  // last in force
	keys          atomic.Pointer[storedRing]       // last in force
	lastUse       atomic.Pointer[storedRecord]     // last in force
	clientKeys    atomic.Pointer[clientKeySources] // last in force
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

// predecessor is the ring of the configuration before, if that had the same
// storage.
func (s *standing) predecessor(storage string) *signing.Ring {
	if before := s.keys.Load(); before != nil && before.storage == storage {
		return before.ring
	}
	return nil
}

// keysOf is what the configuration before has of a client's URL, or nil.
func (s *standing) keysOf(published application.PublishedKeys) *clientKeySource {
	if before := s.clientKeys.Load(); before != nil {
		return (*before)[published]
	}
	return nil
}

// keep puts the issuer's state in force for the configurations after this one. leave
// takes back what cannot outlive this one, if it has not started.
func (iss *Issuer) keep() (leave func()) {
	leave = func() {}
	iss.standing.applications.Store(iss.applications.Load())
	iss.standing.keys.Store(&storedRing{ring: iss.keys, storage: iss.storage})
	if set := iss.applications.Load(); set != nil {
		iss.lastUse.Observe(declaredSecrets(set))
	}
	kept := &storedRecord{record: iss.lastUse, bounded: iss.bounded, storage: iss.storage}
	if before := iss.standing.lastUse.Load(); before != nil && before.record == iss.lastUse {
		kept.bounded = before.bounded
		leave = kept.bounded.Follow(iss.bounded)
	}
	iss.standing.lastUse.Store(kept)
	return leave
}
