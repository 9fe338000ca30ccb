package tokenidp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// dependent is a part of the configuration that depends on the Applications. A change for
// which check returns an error is not put in force.
type dependent struct {
	source string
	check  func(*application.Set) error
	adopt  func(*application.Set)
}

func (iss *Issuer) loadApplications(ctx context.Context) error {
	if len(iss.Applications) == 0 {
		return nil
	}
	s := sandboxFrom(ctx)
	if s != nil && s.Applications != nil {
		return iss.take(s.Applications[iss.Issuer])
	}
	repl := caddy.NewReplacer()
	options := application.Options{
		Expand: func(s string) (string, error) { return repl.ReplaceOrErr(s, true, true) },
	}
	if s != nil {
		options.Absent = s.absent
	}
	iss.library = live.NewLibrary(iss.Applications, options)
	before := iss.carried.serving.latest()
	if before != nil && before.library != nil && s == nil {
		iss.library.Reuse(before.library.Versions())
	}
	iss.library.Accept, iss.library.Adopt, iss.library.Logger = iss.acceptable, iss.adopt, iss.logger
	iss.library.Changed = func(changes []string) { iss.decisions.changed(iss.Issuer, changes) }
	set, err := iss.library.Load()
	if err != nil {
		return fmt.Errorf("loading applications: %w", err)
	}
	if before != nil && before.applications.Load() != nil {
		set.Remember(before.applications.Load())
	}
	iss.library.Warn(set)
	iss.applications.Store(set)
	return nil
}

// take puts the Applications in force that a sandbox has.
func (iss *Issuer) take(set *application.Set) error {
	if set == nil {
		return errors.New("there are no Applications for this issuer; has the configuration changed meanwhile?")
	}
	iss.applications.Store(set)
	return nil
}

// depend registers a dependent. It returns an error if the dependent does not accept the
// Applications in force.
func (iss *Issuer) depend(d dependent) error {
	set := iss.applications.Load()
	if err := d.check(set); err != nil {
		return err
	}
	d.adopt(set)
	iss.dependents = append(iss.dependents, d)
	return nil
}

// acceptable returns an error if a dependent does not accept the set.
func (iss *Issuer) acceptable(set *application.Set) error {
	for _, d := range iss.dependents {
		if err := d.check(set); err != nil {
			return placed(d.source, err)
		}
	}
	return nil
}

// adopt puts the Applications in force.
func (iss *Issuer) adopt(set *application.Set) {
	before := iss.applications.Load()
	iss.clientKeys.Follow(set)
	for _, d := range iss.dependents {
		d.adopt(set)
	}
	iss.applications.Store(set)
	iss.declareUsage(set)
	iss.decisions.deactivated(iss.Issuer, before, set)
}

// federate lets Applications authenticate with tokens of the trusted issuers that they
// name. Only the configuration says which issuers are trusted; an applications file can
// only refer to them.
func (iss *Issuer) federate(trusted []*TrustedIssuer) error {
	if iss.assertions == nil {
		return nil // without Applications
	}
	byIssuer := make(map[string]*TrustedIssuer)
	iss.assertions.Trusted = make(map[string]oauth.TrustedIssuer)
	for _, t := range trusted {
		v, err := verifier.New(time.Now, t.verification)
		if err != nil {
			return err
		}
		byIssuer[t.Issuer] = t
		iss.assertions.Trusted[t.Issuer] = oauth.TrustedIssuer{
			Verifier: v, Claims: t.rules, EverybodysAudience: t.kind.EverybodysAudience,
			NotRevoked: func(claims *verifier.Claims) error { return notRevoked(t.state, claims) },
		}
	}
	return iss.depend(dependent{
		check: func(set *application.Set) error { return iss.checkFederations(set, byIssuer) },
		adopt: func(*application.Set) {},
	})
}

// mostFederationErrors is how many errors are reported. They are all of one kind.
const mostFederationErrors = 20

func (iss *Issuer) checkFederations(set *application.Set, trusted map[string]*TrustedIssuer) error {
	var errs []error
	for _, a := range set.Applications() {
		for _, f := range a.Federated {
			if err := iss.checkFederation(set, f, trusted[f.Issuer]); a.Active && err != nil && len(errs) < mostFederationErrors {
				errs = append(errs, placed(f.Source, fmt.Errorf("application %q: federated: %w", a.ClientID, err)))
			}
		}
	}
	return errors.Join(errs...)
}

func (iss *Issuer) checkFederation(set *application.Set, f *application.Federation, t *TrustedIssuer) error {
	if t == nil {
		return fmt.Errorf("the issuer %s is not trusted by this server; if it is to be, write into the global option tokenidp of the Caddyfile: trust %[1]s", f.Issuer)
	}
	audience := cmp.Or(f.Audience, iss.Issuer)
	// A token that is sent to an API must not be one by which the API, or whoever
	// reads what it is sent, authenticates here.
	isAudience := func(r *application.Resource) bool { return r.Audience() == audience }
	if slices.Contains(t.Audience, audience) || slices.ContainsFunc(set.Resources(), isAudience) {
		return fmt.Errorf("the audience %s is that of access tokens for an API, with which whoever receives one could authenticate here; leave audience out for %s, and have the workload ask for a token for that", audience, iss.Issuer)
	}
	return t.kind.CheckRequirement(&verifier.Requirement{Audiences: []string{audience}, Claims: slices.Concat(t.rules, f.Claims)})
}
