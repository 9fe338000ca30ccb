package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

const (
	// DefaultMaxStale survives an outage of a night, or of the largest providers
	// on record. Who can keep a server from its issuer for so long can make it
	// accept a key that was withdrawn meanwhile; who cannot bear that sets less.
	DefaultMaxStale = 24 * time.Hour
	// MinMaxStale leaves room for a fetch that fails and another that does not.
	MinMaxStale = 5 * time.Minute
)

// Options tell where the keys of an issuer are. Issuer and Algorithms are
// required.
type Options struct {
	// Issuer is the issuer identifier, or else a name for whose keys these are, which
	// the log shows: it must not be a secret. With neither JWKSURL nor File, its
	// metadata says where the keys are: RFC 8414 section 3.1's location is asked
	// first, then <issuer>/.well-known/openid-configuration. The metadata must
	// name this issuer, byte for byte.
	Issuer string
	// JWKSURL is where the keys are, instead of discovery.
	JWKSURL string
	// File holds the JWK Set, instead of either. It is read again every 15
	// seconds.
	File string
	// MayBeEmpty takes a JWK Set without a usable key for what it says: that all keys
	// are withdrawn. Default: it is a mistake, as no issuer verifies tokens without
	// keys, or not the issuer's answer at all, and the last good set serves on until
	// it is too old.
	MayBeEmpty bool
	// Algorithms are the accepted ones, of [jws.Names]. A key that names
	// none gets the first of them that fits it.
	Algorithms []string

	// Storage keeps the keys for a restart with the issuer down. Default: they
	// are in memory only, as those of a File always are.
	Storage certmagic.Storage
	// Folder is where in the storage, this issuer's own. Required with Storage.
	Folder string

	// Transport default: one with time limits that goes through the proxy of the
	// environment, if there is one. For URLs that an operator did not choose, use
	// [GuardedTransport].
	Transport http.RoundTripper
	// InsecureHTTP allows http URLs: whoever is on the way can then make tokens.
	// Without it, http is for an issuer on the loopback interface alone, and for
	// it to stay there.
	InsecureHTTP bool
	// MaxStale is how long keys serve after the issuer last confirmed them, at
	// least MinMaxStale. Default: DefaultMaxStale.
	MaxStale time.Duration
	// Predecessor is the source of the same issuer under the configuration
	// before, if any, so that to load a configuration while the issuer is down
	// loses no keys. They are taken over if issuer, algorithms and the place of
	// the keys are the same, and they may still come from where they did.
	Predecessor *Source

	// Now is the wall clock, for what outlives the process. Default: time.Now.
	Now func() time.Time
	// Elapsed is a clock that nobody sets: the time since some moment in the life
	// of the process. Default: the monotonic clock.
	Elapsed func() time.Duration
	// Logger default: none.
	Logger *zap.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxStale == 0 {
		o.MaxStale = DefaultMaxStale
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Transport == nil {
		o.Transport = Transport(nil)
	}
	if o.Predecessor != nil {
		o.Elapsed = o.Predecessor.elapsed // one clock for the age of what is taken over
	}
	if o.Elapsed == nil {
		start := time.Now()
		o.Elapsed = func() time.Duration { return time.Since(start) }
	}
	return o
}

func (o Options) check() error {
	switch {
	case o.Issuer == "":
		return errors.New("an issuer needs its identifier")
	case o.JWKSURL != "" && o.File != "":
		return fmt.Errorf("issuer %s: its keys come from a URL or from a file, not from both", o.Issuer)
	case len(o.Algorithms) == 0:
		return fmt.Errorf("issuer %s: no algorithm is accepted", o.Issuer)
	case o.MaxStale < MinMaxStale:
		return fmt.Errorf("issuer %s: keys that serve for %s after the last good fetch are gone before the next; use at least %s", o.Issuer, o.MaxStale, MinMaxStale)
	case o.Storage != nil && o.File == "" && strings.Trim(o.Folder, "/") == "":
		return fmt.Errorf("issuer %s: its keys need a folder of their own in the storage", o.Issuer)
	}
	for _, alg := range o.Algorithms {
		if !jws.Supported(jws.Canonical(alg)) {
			return fmt.Errorf("issuer %s: algorithm %q is not supported", o.Issuer, alg)
		}
	}
	return nil
}

// place is where the keys are configured to be.
func (o Options) place() place { return place{o.JWKSURL, o.File} }

type place struct{ jwksURL, file string }

func (p place) local() bool      { return p.file != "" }
func (p place) discovered() bool { return p == place{} }

// reader makes what reads the keys from where they are.
func (o Options) reader() (func(context.Context, *keys) (document, error), error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.File != "" {
		return func(context.Context, *keys) (document, error) { return readFile(o.File) }, nil
	}
	w := newWeb(o)
	if o.JWKSURL != "" {
		if err := w.allowed(o.JWKSURL); err != nil {
			return nil, fmt.Errorf("issuer %s: JWKS URL: %w", o.Issuer, err)
		}
		return func(ctx context.Context, before *keys) (document, error) { return w.getKeys(ctx, o.JWKSURL, before) }, nil
	}
	d, err := newDiscovery(w, o)
	if err != nil {
		return nil, err
	}
	return d.readKeys, nil
}
