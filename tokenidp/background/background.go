// Package background has the loop of all background work and a clock for it that cannot be
// set, and detects when a failure begins and ends, so that it is logged once and not at
// every attempt.
package background

import (
	"context"
	"regexp"
	"sync"
	"time"
)

// Elapsed returns a clock that cannot be set: the time since this call.
func Elapsed() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// Every calls do after each interval, until ctx ends.
func Every(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}

// News is how an attempt differs from the one before.
type News int

const (
	// Nothing means that it fails as before, or succeeds as before.
	Nothing News = iota
	// Failed means a first failure, or one that differs from the last.
	Failed
	// Mended means the first success after a failure.
	Mended
)

// Problem has the last error of repeated attempts. The zero Problem has no attempt. Its
// methods may be called concurrently.
type Problem struct {
	mu     sync.Mutex
	noted  bool
	text   string
	steady string
}

// varying matches the words of an error that may differ each time, such as the names of
// temporary files.
var varying = regexp.MustCompile(`\S*[0-9]\S*`)

// Note records the result of an attempt, and returns what to log. Two errors that differ
// only in words with digits are the same failure.
func (p *Problem) Note(err error) News {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.steady
	p.noted, p.text, p.steady = true, "", ""
	if err != nil {
		p.text = err.Error()
		p.steady = varying.ReplaceAllLiteralString(p.text, "…")
	}
	switch {
	case p.steady == before:
		return Nothing
	case err != nil:
		return Failed
	default:
		return Mended
	}
}

// Noted reports whether there was an attempt.
func (p *Problem) Noted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.noted
}

// String returns the text of the last error. It is empty if the last attempt succeeded.
func (p *Problem) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text
}
