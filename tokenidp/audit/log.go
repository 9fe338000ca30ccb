// Package audit writes one line of JSON for each decision: who called what, with which
// token, when. schema.json describes a line.
package audit

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

const (
	// mostWaiting limits the memory of lines that are not yet written, in bytes.
	mostWaiting = 8 << 20
	// batch is the number of events that are encoded at once. One at a time takes twice as
	// long: between two requests, what encodes leaves the caches of the processor.
	batch = 32
	// enough is the number of bytes that are written at once.
	enough = 256 << 10
	// interval is how long a line waits at most.
	interval = 200 * time.Millisecond
	// closing is how long Close waits for the output.
	closing = 5 * time.Second
)

// Log collects lines in memory, and writes them many at a time. Requests never wait for the
// output: if there is no room for a line, the line is lost and counted. The methods of a
// nil Log do nothing. The methods may be called concurrently.
type Log struct {
	output   io.WriteCloser
	separate bool
	now      func() time.Time

	full  chan struct{} // there is enough to write
	stop  chan struct{}
	ended chan struct{}

	mu      sync.Mutex
	events  []Event // not encoded yet
	waiting []byte
	lost    int // in all
	untold  int // of those, before the next line that says so
	closed  bool

	writing sync.Mutex
	spare   []byte // the memory of what was written
	torn    bool   // the output ends in the middle of a line
	problem background.Problem
}

// Options are what Open needs besides the output.
type Options struct {
	// Separate is true if each line needs a write of its own, as for outputs that send
	// datagrams. Default: many lines at once.
	Separate bool
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Open returns a Log that writes to the output until it is closed.
func Open(output io.WriteCloser, o Options) *Log {
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Log{
		output: output, separate: o.Separate, now: o.Now,
		events: make([]Event, 0, batch),
		full:   make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go l.run()
	return l
}

// Close writes the lines that wait, and closes the output. It gives up after five seconds,
// if the output hangs. Lines that come later are lost.
func (l *Log) Close() (err error) {
	close(l.stop)
	select {
	case <-l.ended:
	case <-time.After(closing):
	}
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	// A network output that was never connected panics.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("closing the output: %v", p)
		}
	}()
	return l.output.Close()
}

func (l *Log) run() {
	defer close(l.ended)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			l.Flush()
			return
		case <-ticker.C:
		case <-l.full:
		}
		l.Flush()
	}
}

// Write adds the line of an event. It does not wait for the output.
func (l *Log) Write(e *Event) {
	if l == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	if l.add(e) {
		select {
		case l.full <- struct{}{}:
		default: // Flush will follow soon
		}
	}
}

// add reports whether there is now enough to write, and was not before.
func (l *Log) add(e *Event) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.waiting)
	if l.closed || before >= mostWaiting {
		l.lost++
		l.untold++
		return false
	}
	if l.events = append(l.events, *e); len(l.events) == batch {
		l.encode()
	}
	return before < enough && len(l.waiting) >= enough
}

// encode appends the lines of the events to those that wait. The caller holds l.mu.
func (l *Log) encode() {
	for i := range l.events {
		l.waiting = l.events[i].append(l.waiting)
	}
	clear(l.events) // they hold the memory of requests
	l.events = l.events[:0]
}

// Flush writes the waiting lines.
func (l *Log) Flush() {
	if l == nil {
		return
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	l.encode()
	lines, untold := l.waiting, l.untold
	l.waiting, l.untold = l.spare, 0
	l.mu.Unlock()
	end := len(lines)
	if untold > 0 {
		lines = (&Event{Time: l.now(), Kind: Lost, Lines: untold}).append(lines)
	}
	if len(lines) > 0 {
		written, err := l.write(lines)
		l.problem.Note(err)
		if err != nil {
			l.miss(bytes.Count(lines[min(written, end):end], newline), untold)
		}
	}
	l.spare = lines[:0]
}

// miss counts lines that could not be written, and those that the log has not reported yet.
func (l *Log) miss(lines, untold int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost += lines
	l.untold += lines + untold
}

var newline = []byte("\n")

// write returns the number of bytes of written lines.
func (l *Log) write(lines []byte) (written int, err error) {
	if l.torn {
		if _, err := l.output.Write(newline); err != nil {
			return 0, err
		}
		l.torn = false
	}
	for err == nil && written < len(lines) {
		next := lines[written:]
		if l.separate {
			next = next[:bytes.IndexByte(next, '\n')+1]
		}
		var n int
		n, err = l.output.Write(next)
		written += n
		if err == nil && n < len(next) { // as a network output that was never connected
			err = io.ErrShortWrite
		}
	}
	l.torn = written > 0 && lines[written-1] != '\n'
	return written, err
}

// Health is the state of a Log.
type Health struct {
	// Lost is the number of lines that could not be written since the Log was opened.
	Lost int
	// Problem is the error of the last attempt to write, or "".
	Problem string
}

// Health returns the state of the Log.
func (l *Log) Health() Health {
	if l == nil {
		return Health{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return Health{Lost: l.lost, Problem: l.problem.String()}
}
