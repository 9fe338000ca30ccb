package tokenidp

import (
	"context"
	"fmt"
	"iter"
	"path"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

// usageCarryover is what is counted, over a configuration reload.
type usageCarryover struct {
	*usage.Store

	bounded *storage.Bounded // of the configuration that made it
}

// Close writes what is counted. It is called when no configuration uses it any more.
func (c *usageCarryover) Close() error {
	c.End()
	return nil
}

// usageFolder is not the folder of an issuer, because issuers are URLs.
var usageFolder = path.Join(storage.Folder("usage"), "counts")

// provisionUsage takes over what the configuration before has counted, if that has the
// same storage. A sandbox counts nothing.
func (a *App) provisionUsage(ctx context.Context) error {
	if sandboxFrom(ctx) != nil || a.UsageOff {
		return nil
	}
	carried, release, err := carry(ctx, a.bounded.String(), func() (*usageCarryover, error) {
		return &usageCarryover{usage.New(a.bounded, usageFolder, usage.Options{Logger: a.logger}), a.bounded}, nil
	})
	if err != nil {
		return fmt.Errorf("counting usage: %w", err)
	}
	a.usage, a.usageStorage, a.release = carried.Store, carried.bounded, append(a.release, release)
	return nil
}

// followUsage has the Store use the storage of this configuration.
func (a *App) followUsage() (leave func()) {
	if a.usageStorage == a.bounded {
		return func() {}
	}
	return a.usageStorage.Follow(a.bounded)
}

// countUsage starts to count. Call leave when this configuration ends.
func (a *App) countUsage() (leave func()) {
	if a.usage == nil {
		return func() {}
	}
	leave = a.followUsage()
	counts := len(a.routes) > 0
	for _, iss := range a.Issuers {
		if iss.issues {
			counts = true
			a.usage.Migrate(iss.Issuer, a.usageStorage, path.Join(storage.Folder(iss.Issuer), "last_use"))
			iss.declareUsage(iss.applications.Load())
		}
	}
	if counts {
		a.running.Go(func() { a.usage.Run(a.ctx) })
	}
	return leave
}

// Usage returns what the nodes have counted. It is nil with UsageOff.
func (a *App) Usage() *usage.Store { return a.usage }

// declareUsage says what the Applications may use, so that what nobody uses is known.
func (iss *Issuer) declareUsage(set *application.Set) {
	if iss.issues {
		iss.usage.Observe(iss.Issuer, declared(iss.Issuer, set))
	}
}

// declared returns the secrets and the grants of the set.
func declared(issuer string, set *application.Set) iter.Seq[usage.Key] {
	return func(yield func(usage.Key) bool) {
		for _, a := range set.Applications() {
			for _, s := range a.Secrets {
				if !yield(usage.Key{Kind: usage.Secret, Issuer: issuer, Client: a.ClientID, Name: s.ID}) {
					return
				}
			}
			for _, scope := range a.Scopes {
				if !yield(usage.Key{Kind: usage.Granted, Issuer: issuer, Client: a.ClientID, Name: scope}) {
					return
				}
			}
		}
	}
}
