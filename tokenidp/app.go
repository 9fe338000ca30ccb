// Package tokenidp holds the Caddy modules: an app with the issuers and their
// Applications, the handler that serves an issuer's endpoints, the handler that
// verifies access tokens in front of an API, and a matcher for their scopes.
// Lifecycle and wiring are here; the protocol is in the packages below.
package tokenidp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

func init() {
	caddy.RegisterModule(App{})
}

// App issues OAuth 2.0 access tokens for machine-to-machine calls and verifies
// them. It holds what its handlers share: the issuers, their Applications and
// their signing keys.
type App struct {
	// The issuers of access tokens. A handler needs to name its issuer only
	// where there are several.
	Issuers []*Issuer `json:"issuers,omitempty"`

	logger  *zap.Logger
	metrics *metrics
	ctx     context.Context // ends with this configuration
	stop    context.CancelFunc
	running *sync.WaitGroup
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "tokenidp",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision loads the Applications and reads the signing keys of every issuer.
func (a *App) Provision(ctx caddy.Context) error {
	a.logger = ctx.Logger()
	a.ctx, a.stop = context.WithCancel(ctx)
	a.running = new(sync.WaitGroup)
	m, err := newMetrics(ctx.GetMetricsRegistry())
	if err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	a.metrics = m
	if len(a.Issuers) == 0 {
		return errors.New("no issuer is configured; write: tokenidp { issuer https://<host> { applications applications.yaml } }")
	}
	seen := make(map[string]*Issuer)
	for _, iss := range a.Issuers {
		if before, ok := seen[iss.Issuer]; ok {
			return placed(iss.Source, fmt.Errorf("the issuer %s is already defined at %s", iss.Issuer, before.Source))
		}
		seen[iss.Issuer] = iss
		if err := iss.provision(ctx, a.logger, m); err != nil {
			return placed(iss.Source, err)
		}
	}
	return nil
}

// Start says what is in force, follows changes of the Applications, and rotates
// keys.
func (a *App) Start() error {
	for _, iss := range a.Issuers {
		iss.announce()
		iss.keep()
		a.running.Go(func() { iss.maintainKeys(a.ctx) })
		if iss.library != nil {
			a.running.Go(func() { iss.watch(a.ctx) })
		}
	}
	return nil
}

// Stop waits until nothing of this configuration runs any more.
func (a *App) Stop() error {
	a.stop()
	a.running.Wait()
	return nil
}

// Cleanup ends what Provision began, where Start was never reached.
func (a *App) Cleanup() error {
	if a.stop != nil {
		a.stop()
	}
	var errs []error
	for _, iss := range a.Issuers {
		if iss.standing != nil {
			_, err := standings.Delete(iss.Issuer)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// issuer finds the issuer that a handler names. The empty name is the only
// issuer there is.
func (a *App) issuer(name string) (*Issuer, error) {
	if name == "" {
		if len(a.Issuers) == 1 {
			return a.Issuers[0], nil
		}
		return nil, fmt.Errorf("there are several issuers, so name one of: %s", a.issuerNames())
	}
	for _, iss := range a.Issuers {
		if iss.Issuer == name {
			return iss, nil
		}
	}
	return nil, fmt.Errorf("unknown issuer %s; configured: %s", name, a.issuerNames())
}

func (a *App) issuerNames() string {
	names := make([]string, 0, len(a.Issuers))
	for _, iss := range a.Issuers {
		names = append(names, iss.Issuer)
	}
	return strings.Join(names, ", ")
}

// app finds the one App of a configuration.
func app(ctx caddy.Context) (*App, error) {
	module, err := ctx.AppIfConfigured("tokenidp")
	if err != nil {
		if errors.Is(err, caddy.ErrNotConfigured) {
			return nil, errors.New("no issuer is configured; add to the global options: tokenidp { issuer https://<host> { applications applications.yaml } }")
		}
		return nil, err
	}
	return module.(*App), nil
}

// placed begins an error with the place in the configuration that caused it.
// Handlers do not know their site, so the Caddyfile parser leaves them their
// place.
func placed(source string, err error) error {
	if source == "" || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", source, err)
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
