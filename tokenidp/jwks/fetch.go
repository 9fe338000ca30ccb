package jwks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

const (
	// minInterval is the least time between the starts of two fetches, however
	// many unknown kids arrive: it bounds what anybody who can send a request
	// makes the issuer bear, and how long a key that was published without notice
	// is refused.
	minInterval = 10 * time.Second
	// fetchTimeout bounds a fetch, discovery included, and so how long requests
	// wait for it.
	fetchTimeout = 5 * time.Second
)

var errTooSlow = fmt.Errorf("no answer within %s", fetchTimeout)

// fetch is one reading of the issuer's keys, shared by all requests that wait for
// it, and nobody's own: no request cancels it for the others.
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

// fetchOnce waits for the fetch under way, or for a new one where the last is long
// enough ago, or answers what the last one did.
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

// nextFetch is until the issuer is asked again: when it is due, or as soon as a request
// asks for a key that is not known.
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

// scheduledFetch begins a fetch unless one is under way. The schedule itself keeps
// minInterval.
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

// refresh reads the keys and puts them in force. A panic in what reads a foreign
// document must not end the server: there is no request's handler here to recover.
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
