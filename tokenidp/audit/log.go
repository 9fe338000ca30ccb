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
	// mostWaiting limits the lines that are not yet written, in bytes.
	mostWaiting = 8 << 20
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
	waiting queue
	lost    int // in all
	untold  int // of those, before the next line that says so
	closed  bool

	writing sync.Mutex
	spare   queue  // the memory of what was written
	memory  []byte // for lines
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
		full: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
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
	at := e.Time
	if at.IsZero() {
		at = l.now()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if before := l.waiting.size; l.hasRoom() {
		l.waiting.addEvent(at, e)
		l.wake(before)
	}
}

// WritePass adds the line of a request that passes. It does not wait for the output.
func (l *Log) WritePass(p *Pass) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if before := l.waiting.size; l.hasRoom() {
		l.waiting.addPass(p)
		l.wake(before)
	}
}

// hasRoom reports whether there is room for another line. If not, it counts a lost line. The
// caller holds l.mu.
func (l *Log) hasRoom() bool {
	if l.closed || l.waiting.size >= mostWaiting {
		l.lost++
		l.untold++
		return false
	}
	return true
}

// wake has Flush run if there is enough to write now, and was not before. The caller holds
// l.mu.
func (l *Log) wake(before int) {
	if before >= enough || l.waiting.size < enough {
		return
	}
	select {
	case l.full <- struct{}{}:
	default: // Flush will follow soon
	}
}

// Flush writes the waiting lines.
func (l *Log) Flush() {
	if l == nil {
		return
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	waiting, untold := l.waiting, l.untold
	l.waiting, l.untold = l.spare, 0
	l.mu.Unlock()
	lost := l.writeQueue(&waiting)
	if untold > 0 {
		var told queue
		told.addEvent(l.now(), &Event{Kind: Lost, Lines: untold})
		if l.writeQueue(&told) == 0 {
			untold = 0
		}
	}
	if lost+untold > 0 {
		l.miss(lost, untold)
	}
	waiting.empty()
	l.spare = waiting
}

// writeQueue writes the lines of the queue. It returns how many could not be written.
func (l *Log) writeQueue(q *queue) (lost int) {
	l.memory = q.append(l.memory[:0])
	if len(l.memory) == 0 {
		return 0
	}
	written, err := l.write(l.memory)
	l.problem.Note(err)
	if err != nil {
		lost = bytes.Count(l.memory[written:], newline)
	}
	return lost
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
