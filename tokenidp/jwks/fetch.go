package jwks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

const (
	// minInterval is the least time between the starts of two fetches, however many
	// unknown kids arrive. It bounds the load that callers can cause at the issuer, and
	// how long a key is refused that was published without notice.
	minInterval = 10 * time.Second
	// fetchTimeout bounds a fetch with its discovery, and so the wait of requests.
	fetchTimeout = 5 * time.Second
)

var errTooSlow = fmt.Errorf("no answer within %s", fetchTimeout)

// fetch is one reading of the issuer's keys. All requests that wait for it share it, and
// none can cancel it.
type fetch struct {
	begun time.Duration
	late  <-chan struct{} // closed when its time is up, answered or not
	done  chan struct{}   // closed when err is set
	err   error
}

func (f *fetch) running() bool {
	select {
	case <-f.done:
		return false
	default:
		return true
	}
}

// fetchOnce waits for the current fetch, or starts one if the last is long enough ago.
// Otherwise it returns the result of the last one.
func (s *Source) fetchOnce(ctx context.Context) error {
	f := s.latestFetch()
	select {
	case <-f.done:
	case <-f.late: // it may ignore its context, as a file system that hangs does
	case <-ctx.Done():
	}
	switch {
	case !f.running():
		return f.err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return errTooSlow
}

// nextFetch returns the time until the issuer is asked again: when a fetch is due, or when
// a request for an unknown key may start one.
func (s *Source) nextFetch() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, next := s.elapsed(), s.latest.begun+minInterval
	if s.status.attempted && s.status.next > now {
		next = min(next, s.status.next)
	}
	return max(0, next-now)
}

func (s *Source) latestFetch() *fetch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.latest; f != nil && (f.running() || s.elapsed()-f.begun < minInterval) {
		return f
	}
	return s.begin()
}

// scheduledFetch starts a fetch unless one is running. The schedule keeps minInterval.
func (s *Source) scheduledFetch() *fetch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.latest; f != nil && f.running() {
		return f
	}
	return s.begin()
}

func (s *Source) begin() *fetch {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	f := &fetch{begun: s.elapsed(), late: ctx.Done(), done: make(chan struct{})}
	s.latest = f
	go func() {
		defer cancel()
		defer close(f.done)
		var doc document
		doc, f.err = s.refresh(ctx, f.begun)
		s.settle(f, doc)
	}()
	return f
}

// refresh reads the keys and puts them in force. It recovers from a panic in the parser of
// a foreign document, because no request handler does so here.
func (s *Source) refresh(ctx context.Context, begun time.Duration) (doc document, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic
			s.logger.Error("reading the keys of the foreign issuer panicked", zap.Any("panic", p), zap.Stack("stack"))
		}
	}()
	before := s.current.Load()
	if doc, err = s.read(ctx, before); err != nil {
		return doc, err
	}
	if doc.unchanged {
		s.replace(before.at(begun))
		return doc, nil
	}
	next, err := parseKeys(s.algorithms, doc, before)
	if err != nil {
		return doc, err
	}
	if err := s.acceptable(next); err != nil {
		return doc, err
	}
	s.replace(next.at(begun))
	return doc, nil
}

var errPanic = errors.New("reading the keys panicked; the log has where")
