package tokenidp

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// prepareVerification sets how the tokens of this issuer are verified. All routes share
// it, and its cache of verified tokens.
func (iss *Issuer) prepareVerification(keys verifier.KeySource) (err error) {
	iss.verification, err = verifier.NewIssuer(verifier.Options{
		URL: iss.Issuer,
		// Any algorithm that a key of this issuer may have: its keys outlive a
		// change of the configured one, and each is bound to its own.
		Algorithms: jws.Algorithms,
		Types:      []string{"at+jwt"},
		Keys:       keys,
		Annotate:   annotates(iss.usage, iss.decisions.audit),
	})
	return err
}

func (iss *Issuer) id() string { return iss.Issuer }

func (iss *Issuer) verifies() *verifier.Issuer { return iss.verification }

// applicationRule is the rule of a route for an issuer of this server. Its requirement
// changes with the Applications in force.
type applicationRule struct {
	issuer      *Issuer
	requirement atomic.Pointer[verifier.Requirement]
}

func (iss *Issuer) newRule(v *Verify) (rule, error) {
	r := &applicationRule{issuer: iss}
	return r, iss.depend(dependent{
		source: v.Source,
		check: func(set *application.Set) error {
			_, err := v.requirement(iss, set)
			return err
		},
		adopt: func(set *application.Set) {
			if requirement, err := v.requirement(iss, set); err == nil { // checked before
				r.requirement.Store(requirement)
			}
		},
	})
}

func (r *applicationRule) authorize(claims *verifier.Claims, request *http.Request) error {
	if err := r.issuer.checkActive(claims); err != nil {
		return err
	}
	return claims.Authorize(r.requirement.Load(), time.Now, request)
}

func (r *applicationRule) requires() *verifier.Requirement { return r.requirement.Load() }

// checkActive refuses tokens that are revoked, and those of an Application that is not
// active.
func (iss *Issuer) checkActive(claims *verifier.Claims) error {
	if err := notRevoked(iss.state, claims); err != nil {
		return err
	}
	return iss.checkClientActive(claims.ClientID)
}

// checkClientActive refuses tokens of an Application that was removed or deactivated after they
// were issued.
func (iss *Issuer) checkClientActive(clientID string) error {
	set := iss.applications.Load()
	if set == nil {
		return nil // declared elsewhere
	}
	a, ok := set.Application(clientID)
	switch {
	case !ok:
		return verifier.Refuse(verifier.InactiveClient, fmt.Errorf("application %.64q is not declared any more", clientID))
	case !a.Active:
		return verifier.Refuse(verifier.InactiveClient, fmt.Errorf("application %.64q is deactivated", clientID))
	}
	return nil
}
