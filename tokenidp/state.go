package tokenidp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// stateLoading bounds the first reading of the state. A start waits for it.
const stateLoading = 10 * time.Second

// stateModule is a guest module of the namespace tokenidp.state.
type stateModule interface {
	// identity returns a name that is the same for states with the same configuration.
	identity(bounded *storage.Bounded) string
	// open returns the state. It does not connect.
	open(node *state.Node, bounded *storage.Bounded, logger *zap.Logger) (state.State, error)
	// reads reports whether the state may be read by a configuration that is loaded and
	// may never start.
	reads() bool
	// announce logs the limits of the state.
	announce(logger *zap.Logger)
}

// sharedState is the state of all configurations with the same identity. It outlives a
// configuration reload.
type sharedState struct {
	state.State
	node    *state.Node // what this process knows, whatever the state
	bounded *storage.Bounded
	ended   atomic.Bool
}

// Once calls the state, and observes how long it takes. So do Take and Revoke.
func (s *sharedState) Once(ctx context.Context, owner, id string, until time.Time) (first bool, err error) {
	defer observeState("once", time.Now())
	return s.State.Once(ctx, owner, id, until)
}

// Take calls the state.
func (s *sharedState) Take(ctx context.Context, name string, limit int, window time.Duration) time.Duration {
	defer observeState("take", time.Now())
	return s.State.Take(ctx, name, limit, window)
}

func observeState(operation string, began time.Time) {
	counters.StateDuration(operation).Observe(time.Since(began).Seconds())
}

// Revoke calls the state. A request may outlive its configuration, and the state.
func (s *sharedState) Revoke(ctx context.Context, revocations ...state.Revocation) error {
	defer observeState("revoke", time.Now())
	err := s.State.Revoke(ctx, revocations...)
	if s.ended.Load() {
		s.node.Released()
	}
	return err
}

// Close closes the state.
func (s *sharedState) Close() error {
	s.ended.Store(true)
	s.node.Released()
	if closer, ok := s.State.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// provisionState gets the state of the configuration before, or makes one.
func (a *App) provisionState(ctx caddy.Context, bounded *storage.Bounded) error {
	module, err := a.loadState(ctx)
	if err != nil {
		return err
	}
	node, release, err := carry(ctx, "", func() (*state.Node, error) { return state.NewNode(state.Options{}), nil })
	if err != nil {
		return err
	}
	a.release = append(a.release, release)
	shared, release, err := carry(ctx, module.identity(bounded), func() (*sharedState, error) {
		s, err := module.open(node, bounded, a.logger.Named("state"))
		return &sharedState{State: s, node: node, bounded: bounded}, err
	})
	if err != nil {
		return err
	}
	a.release = append(a.release, release)
	a.stateModule, a.state, a.bounded = module, shared, bounded
	if !module.reads() {
		return nil
	}
	reading, cancel := context.WithTimeout(ctx, stateLoading)
	defer cancel()
	if err := a.state.Load(reading); err != nil {
		// A node that has read no revocations yet refuses all tokens.
		a.logger.Error("the revocations cannot be read; they are read again as soon as they can be", zap.Error(err))
	}
	return nil
}

func (a *App) loadState(ctx caddy.Context) (stateModule, error) {
	switch {
	case sandboxFrom(ctx) != nil:
		return new(StateMemory), nil
	case a.StateRaw == nil:
		s := new(StateStorage)
		return s, s.Provision(ctx)
	}
	loaded, err := ctx.LoadModule(a, "StateRaw")
	if err != nil {
		return nil, fmt.Errorf("loading the state: %w", err)
	}
	return loaded.(stateModule), nil
}

// configuredState returns the state that is configured, without what it needs to run. It
// returns nil for a module that is not of this package.
func (a *App) configuredState() stateModule {
	var named struct {
		Module string `json:"module"`
	}
	if json.Unmarshal(a.StateRaw, &named) != nil { //nolint:forbidigo // the operator's own configuration
		return nil
	}
	switch named.Module {
	case "memory":
		return new(StateMemory)
	case "redis":
		redis := new(StateRedis)
		if json.Unmarshal(a.StateRaw, redis) == nil { //nolint:forbidigo // the operator's own configuration
			return redis
		}
	}
	return nil
}

// keepState keeps the state current while this configuration is in force.
func (a *App) keepState() {
	a.stateModule.announce(a.logger)
	a.leave = append(a.leave, a.state.bounded.Follow(a.bounded))
	issues := false
	for _, iss := range a.Issuers {
		issues = issues || iss.issues
	}
	a.running.Go(func() { a.state.Run(a.ctx, issues) })
	a.awaitState()
}

// awaitState waits up to stateAwaited for the first reading, so that the first requests
// are not refused. If the state cannot be reached, they are.
func (a *App) awaitState() {
	if a.stateModule.reads() || a.state.Ready() == nil {
		return
	}
	reading, cancel := context.WithTimeout(a.ctx, stateAwaited)
	defer cancel()
	if err := a.state.Load(reading); err != nil {
		a.logger.Error("the revocations cannot be read yet; every token is refused until they are", zap.Error(err))
	}
}

// stateAwaited bounds the wait for a state that is first read at the start.
const stateAwaited = 2 * time.Second

// notRevoked refuses a revoked token. It is called for every request, because a cached
// token may have been revoked since. If the revocations are not known, it refuses every
// token.
func notRevoked(s state.State, claims *verifier.Claims) error {
	if err := s.Ready(); err != nil {
		return verifier.Refuse(verifier.RevocationsUnknown, err)
	}
	if s.Revoked(state.Token{Issuer: claims.Issuer, ID: claims.ID, ClientID: claims.ClientID, IssuedAt: claims.IssuedAt}) {
		return verifier.Refuse(verifier.Revoked, errRevoked)
	}
	return nil
}

var errRevoked = errors.New("it, its client's tokens or all of its issuer's were taken back")
