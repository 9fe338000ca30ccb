package tokenidp

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
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
	repl := caddy.NewReplacer()
	options := application.Options{
		Expand: func(s string) (string, error) { return repl.ReplaceOrErr(s, true, true) },
	}
	s := sandboxFrom(ctx)
	if s != nil {
		options.Absent = s.absent
	}
	iss.library = live.NewLibrary(iss.Applications, options)
	before := iss.carried.serving.latest()
	if before != nil && before.library != nil && s == nil {
		iss.library.Reuse(before.library.Versions())
	}
	iss.library.Accept, iss.library.Adopt, iss.library.Logger = iss.acceptable, iss.adopt, iss.logger
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
	iss.clientKeys.Follow(set)
	for _, d := range iss.dependents {
		d.adopt(set)
	}
	iss.applications.Store(set)
	iss.lastUse.Observe(declaredSecrets(set))
}
