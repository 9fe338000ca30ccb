// Package tokenidp holds the Caddy modules: an app with the issuers and their
// Applications, the handler that serves an issuer's endpoints, the handler that
// verifies access tokens in front of an API, and a matcher for their scopes.
// Lifecycle and wiring are here; the protocol is in the packages below.
package tokenidp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
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

	// Issuers elsewhere whose access tokens are accepted on routes that name them.
	Trusted []*TrustedIssuer `json:"trusted,omitempty"`

	// What several routes ask of a token, by name.
	Policies []*Policy `json:"policies,omitempty"`

	// The origins, such as https://api.example.com, under which clients call the APIs,
	// for routes that name none: the URL in a DPoP proof (RFC 9449) must begin with one
	// of them. Default: those of the issuers of this server whose tokens a route accepts.
	DPoPOrigins []string `json:"dpop_origins,omitempty"`

	// What the nodes share and forget in time: single-use identifiers, revocations
	// and quotas. Default: `storage`.
	StateRaw json.RawMessage `json:"state,omitempty" caddy:"namespace=tokenidp.state inline_key=module"`

	// A log of every decision. Default: none.
	Audit *Audit `json:"audit,omitempty"`

	// UsageOff counts no usage on this server, and writes none to the storage. Then nobody
	// knows which secrets, scopes and Applications are used. Default: false.
	UsageOff bool `json:"usage_off,omitempty"`

	routesUnknown bool

	audit     *auditor // nil if there is none
	decisions *decisions
	logger    *zap.Logger
	loggerOf  func(caddy.Module) *zap.Logger
	refusals  *refusallog.Log

	state       *sharedState
	stateModule stateModule
	bounded     *storage.Bounded

	usage        *usage.Store         // nil in a sandbox, and with UsageOff
	usageStorage *storage.Bounded     // of the configuration that made it
	config       *route.Config        // its routes
	loaded       loadedApps           // nil in a sandbox
	verifyRoutes func() []VerifyRoute // see setRoutes

	// What handlers of this configuration are there, for each other.
	loading   int // handlers that are not provisioned yet
	routes    []*Verify
	resources map[string]*verifier.Resource // by identifier

	ctx     context.Context // ends with this configuration
	stop    context.CancelFunc
	running *sync.WaitGroup
	since   time.Time      // when Start made it serve
	retire  func()         // lets the App before this one serve again, if it runs
	leave   []func()       // takes back what Start did for later configurations
	release []func() error // gives back what was carried over
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
	a.logger = loggerIn(ctx)
	a.loggerOf = func(m caddy.Module) *zap.Logger { return ctx.Logger(m) }
	a.refusals = refusallog.New(time.Now)
	a.ctx, a.stop = context.WithCancel(ctx)
	a.running = new(sync.WaitGroup)
	if s := sandboxFrom(ctx); s != nil {
		s.app = a
	}
	a.resources = make(map[string]*verifier.Resource)
	if err := RegisterMetrics(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	if err := a.readRoutes(ctx); err != nil {
		return err
	}
	if len(a.Issuers)+len(a.Trusted) == 0 {
		return errors.New("no issuer is configured; write into the block tokenidp: " + anIssuer)
	}
	if err := a.expandPlaceholders(); err != nil {
		return err
	}
	if err := a.checkNames(); err != nil {
		return err
	}
	for _, origin := range a.DPoPOrigins {
		if _, err := newDPoPOrigin(origin); err != nil {
			return err
		}
	}
	if err := a.provisionPolicies(); err != nil {
		return err
	}
	if err := a.provisionAudit(ctx); err != nil {
		return err
	}
	if err := a.provisionDecisions(ctx); err != nil {
		return err
	}
	bounded := storage.NewBounded(ctx.Storage())
	if err := a.provisionState(ctx, bounded); err != nil {
		return err
	}
	a.bounded = bounded
	if err := a.provisionUsage(ctx); err != nil {
		return err
	}
	for _, iss := range a.Issuers {
		if err := iss.provision(ctx, a, bounded); err != nil {
			return placed(iss.Source, err)
		}
	}
	for _, t := range a.Trusted {
		if err := t.provision(ctx, a, bounded); err != nil {
			return placed(t.Source, err)
		}
	}
	for _, iss := range a.Issuers {
		if err := iss.federate(a.Trusted); err != nil {
			return fmt.Errorf("loading applications: %w", err)
		}
	}
	return nil
}

// expandPlaceholders expands those of the app, its issuers and its policies.
func (a *App) expandPlaceholders() error {
	for _, iss := range a.Issuers {
		if err := expandPlaceholders(iss); err != nil {
			return placed(iss.Source, err)
		}
	}
	for _, t := range a.Trusted {
		if err := expandPlaceholders(t); err != nil {
			return placed(t.Source, err)
		}
	}
	for _, p := range a.Policies {
		if err := expandPlaceholders(p); err != nil {
			return placed(p.Source, err)
		}
	}
	return expandPlaceholders(a)
}

// checkNames returns an error if an issuer is defined twice.
func (a *App) checkNames() error {
	seen := make(map[string]string)
	name := func(issuer, source string) error {
		if before, ok := seen[issuer]; ok {
			return placed(source, fmt.Errorf("the issuer %s is already defined at %s", issuer, before))
		}
		seen[issuer] = source
		return nil
	}
	for _, iss := range a.Issuers {
		if err := name(iss.Issuer, iss.Source); err != nil {
			return err
		}
	}
	for _, t := range a.Trusted {
		if err := name(t.Issuer, t.Source); err != nil {
			return err
		}
	}
	return nil
}

// Start logs what is in force, and starts the background work.
func (a *App) Start() error {
	a.keepState()
	a.running.Go(func() { a.refusals.Run(a.ctx) })
	for _, iss := range a.Issuers {
		iss.announce()
		a.leave = append(a.leave, iss.serve()...)
		a.running.Go(func() { iss.run(a.ctx) })
		if iss.issues {
			a.running.Go(func() { a.decisions.watch(a.ctx, iss) })
		}
	}
	a.warnOfReportOnly()
	a.leave = append(a.leave, a.countUsage())
	for _, t := range a.Trusted {
		t.warn()
		a.leave = append(a.leave, t.serve())
		a.running.Go(func() { t.keys.Run(a.ctx) })
	}
	a.beginSeries()
	a.decisions.started(a)
	a.since, a.retire = time.Now(), serving.enter(a)
	return nil
}

// warnOfReportOnly warns of routes that enforce nothing.
func (a *App) warnOfReportOnly() {
	for _, v := range a.routes {
		if v.ReportOnly {
			a.logger.Warn("report_only: this route lets every request through; take it away to enforce, once `caddy tokenidp report` says whom that hits", warning.ReportOnly.Log(), zap.String("source", v.Source))
		}
	}
}

// Stop ends the background work, and waits for it.
func (a *App) Stop() error {
	a.retire()
	a.stop()
	a.running.Wait()
	for _, leave := range a.leave {
		leave()
	}
	a.endSeries()
	return nil
}

// Cleanup releases what Provision acquired, also if Start was never called.
func (a *App) Cleanup() error {
	if a.stop != nil {
		a.stop()
	}
	if a.bounded != nil {
		a.bounded.Closed()
	}
	if a.refusals != nil {
		a.refusals.Flush() // of requests that ended after Stop
	}
	var errs []error
	for _, iss := range a.Issuers {
		if iss.issuerWorker != nil && iss.release != nil {
			errs = append(errs, iss.release())
		}
	}
	for _, t := range a.Trusted {
		if t.trustedWorker != nil && t.release != nil {
			errs = append(errs, t.release())
		}
	}
	for _, release := range a.release {
		errs = append(errs, release())
	}
	return errors.Join(errs...)
}

// issuer returns the issuer that a handler names. The empty name means the only issuer.
func (a *App) issuer(name string) (*Issuer, error) {
	switch {
	case name == "" && len(a.Issuers) == 1:
		return a.Issuers[0], nil
	case len(a.Issuers) == 0:
		return nil, errors.New("this server has no issuer of its own; write into the global option tokenidp: " + anIssuer)
	case name == "":
		return nil, fmt.Errorf("there are several issuers, so name one of: %s", strings.Join(a.issuerNames(), ", "))
	}
	for _, iss := range a.Issuers {
		if iss.Issuer == name {
			return iss, nil
		}
	}
	return nil, unknownIssuer(name, a.issuerNames())
}

// tokenIssuer returns the issuer that a verify names, also a trusted one. The empty name
// means the only issuer of this server, or the only trusted one.
func (a *App) tokenIssuer(name string) (tokenIssuer, error) {
	for _, t := range a.Trusted {
		if t.Issuer == name || name == "" && len(a.Issuers) == 0 && len(a.Trusted) == 1 {
			return t, nil
		}
	}
	if len(a.Issuers) > 0 {
		iss, err := a.issuer(name)
		if err == nil || len(a.Trusted) == 0 {
			return iss, err
		}
	}
	all := a.issuerNames()
	for _, t := range a.Trusted {
		all = append(all, t.Issuer)
	}
	if name == "" {
		return nil, fmt.Errorf("there are several issuers, so name one of: %s", strings.Join(all, ", "))
	}
	return nil, unknownIssuer(name, all)
}

func unknownIssuer(name string, configured []string) error {
	return fmt.Errorf("unknown issuer %s; configured: %s%s", name, strings.Join(configured, ", "), nearest.DidYouMean(name, slices.Values(configured)))
}

func (a *App) issuerNames() []string {
	names := make([]string, 0, len(a.Issuers))
	for _, iss := range a.Issuers {
		names = append(names, iss.Issuer)
	}
	return names
}

// app returns the App of the configuration.
func app(ctx caddy.Context) (*App, error) {
	if offline := offlineFrom(ctx); offline != nil {
		return offline.app, nil
	}
	module, err := ctx.AppIfConfigured("tokenidp")
	if err != nil {
		if errors.Is(err, caddy.ErrNotConfigured) {
			return nil, errors.New("no issuer is configured; write into the global options a block tokenidp { … }, and into that: " + anIssuer)
		}
		return nil, err
	}
	return module.(*App), nil
}

// placed prefixes an error with its place in the configuration. Handlers do not know their
// site, so the Caddyfile parser stores the place in their JSON.
func placed(source string, err error) error {
	if source == "" || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", source, err)
}

// dependOnOne registers the dependent with the issuers whose Applications it accepts. It
// returns an error if there is none.
func (a *App) dependOnOne(d dependent) error {
	var unfit error
	fits := false
	for _, iss := range a.Issuers {
		if err := iss.depend(d); err != nil {
			unfit = err
		} else {
			fits = true
		}
	}
	if fits {
		return nil
	}
	return unfit
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)

// anIssuer is how an error says to configure one. The Caddyfile has no block in one line.
const anIssuer = "issuer https://<host> { … }, and into that block: applications applications.yaml"
