package tokenidp

import "github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"

// issuerCarryover is what an issuer keeps over a reload: who failed to authenticate,
// which secrets are known to be right, and what serves: its keys and those of its
// clients, its Applications and the last use of their secrets. Without it, a reload
// would forgive every guess, cost a slow hash for every client, and forget for how long
// a key has been retired.
type issuerCarryover struct {
	authenticator *oauth.Authenticator
	serving       succession[Issuer]
}

// carryOver finds what the issuer keeps.
func (iss *Issuer) carryOver() (err error) {
	iss.carried, iss.release, err = carry(iss.Issuer, func() (*issuerCarryover, error) {
		return &issuerCarryover{authenticator: oauth.NewAuthenticator()}, nil
	})
	return err
}

// serve lets the configurations after this one go on from this issuer. Call all of
// leave when this configuration ends.
func (iss *Issuer) serve() (leave []func()) {
	before := iss.carried.serving.latest()
	leave = append(leave, iss.carried.serving.enter(iss))
	if set := iss.applications.Load(); set != nil {
		iss.lastUse.Observe(declaredSecrets(set))
	}
	if before != nil && before.lastUse == iss.lastUse {
		leave = append(leave, iss.lastUseStorage.Follow(iss.bounded))
	}
	return leave
}
