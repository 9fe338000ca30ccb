// Package jwks keeps the keys of an issuer elsewhere: it fetches the JWK Set (RFC 7517),
// refreshes it, and keeps using it while the issuer is down. No request waits for a known
// key, and many requests do not cause many fetches.
package jwks

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Source has the keys of one issuer. It is a [verifier.KeySource]. A look-up of a known
// key takes no lock.
type Source struct {
	issuer     string
	place      place
	algorithms []string
	mayBeEmpty bool
	maxStale   time.Duration
	read       func(ctx context.Context, before *keys) (document, error)
	store      *store // nil: keys live in memory only
	now        func() time.Time
	elapsed    func() time.Duration
	logger     *zap.Logger

	current atomic.Pointer[keys] // the last good set; nil before the first

	mu     sync.Mutex
	latest *fetch // nil before the first
	status status

	rescheduled chan struct{} // wakes Run: the next fetch is due at another time
	confirmed   chan struct{} // wakes Run: there may be something to store
}

// New returns a Source without keys, or an error for options that cannot work. It uses
// neither the network nor the storage.
func New(o Options) (*Source, error) {
	o = o.withDefaults()
	read, err := o.reader()
	if err != nil {
		return nil, err
	}
	s := &Source{
		issuer:      o.Issuer,
		place:       o.place(),
		algorithms:  slices.Clone(o.Algorithms),
		mayBeEmpty:  o.MayBeEmpty,
		maxStale:    o.MaxStale,
		read:        read,
		now:         o.Now,
		elapsed:     o.Elapsed,
		logger:      o.Logger,
		rescheduled: make(chan struct{}, 1),
		confirmed:   make(chan struct{}, 1),
	}
	if o.Storage != nil && !s.place.local() {
		s.store = newStore(o)
	}
	if before := o.Predecessor; before != nil && s.succeeds(before) {
		if k := before.current.Load(); k != nil && (s.place.local() || newWeb(o).allowed(k.url) == nil) {
			s.current.Store(k)
		}
	}
	return s, nil
}

// succeeds reports whether the keys of the predecessor are valid for this source too.
func (s *Source) succeeds(before *Source) bool {
	return before.issuer == s.issuer && before.place == s.place && before.mayBeEmpty == s.mayBeEmpty && slices.Equal(before.algorithms, s.algorithms)
}

// Key returns the key for a kid and algorithm. A known key is returned at once. For an
// unknown kid, the keys are fetched, once for all waiting requests, and at most every 10
// seconds. The wait ends with ctx, and 5 seconds after the fetch began. The error is
// [verifier.ErrUnknownKey] only if the issuer has just answered without that kid; any
// other error means that the keys could not be read. If the kid has only keys of other
// algorithms, Key returns one of them.
func (s *Source) Key(ctx context.Context, kid, algorithm string) (*jws.Key, error) {
	if key, ok := s.serving().key(kid, algorithm); ok {
		return key, nil
	}
	if kid == "" {
		return nil, verifier.ErrUnknownKey // it names no key, so that there is nothing to ask for
	}
	err := s.fetchOnce(ctx)
	serving := s.serving()
	key, ok := serving.key(kid, algorithm)
	switch {
	case ok:
		return key, nil
	case err != nil:
		return nil, &verifier.OutOfReach{Err: fmt.Errorf("asking the issuer %s for its keys: %w", s.issuer, err), RetryAfter: s.nextFetch()}
	case serving != nil && slices.Contains(serving.ambiguous, kid):
		return nil, fmt.Errorf("%w: different keys of one algorithm share it in the JWK Set; each needs a kid of its own", verifier.ErrUnknownKey)
	}
	return nil, verifier.ErrUnknownKey
}

// serving returns the last good set, or nil if it is too old: a withdrawn key must not
// verify for ever (fail closed).
func (s *Source) serving() *keys {
	current := s.current.Load()
	if current == nil || s.elapsed()-current.confirmed >= s.maxStale {
		return nil
	}
	return current
}

// replace puts a new set in force. Keys that it does not have are no longer accepted.
func (s *Source) replace(next *keys) {
	before := s.current.Swap(next)
	if next.count == 0 && (before == nil || before.restored || before.count > 0) {
		s.logger.Warn("there is no usable key, so that nothing verifies until one is published", zap.Error(next.usable()))
	}
	added, removed := next.changes(before)
	if len(added) == 0 && len(removed) == 0 {
		return
	}
	s.logger.Info("keys of the foreign issuer changed",
		zap.Strings("added", added), zap.Strings("removed", removed),
		zap.Int("keys", next.count), zap.String("from", next.from),
		zap.Int("skipped", len(next.skipped)), zap.Strings("skipped_because", next.skipped[:min(len(next.skipped), maxReasonsLogged)]))
}

// maxReasonsLogged bounds what a foreign document causes in the log. [Health] has all
// reasons.
const maxReasonsLogged = 10
