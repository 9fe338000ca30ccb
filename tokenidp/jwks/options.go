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

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

const (
	// DefaultMaxStale is long enough for an outage of a night, and for the longest known
	// outages of large providers. An attacker who blocks the connection to the issuer for
	// this time can make a server accept a withdrawn key. Set less if that matters.
	DefaultMaxStale = 24 * time.Hour
	// MinMaxStale leaves time for a failed fetch and another one.
	MinMaxStale = 5 * time.Minute
)

// Options configure where the keys of an issuer are. Issuer and Algorithms are required.
type Options struct {
	// Issuer is the issuer identifier, or another name for the owner of the keys. It is
	// logged, so it must not be secret. Without JWKSURL and File, the issuer's metadata
	// has the URL of the keys: first at the location of RFC 8414 section 3.1, then at
	// <issuer>/.well-known/openid-configuration. The metadata must name this issuer, byte
	// for byte.
	Issuer string
	// JWKSURL is the URL of the keys, instead of discovery.
	JWKSURL string
	// File is the path of a file with the JWK Set, instead of both. It is read again every
	// 15 seconds.
	File string
	// MayBeEmpty accepts a JWK Set without a usable key: then all keys are withdrawn.
	// Default: such a set is an error, because an issuer has keys, and the last good set
	// is used until it is too old.
	MayBeEmpty bool
	// Algorithms are the accepted algorithms, of [jws.Names]. A key without an algorithm
	// gets the first one that fits.
	Algorithms []string

	// Storage keeps the keys for a restart while the issuer is down. Default: the keys are
	// in memory only, as those of a File always are.
	Storage certmagic.Storage
	// Folder is the folder in the storage, which only this issuer uses. Required with
	// Storage.
	Folder string

	// Transport fetches the keys. Default: one with time limits, which uses the proxy of
	// the environment. For URLs that an operator did not choose, use [GuardedTransport].
	Transport http.RoundTripper
	// InsecureHTTP allows http URLs. Then anyone on the network path can make tokens.
	// Without it, http is allowed only from an issuer on the loopback interface to the
	// loopback interface.
	InsecureHTTP bool
	// MaxStale is how long keys are used after the issuer last confirmed them, at least
	// MinMaxStale. Default: DefaultMaxStale.
	MaxStale time.Duration
	// Predecessor is the source of the same issuer in the configuration before, if any.
	// Its keys are taken over if issuer, algorithms and the location of the keys are the
	// same, and the new options still allow that location. So a configuration reload while
	// the issuer is down loses no keys.
	Predecessor *Source

	// Now is the wall clock, for stored times. Default: time.Now.
	Now func() time.Time
	// Elapsed is a clock that cannot be set: the time since a fixed moment in the life of
	// the process. Default: the monotonic clock.
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
		o.Elapsed = background.Elapsed()
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

// place returns the configured location of the keys.
func (o Options) place() place { return place{o.JWKSURL, o.File} }

type place struct{ jwksURL, file string }

func (p place) local() bool      { return p.file != "" }
func (p place) discovered() bool { return p == place{} }

// reader returns the function that reads the keys.
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
