package tokenidp

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/clientkeys"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// issuerWorker is what an Issuer runs while its configuration is loaded.
type issuerWorker struct {
	url     *url.URL
	carried *issuerCarryover
	release func() error // of carried
	logger  *zap.Logger

	keys         *signing.Ring
	verification *verifier.Issuer
	bounded      *storage.Bounded // of this configuration
	storage      string           // tells the storage from another
	usage        *usage.Store
	state        state.State
	decisions    *decisions

	// Without Applications, the following are nil.

	library       *live.Library
	applications  atomic.Pointer[application.Set] // in force
	dependents    []dependent
	authenticator *oauth.Authenticator // of clients
	clientKeys    *clientkeys.Keys
	assertions    *oauth.Assertions
	issues        bool // a handler of this configuration issues tokens
}

// Issues reports whether a handler of this configuration issues tokens of the issuer.
func (iss *Issuer) Issues() bool { return iss.issues }

// ApplicationSet returns the Applications in force, or nil if the issuer has none here.
func (iss *Issuer) ApplicationSet() *application.Set { return iss.applications.Load() }

// Files returns how each applications file is.
func (iss *Issuer) Files() []live.FileStatus {
	if iss.library == nil {
		return nil
	}
	return iss.library.Health().Files
}

// Keys returns the signing keys. They are nil in a [Sandbox].
func (iss *Issuer) Keys() *signing.Ring { return iss.keys }

func (iss *Issuer) provision(ctx caddy.Context, a *App, bounded *storage.Bounded) error {
	iss.issuerWorker = &issuerWorker{
		logger: a.logger.With(zap.String("issuer", iss.Issuer)), bounded: bounded, state: a.state, usage: a.usage, decisions: a.decisions,
	}
	if err := iss.check(); err != nil {
		return err
	}
	if err := iss.carryOver(ctx); err != nil {
		return err
	}
	if err := iss.loadApplications(ctx); err != nil {
		return err
	}
	iss.provisionAuthenticator(ctx)
	if s := sandboxFrom(ctx); s != nil {
		s.reportAbsent(iss.Source, iss.SigningKeyFile)
		return iss.prepareVerification(s.keys)
	}
	if err := iss.provisionKeys(bounded); err != nil {
		return err
	}
	if err := iss.prepareVerification(iss.keys); err != nil {
		return err
	}
	reading, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	if err := iss.keys.Load(reading); err != nil {
		// Who issues fails on this when it makes sure of its key. Who only
		// verifies starts, and answers 503 until the storage is back.
		iss.logger.Error("signing keys cannot be read; they are read again when a token asks for one", zap.Error(err))
	}
	return nil
}

// issue prepares the issuer for signing. Only a server that issues may write to the
// storage, and before the configuration is in force it writes only the first key.
func (iss *Issuer) issue(ctx context.Context) error {
	if offlineFrom(ctx) != nil {
		iss.issues = true // its keys are read, and none is made
		return nil
	}
	if iss.applications.Load() == nil {
		return fmt.Errorf("the issuer %s has no Applications to issue tokens to; add: applications applications.yaml", iss.Issuer)
	}
	if sandboxFrom(ctx) != nil {
		iss.issues = true // with the keys of the sandbox
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	if err := iss.keys.Ready(ctx); err != nil {
		return fmt.Errorf("the issuer %s has no signing key: %w", iss.Issuer, err)
	}
	iss.issues = true
	return nil
}

// provisionAuthenticator makes the Authenticator of this configuration. It shares its
// memory with the one before.
func (iss *Issuer) provisionAuthenticator(ctx context.Context) {
	set := iss.applications.Load()
	if set == nil {
		return
	}
	if sandboxFrom(ctx) == nil {
		iss.clientKeys = clientkeys.New(iss.clientKeysOptions(ctx))
		iss.clientKeys.Follow(set)
		reading, cancel := context.WithTimeout(ctx, storageTimeout)
		defer cancel()
		iss.clientKeys.Load(reading)
	}
	iss.assertions = &oauth.Assertions{Issuer: iss.Issuer, Replay: iss.state, KeysAt: iss.clientKeys.At}
	if iss.InsecureAssertionAudience {
		iss.assertions.InsecureAudiences = []string{iss.Issuer + "/token"}
	}
	iss.authenticator = iss.carried.authenticator.With(iss.assertions)
}

// clientKeysOptions returns the options for the keys that clients publish. They take over
// those of the configuration that runs.
func (iss *Issuer) clientKeysOptions(ctx context.Context) clientkeys.Options {
	o := clientkeys.Options{
		Issuer: iss.Issuer, Storage: iss.bounded, Private: iss.InsecurePrivateJWKSURI, Logger: iss.logger,
		Predecessor: func() *clientkeys.Keys {
			if serving := iss.carried.serving.latest(); serving != nil {
				return serving.clientKeys
			}
			return nil
		},
	}
	if offlineFrom(ctx) != nil {
		o.Transport = noNetwork{}
	}
	return o
}

// run keeps everything current until ctx ends.
func (w *issuerWorker) run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { w.keys.Run(ctx) })
	if w.issues {
		running.Go(func() { w.clientKeys.Run(ctx) })
		running.Go(func() { w.library.WarnOfExpiry(ctx, w.applications.Load) })
	}
	if w.library != nil {
		running.Go(func() { w.library.Run(ctx) })
	}
	running.Wait()
}

// issuerCarryover is what an issuer keeps over a configuration reload: failed
// authentications, secrets that are known to be right, its keys and those of its clients,
// and its Applications. Without it, a reload would reset the
// limits on guesses, cost a slow hash for every client, and lose how long a key has been
// retired.
type issuerCarryover struct {
	authenticator *oauth.Authenticator
	serving       succession[Issuer]
	signedWith    atomic.Pointer[string] // the kid, when it was last checked

	mu       sync.Mutex
	expiring map[string]bool // see newlyExpiring
	storming map[string]bool // by client, see newStorms
}

// carryOver gets what the issuer keeps over a configuration reload.
func (iss *Issuer) carryOver(ctx context.Context) (err error) {
	iss.carried, iss.release, err = carry(ctx, iss.Issuer, func() (*issuerCarryover, error) {
		return &issuerCarryover{authenticator: oauth.NewAuthenticator()}, nil
	})
	return err
}

// serve makes this issuer the predecessor for later configurations. Call all of leave when
// this configuration ends.
func (iss *Issuer) serve() (leave []func()) {
	if before, set := iss.carried.serving.latest(), iss.applications.Load(); before != nil && set != nil {
		iss.decisions.deactivated(iss.Issuer, before.applications.Load(), set)
	}
	return append(leave, iss.carried.serving.enter(iss))
}
