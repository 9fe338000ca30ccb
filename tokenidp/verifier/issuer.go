package verifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// ErrUnknownKey is what a [KeySource] returns when its issuer has no such key.
var ErrUnknownKey = errors.New("issuer has no such key")

// KeySource finds keys of one issuer. The kid comes from an unverified token: it
// is to be compared byte for byte, and is no path, URL or placeholder. The error is
// [ErrUnknownKey] when there is no such key; any other one says that the keys are
// out of reach.
type KeySource interface {
	Key(ctx context.Context, kid string) (*jws.Key, error)
}

// Leeways for exp and nbf.
const (
	DefaultLeeway = 30 * time.Second
	MaxLeeway     = time.Minute
)

// Issuer is an authorization server whose access tokens are accepted.
type Issuer struct {
	URL        string        // compared with iss byte for byte
	Algorithms []string      // accepted alg, of [jws.Algorithms]
	Types      []string      // accepted typ: "at+jwt" (the default when empty), "jwt"
	Leeway     time.Duration // for exp and nbf; 0 means [DefaultLeeway], at most [MaxLeeway]
	Keys       KeySource
}

// prepared returns a copy with the defaults filled in, or what is wrong with it.
func (i Issuer) prepared() (*Issuer, error) {
	i.Algorithms, i.Types = slices.Clone(i.Algorithms), slices.Clone(i.Types)
	if len(i.Types) == 0 {
		i.Types = []string{"at+jwt"}
	}
	if i.Leeway == 0 {
		i.Leeway = DefaultLeeway
	}
	switch {
	case i.URL == "":
		return nil, errors.New("URL is empty")
	case i.Keys == nil:
		return nil, errors.New("there is no source of keys")
	case len(i.Algorithms) == 0:
		return nil, errors.New("no algorithm is allowed")
	case i.Leeway < 0 || i.Leeway > MaxLeeway:
		return nil, fmt.Errorf("leeway %s is not from 0 to %s", i.Leeway, MaxLeeway)
	}
	for _, alg := range i.Algorithms {
		if !jws.Supported(alg) {
			return nil, fmt.Errorf("algorithm %q is not supported", alg)
		}
	}
	// Any other explicit type is a JWT made for another purpose (RFC 8725 section 3.11).
	for _, typ := range i.Types {
		if typ != "at+jwt" && typ != "jwt" {
			return nil, fmt.Errorf("type %q is not that of an access token", typ)
		}
	}
	return &i, nil
}

// accepts judges the header by this issuer's configuration (RFC 9068 section 4,
// RFC 8725 sections 3.1 and 3.11).
func (i *Issuer) accepts(h jws.Header) error {
	switch {
	case !slices.ContainsFunc(i.Types, func(typ string) bool { return isType(h.Type, typ) }):
		return Refuse(WrongType, fmt.Errorf("typ is %.64q", h.Type))
	case !slices.Contains(i.Algorithms, h.Algorithm):
		return Refuse(WrongAlgorithm, fmt.Errorf("alg %q is not allowed for this issuer", h.Algorithm))
	case h.KeyID == "":
		return Refuse(MissingKeyID, nil)
	}
	return nil
}

// isType compares media types, the prefix of which may be left out (RFC 7515
// section 4.1.9). Under EqualFold no other character equals a letter of these two.
func isType(got, want string) bool {
	return strings.EqualFold(got, want) || strings.EqualFold(got, "application/"+want)
}

// key finds the key a token names and makes sure that the token's algorithm is the
// one that the key belongs to.
func (i *Issuer) key(ctx context.Context, h jws.Header) (*jws.Key, error) {
	key, err := i.Keys.Key(ctx, h.KeyID)
	switch {
	case errors.Is(err, ErrUnknownKey), err == nil && key == nil:
		return nil, Refuse(UnknownKey, fmt.Errorf("kid is %.64q", h.KeyID))
	case err != nil:
		return nil, Refuse(KeysUnavailable, err)
	case key.Algorithm != h.Algorithm:
		return nil, Refuse(WrongAlgorithm, fmt.Errorf("alg is %q, the key's is %q", h.Algorithm, key.Algorithm))
	}
	return key, nil
}
