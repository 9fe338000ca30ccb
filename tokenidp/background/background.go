// Package background has what all share that is kept current while Caddy runs: the
// loop, and a log that names a failure once and not at every attempt.
package background

import (
	"context"
	"regexp"
	"sync"
	"time"
)

// Every calls do at each interval, for the first time after one, until ctx ends.
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

// News is what an attempt changes.
type News int

const (
	// Nothing is new: it fails as before, or succeeds as before.
	Nothing News = iota
	// Failed is for the first failure, and for one that differs from the last.
	Failed
	// Mended is for the first success after a failure.
	Mended
)

// Problem is why something is not current. The zero Problem is none. Its methods may
// be called at the same time.
type Problem struct {
	mu     sync.Mutex
	noted  bool
	text   string
	steady string
}

// varying are the words of an error that may differ each time, such as the names of
// temporary files.
var varying = regexp.MustCompile(`\S*[0-9]\S*`)

// Note records what came of an attempt, and returns what is to be logged. Two errors
// that differ only in words with digits are the same failure.
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

// Noted reports whether there was any attempt.
func (p *Problem) Noted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.noted
}

// String returns the last error in words; empty if there is none.
func (p *Problem) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text
}
