package audit

import (
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/zerocopy"
)

// queue has what lines are made of. A request that passes pays for little, and leaves most
// of the processor's caches alone: its texts are copied. To make a line of them takes longer,
// and twice as long between two requests as for many lines in a row.
type queue struct {
	lines []queued
	texts []byte // of all lines, in turn
	size  int    // about what the lines will have, in bytes
}

// queued is a line that is not made yet.
type queued struct {
	time         int64     // microseconds since 1970
	encoded      int       // the length of the members of an Event, 0 for a Pass
	texts        [7]uint32 // the lengths of the texts of a Pass
	route, token Members
}

func (q *queue) addEvent(at time.Time, e *Event) {
	before := len(q.texts)
	q.texts = e.append(q.texts)
	added := len(q.texts) - before
	q.lines = append(q.lines, queued{time: at.UnixMicro(), encoded: added})
	q.size += framing + added
}

func (q *queue) addPass(p *Pass) {
	line := queued{time: p.Time.UnixMicro(), route: p.Route, token: p.Token}
	before := len(q.texts)
	for i, text := range [...]string{p.RequestID, p.TraceID, p.ClientIP, p.Method, p.Host, p.Path, p.TokenID} {
		q.texts = append(q.texts, text...)
		line.texts[i] = uint32(len(text)) //nolint:gosec // net/http reads less than 4 GiB
	}
	q.lines = append(q.lines, line)
	q.size += framing + len(pass) + len(q.texts) - before + len(p.Route) + len(p.Token)
}

// append appends the lines.
func (q *queue) append(lines []byte) []byte {
	var known lineParts
	texts := zerocopy.String(q.texts)
	for i := range q.lines {
		lines, texts = q.lines[i].append(lines, &known, texts)
	}
	return lines
}

// lineParts are parts that lines may share with the line before.
type lineParts struct {
	clock  clockText
	caller callerText
}

// append appends the line. It takes its texts from those of the queue, and returns the others.
func (l *queued) append(lines []byte, known *lineParts, texts string) (longer []byte, others string) {
	lines = known.clock.append(append(lines, start...), l.time)
	if l.encoded > 0 {
		lines = append(lines, texts[:l.encoded]...)
		return append(lines, end...), texts[l.encoded:]
	}
	var own [len(l.texts)]string
	for i, length := range l.texts {
		own[i], texts = texts[:length], texts[length:]
	}
	r := Request{own[0], own[1], own[2], own[3], own[4], own[5]}
	lines = known.caller.append(r.appendIDs(append(lines, pass...)), &r)
	lines = r.appendPath(lines)
	lines = append(append(lines, l.route...), l.token...)
	lines = appendText(lines, tokenID, own[6])
	return append(lines, end...), texts
}

func (q *queue) empty() {
	*q = queue{lines: q.lines[:0], texts: q.texts[:0]}
}
