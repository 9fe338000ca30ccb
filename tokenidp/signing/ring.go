package signing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// ErrNoKey means that there is no key that can sign.
var ErrNoKey = errors.New("no signing key")

// Ring holds the keys of one issuer: the one that signs, those that are published and will
// sign later, and those that only verify. The state of each key follows from the keys and
// the clock, so every node changes to a new key by itself. Reading a ring never waits, and
// does not use the storage.
type Ring struct {
	algorithm string
	rotation  rotation
	store     *store
	now       func() time.Time
	elapsed   func() time.Duration
	logger    *zap.Logger
	current   atomic.Pointer[keys]
	seen      *sightings
	outside   *Outside // nil: keys are made here

	issues       atomic.Bool // Ready was called
	asConfigured bool        // Ensure has succeeded; for Run alone
	problem      background.Problem

	rereading sync.Mutex
	reread    *reread // the latest; nil before the first
}

// Options are optional.
type Options struct {
	// RotateEvery is how long a key signs before its successor does. Less than
	// MinRotateEvery becomes MinRotateEvery. Zero is DefaultRotateEvery. With a negative
	// value, only Rotate and a change of the algorithm make a successor.
	RotateEvery time.Duration
	// Now is the wall clock. Default: time.Now.
	Now func() time.Time
	// Elapsed is a clock that cannot be set: the time since a fixed moment in the life of
	// the process. Default: the monotonic clock.
	Elapsed func() time.Duration
	// Predecessor is this process's ring for the same issuer and storage in the
	// configuration before, if any. The new ring takes over its keys, and how long they
	// have been retired. Without it, a process whose configuration is reloaded every day
	// would never delete keys.
	Predecessor *Ring
	// Encryption encrypts the private keys in the storage. Default: none.
	Encryption *Encryption
	// Outside is the source of the signing keys, instead of making them here. Then
	// rotation follows it, and RotateEvery and the algorithm have no effect.
	Outside *Outside
	// Logger default: none.
	Logger *zap.Logger
}

// NewRing returns a ring that signs with the algorithm. It is empty, or has the keys of its
// predecessor. Load reads the keys of the storage.
func NewRing(storage certmagic.Storage, issuer, algorithm string, o Options) *Ring {
	r := &Ring{
		algorithm: algorithm,
		rotation:  newRotation(o.RotateEvery),
		store:     newStore(storage, issuer),
		now:       o.Now,
		elapsed:   o.Elapsed,
		logger:    o.Logger,
		outside:   o.Outside,
	}
	r.store.encryption = o.Encryption
	if r.outside != nil {
		r.rotation = 0
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.logger == nil {
		r.logger = zap.NewNop()
	}
	if before := o.Predecessor; before != nil {
		r.elapsed, r.seen = before.elapsed, before.seen // one clock for what was seen
		r.current.Store(before.current.Load())
		r.outside.follow(before.outside)
		return r
	}
	if r.elapsed == nil {
		r.elapsed = background.Elapsed()
	}
	r.seen = newSightings()
	empty, _ := newKeys(nil) // nothing that could fail to be encoded
	r.current.Store(empty)
	return r
}

// moment is the time of both clocks.
type moment struct {
	wall    time.Time
	elapsed time.Duration
}

func (r *Ring) moment() moment { return moment{r.now(), r.elapsed()} }

// Load reads the keys from the storage. It never writes. After an error the ring has not
// changed. It is also an error if the storage has lost the active key; this ring continues
// to sign with it.
func (r *Ring) Load(ctx context.Context) error {
	if _, err := r.refresh(ctx); err != nil {
		return err
	}
	return r.lost()
}

// lost returns an error if the active key is only in memory.
func (r *Ring) lost() error {
	ks := r.current.Load()
	if i := activeAt(ks.members, r.now(), r.elapsed()); i >= 0 && ks.members[i].missing {
		return fmt.Errorf("the key %s is in use, but %s no longer holds it", ks.members[i].ID, r.store.folder)
	}
	return nil
}

// refresh reads the storage, and merges the result with the keys of the ring.
func (r *Ring) refresh(ctx context.Context) (*listing, error) {
	before, begun := r.current.Load(), r.moment()
	found, err := r.store.list(ctx)
	if err != nil {
		return nil, err
	}
	found.begun = begun
	r.outside.equip(found)
	at := r.moment()
	next, err := merge(before, found, r.rotation, at)
	if err != nil {
		return nil, err
	}
	if !r.current.CompareAndSwap(before, next) {
		return r.refresh(ctx) // another read was faster, and this one may be the older
	}
	r.report(next, r.seen.update(next, r.rotation, at))
	r.reportRegress(before, next, at)
	return found, nil
}

// Active returns the key that signs, or nil.
func (r *Ring) Active() *Key {
	ks := r.current.Load()
	if i := activeAt(ks.members, r.now(), r.elapsed()); i >= 0 {
		return ks.members[i].Key
	}
	return nil
}

// Sign signs the claims (a JSON object) with the active key. It returns the compact JWS
// and the kid. The error is [ErrNoKey] if no key can sign.
func (r *Ring) Sign(claims []byte) (token, keyID string, err error) {
	k := r.Active()
	if k == nil || !k.signs() {
		return "", "", ErrNoKey
	}
	token, err = k.Sign(claims)
	return token, k.ID, err
}

// SignIntrospection signs an introspection response (a JSON object) with the active key.
// It returns the compact JWS. The error is [ErrNoKey] if no key can sign.
func (r *Ring) SignIntrospection(response []byte) (string, error) {
	k := r.Active()
	if k == nil {
		return "", ErrNoKey
	}
	return k.SignIntrospection(response)
}

// KeySet returns the JWK Set to publish.
func (r *Ring) KeySet() KeySet { return r.current.Load().set }

// Interface guard
var _ verifier.KeySource = (*Ring)(nil)
