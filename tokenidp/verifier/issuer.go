package verifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// ErrUnknownKey is the error of a [KeySource] if its issuer has no such key.
var ErrUnknownKey = errors.New("issuer has no such key")

// OutOfReach is the error of a [KeySource] that cannot find out whether its issuer has the
// key. RetryAfter is the time until its next attempt.
type OutOfReach struct {
	Err        error
	RetryAfter time.Duration
}

func (e *OutOfReach) Error() string { return e.Err.Error() }
func (e *OutOfReach) Unwrap() error { return e.Err }

// KeySource finds keys of one issuer. The kid and the algorithm come from an unverified
// token. The kid must be compared byte for byte, and never used as a path, URL or
// placeholder. The algorithm only selects among keys of that kid; the returned key may
// have another one, and then verifies nothing. The error is [ErrUnknownKey] if there is no
// such key; any other error means that the keys cannot be read. Key must return the same
// pointer for as long as the key is the same: after another pointer, cached tokens are
// verified again.
type KeySource interface {
	Key(ctx context.Context, kid, algorithm string) (*jws.Key, error)
}

// Limits of the leeway for exp and nbf.
const (
	DefaultLeeway = 30 * time.Second
	MaxLeeway     = time.Minute
)

// Options configure how the access tokens of one authorization server are verified.
type Options struct {
	URL        string        // compared with iss byte for byte
	Algorithms []string      // accepted alg, of [jws.Names]
	Types      []string      // accepted typ: "at+jwt" (the default when empty), "jwt", "" for none
	Leeway     time.Duration // for exp and nbf; 0 means [DefaultLeeway], at most [MaxLeeway]
	Keys       KeySource
	Claims     Layout // where the claims stand; the zero value is RFC 9068
	CacheSize  int    // tokens to remember; 0 means [DefaultCacheSize], less than 0 none
	// Annotate returns the annotation of a token that is remembered. Many tokens should share
	// one: it does not count for the size of the cache. Default: none.
	Annotate func(*Claims) any
}

// Issuer is an authorization server whose access tokens are accepted. It has the cache of
// its verified tokens, so several Verifiers should share one Issuer. It is safe for
// concurrent use.
type Issuer struct {
	options Options
	cache   *cache // nil remembers nothing
	// Values that many of its tokens share.
	audience, scope latest
	signatures      atomic.Uint64
}

// Health is what an Issuer has done.
type Health struct {
	// Signatures is how many signatures it has checked. All other tokens were remembered.
	Signatures uint64
	// Remembered is about how many tokens it remembers.
	Remembered int
}

// Health returns what the Issuer has done.
func (i *Issuer) Health() Health {
	h := Health{Signatures: i.signatures.Load()}
	if i.cache != nil {
		h.Remembered = i.cache.tokens.EstimatedSize()
	}
	return h
}

// NewIssuer returns an Issuer. It copies the options, and sets the defaults. It returns an
// error for options that are incomplete or contradict each other.
func NewIssuer(o Options) (*Issuer, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("preparing issuer %q: %w", o.URL, err)
	}
	o.Algorithms, o.Types, o.Claims = slices.Clone(o.Algorithms), slices.Clone(o.Types), o.Claims.prepared()
	for i, alg := range o.Algorithms {
		o.Algorithms[i] = jws.Canonical(alg)
	}
	if len(o.Types) == 0 {
		o.Types = []string{"at+jwt"}
	}
	if o.Leeway == 0 {
		o.Leeway = DefaultLeeway
	}
	if o.CacheSize == 0 {
		o.CacheSize = DefaultCacheSize
	}
	return &Issuer{options: o, cache: newCache(o.CacheSize)}, nil
}

func (o *Options) check() error {
	switch {
	case o.URL == "":
		return errors.New("URL is empty")
	case o.Keys == nil:
		return errors.New("there is no source of keys")
	case len(o.Algorithms) == 0:
		return errors.New("no algorithm is allowed")
	case o.Leeway < 0 || o.Leeway > MaxLeeway:
		return fmt.Errorf("leeway %s is not from 0 to %s", o.Leeway, MaxLeeway)
	}
	for _, alg := range o.Algorithms {
		if !jws.Supported(jws.Canonical(alg)) {
			return fmt.Errorf("algorithm %q is not supported", alg)
		}
	}
	// Any other explicit type is a JWT made for another purpose (RFC 8725 section 3.11).
	for _, typ := range o.Types {
		if typ != "at+jwt" && typ != "jwt" && typ != "" {
			return fmt.Errorf("type %q is not that of an access token", typ)
		}
	}
	return o.Claims.check()
}

// verify verifies the signature, and returns the key. How it verifies depends on the
// issuer and its key only, never on the token.
func (i *Issuer) verify(ctx context.Context, m *jws.Message) (*jws.Key, error) {
	if err := i.accepts(m.Header); err != nil {
		return nil, err
	}
	key, err := i.key(ctx, m.Header.KeyID, m.Header.Algorithm)
	switch {
	case err != nil:
		return nil, err
	case key.Algorithm != m.Header.Algorithm:
		return nil, Refuse(WrongAlgorithm, &Mismatch{fmt.Sprintf("alg is %q", m.Header.Algorithm), key.Algorithm + ", that of the key"})
	}
	i.signatures.Add(1)
	if err := key.Verify(m.SigningInput, m.Signature); err != nil {
		return nil, Refuse(BadSignature, fmt.Errorf("kid %.64q: %w", m.Header.KeyID, err))
	}
	return key, nil
}

// accepts checks the header against this issuer's configuration (RFC 9068 section 4,
// RFC 8725 sections 3.1 and 3.11).
func (i *Issuer) accepts(h jws.Header) error {
	switch {
	case !slices.ContainsFunc(i.options.Types, func(typ string) bool { return isType(h, typ) }):
		return Refuse(WrongType, &Mismatch{fmt.Sprintf("typ is %.64q", h.Type), fmt.Sprintf("%q", i.options.Types)})
	case !slices.Contains(i.options.Algorithms, h.Algorithm):
		return Refuse(WrongAlgorithm, &Mismatch{fmt.Sprintf("alg is %q", h.Algorithm), strings.Join(i.options.Algorithms, " or ")})
	case h.KeyID == "":
		return Refuse(MissingKeyID, nil)
	}
	return nil
}

// isType compares media types, without the prefix application/ (RFC 7515 section 4.1.9).
// With EqualFold, no other character equals a letter of these two. A token with an empty
// typ has an unknown type; only an absent typ is none.
func isType(h jws.Header, want string) bool {
	if want == "" {
		return !h.HasType
	}
	return strings.EqualFold(h.Type, want) || strings.EqualFold(h.Type, "application/"+want)
}

// key returns the current key of that kid, or an error.
func (i *Issuer) key(ctx context.Context, kid, algorithm string) (*jws.Key, error) {
	key, err := i.options.Keys.Key(ctx, kid, algorithm)
	switch {
	case err == nil && key == nil:
		return nil, Refuse(UnknownKey, fmt.Errorf("kid is %.64q: %w", kid, ErrUnknownKey))
	case errors.Is(err, ErrUnknownKey):
		return nil, Refuse(UnknownKey, fmt.Errorf("kid is %.64q: %w", kid, err))
	case err != nil:
		return nil, Refuse(KeysUnavailable, err)
	}
	return key, nil
}
