package jwks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

const (
	// storeTimeout bounds one write.
	storeTimeout = 10 * time.Second
	// storeRetry is the wait after a failed write, so that a storage that is read-only or
	// down is not tried after every fetch.
	storeRetry = 10 * time.Minute
)

// store keeps the keys of one issuer in Caddy's storage, in one entry that every node
// overwrites. Each node fetched from the issuer what it writes, and writes the time of the
// fetch. So it does not matter which node writes last.
type store struct {
	storage  certmagic.Storage
	name     string
	allowed  func(url string) error
	maxStale time.Duration // an entry is written again when it is an eighth as old

	set       []byte        // the keys last written, or read
	confirmed time.Duration // when these were confirmed, as the entry says
	tried     time.Duration // when the last write failed
	failing   bool
}

func newStore(o Options) *store {
	return &store{storage: o.Storage, name: path.Join(o.Folder, "jwks.json"), allowed: newWeb(o).allowed, maxStale: o.MaxStale}
}

// Load reads the keys that an earlier process or another node has stored, or the File.
// After an error the source can still be used: it fetches the keys. An unusable entry is
// logged and ignored.
func (s *Source) Load(ctx context.Context) error {
	if s.place.local() {
		return s.fetchOnce(ctx)
	}
	if s.store == nil {
		return nil
	}
	data, err := s.store.storage.Load(ctx, s.store.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("loading %s: %w", s.store.name, err)
	}
	if err := s.restore(data); err != nil {
		s.logger.Warn("stored keys of the foreign issuer are of no use, and ignored", zap.String("entry", s.store.name), zap.Error(err))
	}
	return nil
}

func (s *Source) restore(data []byte) error {
	k, fetchedAt, err := decodeEntry(data, s.issuer, s.place, s.algorithms)
	if err != nil {
		return err
	}
	if err := s.acceptable(k); err != nil {
		return err
	}
	if err := s.store.allowed(k.url); err != nil {
		return fmt.Errorf("was fetched from where it may not be any more: %w", err)
	}
	age, err := storedAge(s.now().Sub(fetchedAt), s.maxStale)
	if err != nil {
		return err
	}
	k.confirmed = s.elapsed() - age
	if set, err := json.Marshal(k.public()); err == nil {
		s.store.set, s.store.confirmed = set, k.confirmed
	}
	s.current.CompareAndSwap(nil, k) // what is in memory was fetched later
	return nil
}

// storedAge returns the age of an entry by the wall clock, which may have been set since.
// A time slightly ahead counts as now; with a time far ahead, the age is unknown. So no
// entry is used for more than twice maxStale, however often the process starts.
func storedAge(age, maxStale time.Duration) (time.Duration, error) {
	switch {
	case age >= maxStale:
		return 0, fmt.Errorf("fetched %s ago, which is too old", age.Round(time.Second))
	case age <= -maxStale:
		return 0, fmt.Errorf("fetched %s ahead of the clock", (-age).Round(time.Second))
	}
	return max(age, 0), nil
}

// keepStored stores fetched keys until ctx ends. It runs in its own goroutine, so no
// request and no fetch waits for a hanging storage.
func (s *Source) keepStored(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.confirmed:
			if s.store != nil {
				s.save(ctx, s.current.Load())
			}
		}
	}
}

func (s *Source) save(ctx context.Context, k *keys) {
	now := s.elapsed()
	set, err := json.Marshal(k.public())
	if err == nil && s.store.due(set, k.confirmed, now) {
		err = s.write(ctx, k, now)
		if ctx.Err() != nil {
			return // this configuration has ended
		}
		s.tellStored(err)
		if s.store.tried = now; err == nil {
			s.store.set, s.store.confirmed = set, k.confirmed
		}
	}
}

// due reports whether to store. Unchanged keys are stored again only when the stored time
// has become old.
func (st *store) due(set []byte, confirmed, now time.Duration) bool {
	if st.failing && now-st.tried < storeRetry {
		return false
	}
	return !bytes.Equal(set, st.set) || confirmed-st.confirmed >= st.maxStale/8
}

func (s *Source) write(ctx context.Context, k *keys, now time.Duration) error {
	data, err := encodeEntry(s.issuer, s.place.discovered(), k, s.now().Add(k.confirmed-now))
	if err != nil {
		return fmt.Errorf("encoding %s: %w", s.store.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.store.storage.Store(ctx, s.store.name, data); err != nil {
		return fmt.Errorf("writing %s: %w", s.store.name, err)
	}
	return nil
}

func (s *Source) tellStored(err error) {
	switch was := s.store.failing; {
	case err != nil && !was:
		s.logger.Warn("keys of the foreign issuer cannot be stored; a restart while the issuer is down will be without them", zap.Error(err))
	case err == nil && was:
		s.logger.Info("keys of the foreign issuer are stored again")
	}
	s.store.failing = err != nil
}
