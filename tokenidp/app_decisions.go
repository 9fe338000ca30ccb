package tokenidp

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/audit"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// decisions are the decisions that no request causes. They go to the audit log and to
// Caddy's events app. That app may run a program for each, so a separate goroutine emits
// them.
type decisions struct {
	audit   *auditor
	events  *caddyevents.App // nil in a sandbox
	running chan struct{}    // closed when all apps of the configuration have started
	ctx     caddy.Context
}

// The names of the events.
const (
	eventSecretExpiring = "secret_expiring"
	eventKeyRotated     = "key_rotated"
	eventDeactivated    = "application_deactivated"
	eventTokenStorm     = "token_storm"
)

func (a *App) provisionDecisions(ctx caddy.Context) error {
	a.decisions = &decisions{audit: a.audit, ctx: ctx}
	if sandboxFrom(ctx) != nil || offlineFrom(ctx) != nil {
		return nil
	}
	app, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("loading the events app: %w", err)
	}
	d := a.decisions
	d.events, d.running = app.(*caddyevents.App), make(chan struct{})
	return d.events.On("started", onStarted(sync.OnceFunc(func() { close(d.running) })))
}

// onStarted is called when all apps of the configuration have started. Before, the events
// app may not know its subscribers yet: Caddy starts the apps in any order.
type onStarted func()

// Handle implements caddyevents.Handler.
func (f onStarted) Handle(context.Context, caddy.Event) error {
	f()
	return nil
}

// wait waits until all apps of the configuration have started. It returns false if ctx ends
// before.
func (d *decisions) wait(ctx context.Context) bool {
	select {
	case <-d.running:
		return true
	case <-ctx.Done():
		return false
	}
}

// isRunning reports whether all apps of the configuration have started.
func (d *decisions) isRunning() bool {
	select {
	case <-d.running:
		return true
	default:
		return false
	}
}

// emit sends the event to the subscribers, one after the other, as soon as all apps of the
// configuration have started.
func (d *decisions) emit(name string, all ...map[string]any) {
	if d.events == nil || len(all) == 0 {
		return
	}
	go func() {
		if !d.wait(d.ctx) {
			return
		}
		for _, data := range all {
			d.events.Emit(d.ctx, name, data)
		}
	}()
}

// started records that a configuration serves.
func (d *decisions) started(a *App) {
	applications := 0
	for _, iss := range a.Issuers {
		if set := iss.applications.Load(); set != nil {
			active, inactive := set.CountActive()
			applications += active + inactive
		}
	}
	d.audit.write(&audit.Event{
		Kind: audit.Changed, At: "configuration",
		Detail: fmt.Sprintf("a configuration serves; issuers: %d, Applications: %d, trusted issuers: %d, verify handlers: %d", len(a.Issuers), applications, len(a.Trusted), len(a.routes)),
	})
}

// changed records that other Applications are now in force.
func (d *decisions) changed(issuer string, changes []string) {
	const most = 50
	if len(changes) > most {
		changes = append(changes[:most:most], fmt.Sprintf("… and %d more", len(changes)-most))
	}
	d.audit.write(&audit.Event{Kind: audit.Changed, At: "applications", Issuer: issuer, Detail: strings.Join(changes, "; ")})
}

// deactivated records the Applications that were active before and are not now.
func (d *decisions) deactivated(issuer string, before, now *application.Set) {
	if before == nil {
		return
	}
	var all []map[string]any
	for _, a := range before.Applications() {
		after, there := now.Application(a.ClientID)
		if !a.Active || there && after.Active {
			continue
		}
		detail := "it is removed"
		if there {
			detail = "it is not active"
		}
		d.audit.write(&audit.Event{Kind: audit.Deactivated, At: "applications", Issuer: issuer, ClientID: a.ClientID, Source: a.Source, Detail: detail})
		all = append(all, map[string]any{"issuer": issuer, "client_id": a.ClientID, "detail": detail})
	}
	d.emit(eventDeactivated, all...)
}

// watchInterval is how often watch checks an issuer.
const watchInterval = time.Minute

// watch records that another key signs, that a secret expires soon, and that a client
// fetches a token for each call. It ends with ctx.
func (d *decisions) watch(ctx context.Context, iss *Issuer) {
	if !d.wait(ctx) {
		return
	}
	d.check(ctx, iss, time.Now())
	background.Every(ctx, watchInterval, func() { d.check(ctx, iss, time.Now()) })
}

func (d *decisions) check(ctx context.Context, iss *Issuer, now time.Time) {
	if key := iss.keys.Active(); key != nil {
		if before := iss.carried.signedWith.Swap(&key.ID); before != nil && *before != key.ID {
			d.audit.write(&audit.Event{Kind: audit.Rotated, At: "keys", Issuer: iss.Issuer, KeyID: key.ID, Detail: "before: " + *before})
			d.emit(eventKeyRotated, map[string]any{"issuer": iss.Issuer, "kid": key.ID, "kid_before": *before})
		}
	}
	if !d.isRunning() {
		return
	}
	if d.events.ShouldEmit(eventSecretExpiring) { // or else those that subscribe later would miss it
		d.emit(eventSecretExpiring, iss.carried.newlyExpiring(iss, now)...)
	}
	if d.events.ShouldEmit(eventTokenStorm) {
		d.emit(eventTokenStorm, iss.unannounced(ctx, iss.carried.newStorms(iss, now))...)
	}
}

// newlyExpiring returns the secrets that have started to expire soon since the last call,
// in this process.
func (c *issuerCarryover) newlyExpiring(iss *Issuer, now time.Time) (all []map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	expiring := make(map[string]bool) // by client, secret and time
	for s := range iss.applications.Load().Secrets() {
		if !s.Application.Active || s.ValidityAt(now) != secret.Expiring {
			continue
		}
		expires := s.Expires.UTC().Format(time.RFC3339)
		name := s.Application.ClientID + " " + s.ID + " " + expires
		if expiring[name] = true; !c.expiring[name] {
			all = append(all, map[string]any{"issuer": iss.Issuer, "client_id": s.Application.ClientID, "secret_id": s.ID, "expires": expires})
		}
	}
	c.expiring = expiring
	return all
}

// Operation is a change at the admin endpoint, or an attempt to make one.
type Operation struct {
	// Who is the name in the certificate, or the address.
	Who string
	// Revokes is true if tokens were revoked.
	Revokes bool
	// What it is about.
	Issuer, ClientID, TokenID, KeyID string
	// Detail is the command with its options, without a token.
	Detail string
	// Status and Cause describe a failure.
	Status int
	Cause  string
}

// RecordOperation writes an operation to the audit log.
func (a *App) RecordOperation(o Operation) {
	kind := audit.Operated
	if o.Revokes && o.Status == 0 {
		kind = audit.Revoked
	}
	a.audit.write(&audit.Event{
		Kind: kind, At: "admin", Who: o.Who, Issuer: o.Issuer, ClientID: o.ClientID, TokenID: o.TokenID, KeyID: o.KeyID,
		Detail: o.Detail, Status: o.Status, Cause: o.Cause,
	})
}

// AuditHealth returns the number of lost audit lines, and why they are lost. on is false if
// there is no audit log.
func (a *App) AuditHealth() (h audit.Health, on bool) {
	if a.audit == nil {
		return audit.Health{}, false
	}
	return a.audit.log.Health(), true
}
