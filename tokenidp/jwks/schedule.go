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
	// minRefresh and maxRefresh bound how long after a good fetch the next is
	// due, whatever max-age says: the one keeps an issuer that says 0 from being
	// asked without end, the other lets a withdrawn key verify for no longer.
	minRefresh = time.Minute
	maxRefresh = time.Hour
	// defaultRefresh is for an issuer that names no max-age. Its no-cache and
	// no-store say nothing about how soon its keys change.
	defaultRefresh = 5 * time.Minute
	// fileRefresh is how soon a changed file is noticed.
	fileRefresh = 15 * time.Second

	// minBackoff, doubled with each failure, is how long after a failed fetch the
	// next is due. Jitter takes a fifth, which leaves minInterval.
	minBackoff = 15 * time.Second
	maxBackoff = 5 * time.Minute

	// toldEvery is how often a failure that lasts is logged.
	toldEvery = 10 * time.Minute
)

// status is what became of the last fetch.
type status struct {
	attempted bool
	failures  int // in a row
	problem   error
	warning   error         // the fetch was good, and yet
	next      time.Duration // when the next one is due
	told      time.Duration // when the problem was last logged
}

// Run keeps the keys fresh, and stored, until ctx ends. It begins with a fetch,
// and returns when the fetch under way has ended, and leaves no goroutine. Call it
// once, after Load.
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

// settle notes what became of a fetch, says it if it is news, and sets the time
// of the next.
func (s *Source) settle(f *fetch, doc document) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, before := s.elapsed(), s.status
	s.status = status{attempted: true, problem: f.err, warning: doc.warning, told: before.told}
	delay := s.refreshAfter(doc)
	if f.err != nil {
		s.status.failures = before.failures + 1
		delay = backoff(s.status.failures)
	}
	s.status.next = now + jittered(delay)
	s.tell(before, now)
	wake(s.rescheduled)
	if f.err == nil {
		wake(s.confirmed)
	}
}

// refreshAfter keeps within maxStale twice: one failure costs no keys.
func (s *Source) refreshAfter(doc document) time.Duration {
	if s.place.local() {
		return fileRefresh
	}
	return min(max(doc.maxAge, minRefresh), maxRefresh, s.maxStale/2)
}

func (s *Source) tell(before status, now time.Duration) {
	current := s.current.Load()
	switch {
	case s.status.problem == nil && before.problem != nil:
		s.logger.Info("keys of the foreign issuer can be read again")
	case s.status.problem != nil && (before.problem == nil || now-before.told >= toldEvery):
		s.status.told = now
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

// backoff spares an issuer that is on its knees.
func backoff(failures int) time.Duration {
	delay := minBackoff
	for range failures - 1 {
		if delay *= 2; delay >= maxBackoff {
			return maxBackoff
		}
	}
	return delay
}

// jittered takes up to a fifth off, so that servers that started together do not
// come back together for ever.
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
