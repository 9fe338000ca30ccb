package signing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// unlockTimeout bounds the release of the lock after its work was done.
const unlockTimeout = 5 * time.Second

// ErrNoKey is returned by Sign when no key can sign.
var ErrNoKey = errors.New("no signing key")

// Ring holds the keys of one issuer: the one that signs, and all that verify.
// Reading it never waits, and needs no storage.
type Ring struct {
	algorithm string
	store     *store
	now       func() time.Time
	logger    *zap.Logger
	current   atomic.Pointer[keys]

	unreadable atomic.Pointer[string]

	rereading sync.Mutex
	reread    *reread // the latest; nil before the first
}

// keys is one immutable state of the ring.
type keys struct {
	active *Key // nil until there is one
	byID   map[string]*jws.Key
	set    KeySet
}

// NewRing makes an empty ring that signs with algorithm. The clock may be nil.
func NewRing(storage certmagic.Storage, issuer, algorithm string, now func() time.Time, logger *zap.Logger) *Ring {
	if now == nil {
		now = time.Now
	}
	r := &Ring{algorithm: algorithm, store: newStore(storage, issuer), now: now, logger: logger}
	empty, _ := newKeys(nil, algorithm) // nothing that could fail to be encoded
	r.current.Store(empty)
	return r
}

// newKeys takes the keys oldest first, no two of one kid.
func newKeys(found []*Key, algorithm string) (*keys, error) {
	set, err := encodeKeySet(found)
	if err != nil {
		return nil, err
	}
	ks := &keys{byID: make(map[string]*jws.Key, len(found)), set: set}
	for _, k := range found {
		ks.byID[k.ID] = k.public
		if ks.active == nil && k.Algorithm == algorithm {
			// The oldest, so that nodes that raced agree on the one that all
			// of them can see.
			ks.active = k
		}
	}
	return ks, nil
}

// Load reads the keys from the storage and never writes. After an error the
// ring is what it was before. It is an error when the storage has lost the key
// that signs and has no other in its place: this ring goes on with it.
func (r *Ring) Load(ctx context.Context) error {
	_, err := r.load(ctx)
	return err
}

func (r *Ring) load(ctx context.Context) (*listing, error) {
	before := r.current.Load()
	found, err := r.store.list(ctx)
	if err != nil {
		return nil, err
	}
	r.reportUnreadable(found.unreadable)
	next, err := newKeys(found.keys, r.algorithm)
	if err != nil {
		return nil, err
	}
	if before.active != nil && next.active == nil {
		return nil, fmt.Errorf("the key %s is in use, but %s no longer holds it, nor another in its place", before.active.ID, r.store.folder)
	}
	if !r.current.CompareAndSwap(before, next) {
		return r.load(ctx) // another read was faster, and this one may be the older
	}
	return found, nil
}

// reportUnreadable names each broken entry once, not at every read.
func (r *Ring) reportUnreadable(lines []string) {
	joined := strings.Join(lines, "; ")
	if before := r.unreadable.Swap(&joined); joined == "" || (before != nil && *before == joined) {
		return
	}
	r.logger.Error("signing key entries cannot be used and are left alone; repair each, or delete it once no token of its lives",
		zap.Strings("entries", lines))
}

// Ensure makes the first key where there is none. Only the side that issues
// calls it. It is idempotent, and correct even where the storage's lock fails
// to exclude another node: entries are immutable, and every node picks the same
// winner from what it lists after writing.
func (r *Ring) Ensure(ctx context.Context) error {
	if _, err := r.load(ctx); err != nil {
		return err
	}
	if r.Active() != nil {
		return nil
	}
	lock := r.store.lockName()
	if err := r.store.storage.Lock(ctx, lock); err != nil {
		return fmt.Errorf("locking %s: %w", lock, err)
	}
	defer r.unlock(ctx, lock)

	found, err := r.load(ctx)
	if err != nil || r.Active() != nil {
		return err
	}
	if len(found.unreadable) > 0 {
		// One of these may be the key that signed yesterday's tokens.
		return fmt.Errorf("no usable %s key, and entries that cannot be read: %s; repair them, or delete them to have a new key made",
			r.algorithm, strings.Join(found.unreadable, "; "))
	}
	return r.create(ctx, found)
}

func (r *Ring) create(ctx context.Context, found *listing) error {
	now := r.now()
	k, err := generate(nextKeyID(now, found.taken).String(), r.algorithm, now)
	if err != nil {
		return err
	}
	if err := r.store.write(ctx, k); err != nil {
		return err
	}
	if _, err := r.load(ctx); err != nil {
		return err
	}
	if r.Active() == nil {
		return fmt.Errorf("the key %s was written, but is not found on reading back: either the storage does not show what was written, or another node took the same kid", k.ID)
	}
	r.logger.Info("signing key created", zap.String("kid", k.ID), zap.String("algorithm", k.Algorithm))
	return nil
}

func (r *Ring) unlock(ctx context.Context, lock string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
	defer cancel()
	if err := r.store.storage.Unlock(ctx, lock); err != nil {
		r.logger.Error("unlocking", zap.String("lock", lock), zap.Error(err))
	}
}

// Active is the key that signs, or nil.
func (r *Ring) Active() *Key { return r.current.Load().active }

// Sign signs the claims (a JSON object) with the active key and returns the
// compact JWS and the key's id.
func (r *Ring) Sign(claims []byte) (token, keyID string, err error) {
	k := r.Active()
	if k == nil {
		return "", "", ErrNoKey
	}
	token, err = k.Sign(claims)
	return token, k.ID, err
}

// KeySet is the JWK Set to publish.
func (r *Ring) KeySet() KeySet { return r.current.Load().set }

// Interface guard
var _ verifier.KeySource = (*Ring)(nil)
