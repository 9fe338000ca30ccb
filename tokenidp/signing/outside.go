package signing

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// ErrOutside is returned by Rotate if the keys come from outside.
var ErrOutside = errors.New("the signing keys come from outside: put the new key there, in front of the old one")

// Outside is a source of signing keys that are made and kept elsewhere: a file, a secret
// mount, the environment. The first key signs, ten minutes after it was published if
// another one signed before. The others only verify. A key that is removed there signs
// until its successor takes over, and verifies until its last token has expired.
//
// The storage has only the public halves. Every node publishes them, also before it has
// the new key.
type Outside struct {
	from      string
	algorithm string
	load      func() ([]byte, error)
	reading   chan struct{} // held by one read

	mu     sync.Mutex
	digest [sha256.Size]byte // of what keys was parsed from
	keys   []*Key            // the first one signs
	turned bool              // this process saw another key come first
}

// NewOutside returns a source of keys. place is its name in errors. algorithm is for keys
// without one, if it fits; it may be "". load returns PEM (PKCS #8, PKCS #1 or SEC 1), a
// private JWK, or a set of them; it is called about once a minute.
func NewOutside(from, algorithm string, load func() ([]byte, error)) *Outside {
	return &Outside{from: from, algorithm: algorithm, load: load, reading: make(chan struct{}, 1)}
}

// read loads the keys. After an error the keys stay the same. If load hangs, read ends
// with the context, and load is not called again before it has returned.
func (o *Outside) read(ctx context.Context) error {
	if o == nil {
		return nil
	}
	select {
	case o.reading <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("reading the signing key from %s: it has not answered: %w", o.from, ctx.Err())
	}
	ended := make(chan error, 1)
	go func() {
		defer func() { <-o.reading }()
		ended <- o.take(o.load())
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return fmt.Errorf("reading the signing key from %s: %w", o.from, ctx.Err())
	}
}

func (o *Outside) take(text []byte, err error) error {
	if err != nil {
		return fmt.Errorf("reading the signing key from %s: %w", o.from, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	digest := sha256.Sum256(text)
	if o.keys != nil && digest == o.digest {
		return nil
	}
	keys, err := parsePrivateKeys(text, o.algorithm)
	if err != nil {
		return fmt.Errorf("reading the signing key from %s: %w", o.from, err)
	}
	o.turned = o.turned || o.keys != nil && !sameKey(o.keys[0], keys[0])
	o.keys, o.digest = keys, digest
	return nil
}

// follow takes over the keys that the configuration before had read from the same place.
func (o *Outside) follow(before *Outside) {
	if o == nil || before == nil || o.from != before.from || o.algorithm != before.algorithm {
		return
	}
	before.mu.Lock()
	defer before.mu.Unlock()
	o.keys, o.digest, o.turned = before.keys, before.digest, before.turned
}

func (o *Outside) list() []*Key {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.keys
}

// outsideNeeds reports whether this is the only entry of a key that exists outside.
func (r *Ring) outsideNeeds(k *Key, found *listing) bool {
	there := slices.ContainsFunc(r.outside.list(), func(other *Key) bool { return sameKey(k, other) })
	return there && !slices.ContainsFunc(found.keys, func(other *Key) bool { return sameKey(k, other) && !sameEntry(k, other) })
}

// equip adds the private halves to the listed keys.
func (o *Outside) equip(found *listing) {
	for i, k := range found.keys {
		for _, own := range o.list() {
			if sameKey(k, own) && !k.signs() {
				if whole, err := k.with(own.private); err == nil { // the algorithm is the published one
					found.keys[i] = whole
				}
			}
		}
	}
}

// outsidePublished reports whether all keys are published.
func (r *Ring) outsidePublished() bool {
	if r.outside == nil {
		return true
	}
	keys, ks := r.outside.list(), r.current.Load()
	return len(keys) > 0 && !r.outsideTurned(keys[0]) && !slices.ContainsFunc(keys, func(k *Key) bool { return !ks.has(k) })
}

// outsideTurned reports whether a published key must take over, because it is now the
// first key outside. This process saw it behind another key, or its entries never had it
// sign, or keys come from outside again. A node that still has the key before the newest
// returns false: it lags, and would undo the rotation of the others.
func (r *Ring) outsideTurned(first *Key) bool {
	r.outside.mu.Lock()
	defer r.outside.mu.Unlock()
	newest := r.newest()
	if newest != nil && sameKey(newest, first) {
		r.outside.turned = false
		return false
	}
	return r.outside.turned || newest != nil && (!newest.outside || r.neverSigns(first))
}

func (r *Ring) neverSigns(k *Key) bool {
	return !slices.ContainsFunc(r.current.Load().members, func(m member) bool { return sameKey(m.Key, k) && !m.SignsFrom.IsZero() })
}

// outsideConflict returns an error if a key from outside has the kid of another published
// key, or another algorithm than is published.
func (r *Ring) outsideConflict() error {
	for _, k := range r.outside.list() {
		other, taken := r.current.Load().find(k.ID)
		switch {
		case taken && !sameKey(other.Key, k):
			return fmt.Errorf("the signing key in %s has the kid %q of another key that is still published; give it a kid of its own", r.outside.from, k.ID)
		case taken && other.Algorithm != k.Algorithm:
			return fmt.Errorf("the signing key %q in %s is published for %s, and is now to sign with %s; one key has one algorithm: use another key", k.ID, r.outside.from, other.Algorithm, k.Algorithm)
		}
	}
	return nil
}

// publishOutside writes the public halves of the keys from outside.
func (r *Ring) publishOutside(ctx context.Context, found *listing) error {
	if err := r.outsideConflict(); err != nil || r.outsidePublished() {
		return err
	}
	for i, k := range r.outside.list() {
		_, taken := r.current.Load().find(k.ID)
		if taken && (i > 0 || !r.outsideTurned(k)) {
			continue
		}
		published, err := r.toPublish(k, i == 0)
		if err != nil {
			return err
		}
		if err := r.publish(ctx, found, published); err != nil {
			return err
		}
	}
	return nil
}

// toPublish returns the key with its times. A key that only verifies never begins to sign.
func (r *Ring) toPublish(k *Key, first bool) (*Key, error) {
	now, published := r.now(), *k
	var err error
	if published.kid, err = outsideID(); err != nil {
		return nil, err
	}
	published.CreatedAt = now.Round(0)
	switch {
	case first && r.newest() == nil:
		published.SignsFrom = published.CreatedAt
	case first:
		published.SignsFrom = r.soonest(now).Round(0)
	}
	return &published, nil
}
