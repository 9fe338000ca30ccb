package jwks

import (
	"context"
	"crypto/rand"
	"math/big"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// minRefresh and maxRefresh bound the time from a successful fetch to the next,
	// whatever max-age says. With minRefresh, an issuer with max-age=0 is not asked all
	// the time. With maxRefresh, a withdrawn key does not verify for longer.
	minRefresh = time.Minute
	maxRefresh = time.Hour
	// defaultRefresh is for an issuer without max-age. no-cache and no-store do not say
	// how soon keys change.
	defaultRefresh = 5 * time.Minute
	// fileRefresh is how soon a changed file is noticed.
	fileRefresh = 15 * time.Second

	// minBackoff is the time from a failed fetch to the next. It doubles with each
	// failure. Jitter subtracts up to a fifth, which still leaves minInterval.
	minBackoff = 15 * time.Second
	maxBackoff = 5 * time.Minute

	// logEvery is how often a continuing failure is logged.
	logEvery = 10 * time.Minute
)

// status is the result of the last fetch.
type status struct {
	attempted bool
	failures  int // in a row
	problem   error
	warning   error         // the fetch was good, and yet
	next      time.Duration // when the next one is due
	loggedAt  time.Duration // when the problem was last logged
}

// Run fetches and stores the keys until ctx ends, beginning with a fetch. It returns when
// the current fetch has ended, and leaves no goroutine. Call it once, after Load.
func (s *Source) Run(ctx context.Context) {
	var storing sync.WaitGroup
	storing.Go(func() { s.keepStored(ctx) })
	s.keepFresh(ctx)
	storing.Wait()
	s.awaitFetch()
}

func (s *Source) keepFresh(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.rescheduled:
		case <-time.After(s.untilDue()):
			select {
			case <-ctx.Done():
			case <-s.scheduledFetch().done:
			}
		}
	}
}

func (s *Source) untilDue() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.status.attempted {
		return 0
	}
	return s.status.next - s.elapsed()
}

func (s *Source) awaitFetch() {
	s.mu.Lock()
	f := s.latest
	s.mu.Unlock()
	if f != nil {
		<-f.done
	}
}

// settle records the result of a fetch, logs it if it has changed, and sets the time of
// the next fetch.
func (s *Source) settle(f *fetch, doc document) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, before := s.elapsed(), s.status
	s.status = status{attempted: true, problem: f.err, warning: doc.warning, loggedAt: before.loggedAt}
	delay := s.refreshAfter(doc)
	if f.err != nil {
		s.status.failures = before.failures + 1
		delay = backoff(s.status.failures)
	}
	s.status.next = now + jittered(delay)
	s.logChange(before, now)
	wake(s.rescheduled)
	if f.err == nil {
		wake(s.confirmed)
	}
}

// refreshAfter returns the time to the next fetch, at most half of maxStale: one failure
// loses no keys.
func (s *Source) refreshAfter(doc document) time.Duration {
	if s.place.local() {
		return fileRefresh
	}
	return min(max(doc.maxAge, minRefresh), maxRefresh, s.maxStale/2)
}

// logChange logs a problem when it begins, every logEvery, and when it ends.
func (s *Source) logChange(before status, now time.Duration) {
	current := s.current.Load()
	switch {
	case s.status.problem == nil && before.problem != nil:
		s.logger.Info("keys of the foreign issuer can be read again")
	case s.status.problem != nil && (before.problem == nil || now-before.loggedAt >= logEvery):
		s.status.loggedAt = now
		fields := []zap.Field{zap.Error(s.status.problem), zap.Int("failures", s.status.failures)}
		if current != nil {
			age := now - current.confirmed
			fields = append(fields, zap.Int("keys", current.count), zap.Duration("age", age), zap.Bool("expired", age >= s.maxStale))
		}
		s.logger.Error("keys of the foreign issuer cannot be read; the last ones serve until they are too old", fields...)
	}
	if s.status.warning != nil && before.warning == nil {
		s.logger.Warn("metadata of the foreign issuer cannot be read; its keys are read from where they were", zap.Error(s.status.warning))
	}
}

// backoff returns the time to the next fetch after failures.
func backoff(failures int) time.Duration {
	delay := minBackoff
	for range failures - 1 {
		if delay *= 2; delay >= maxBackoff {
			return maxBackoff
		}
	}
	return delay
}

// jittered subtracts up to a fifth, so that servers that started together do not always
// fetch together.
func jittered(d time.Duration) time.Duration {
	fifth, err := rand.Int(rand.Reader, big.NewInt(int64(d)/5+1))
	if err != nil {
		return d
	}
	return d - time.Duration(fifth.Int64())
}

func wake(sleeper chan<- struct{}) {
	select {
	case sleeper <- struct{}{}:
	default: // it is awake already
	}
}
