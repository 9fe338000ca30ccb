package state

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// mostWritten is how many entries of its own a node waits to read. With more, it reads
	// everything again.
	mostWritten = 4096
	// mostStrange is how many entries are listed that this version does not understand.
	mostStrange = 16
	// spansKept is the number of spans of a stream.
	spansKept = 256
)

// trail is a node's knowledge of a stream.
type trail struct {
	mu   sync.Mutex
	last string // the last entry read
	// written are the entries of this node that it has not read yet, with whether they
	// were written before the current reading began.
	written  map[string]bool
	overfull bool   // there were more
	spans    []span // what was read, in order, unless nothing is trimmed
	strange  map[string]error
	more     int // that strange has no room for
}

// span is a part of a stream, between the times in the IDs of two entries. These times are
// of the clock of Redis, in milliseconds.
type span struct {
	first   int64
	term    term  // of all its entries
	longest int64 // the first entry that ends last
}

// entryTime returns the time in the ID of an entry.
func entryTime(id string) int64 {
	milliseconds, _, _ := strings.Cut(id, "-")
	ms, _ := strconv.ParseInt(milliseconds, 10, 64) // Redis named it; the most there is for what is more
	return ms
}

// restart drops everything, to read from the beginning.
func (t *trail) restart() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last, t.written, t.overfull, t.spans, t.strange, t.more = beginning, make(map[string]bool), false, nil, make(map[string]error), 0
}

func (t *trail) position() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// wrote adds an entry of this node.
func (t *trail) wrote(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.written) >= mostWritten {
		t.overfull = true
		return
	}
	t.written[id] = false
}

// begin must be called before a stream is read to its end.
func (t *trail) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.written {
		t.written[id] = true
	}
}

// unseen returns the entries of this node that were written before the reading began and
// did not appear in it. They were read before their IDs were known, or are gone.
func (t *trail) unseen() (ids []string, whole bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, before := range t.written {
		if before {
			ids = append(ids, id)
		}
	}
	return ids, !t.overfull
}

// seen marks entries of this node as being in the stream.
func (t *trail) seen(ids []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		delete(t.written, id)
	}
}

// read adds an entry that was read. It may be trimmed when its term is over. If this
// version does not understand the entry, read reports whether to log it.
func (t *trail) read(id string, until term, width time.Duration, strange error) (isNew bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = id
	delete(t.written, id)
	if width > 0 {
		t.extend(entryTime(id), until, width)
	}
	switch {
	case strange == nil:
	case len(t.strange) >= mostStrange:
		t.more++
	default:
		t.strange[id] = strange
		isNew = true
	}
	return isNew
}

// extend needs t.mu.
func (t *trail) extend(at int64, until term, width time.Duration) {
	n := len(t.spans)
	if n == 0 || at-t.spans[n-1].first >= width.Milliseconds() && n < 2*spansKept {
		t.spans = append(t.spans, span{at, until, at})
		return
	}
	s := &t.spans[n-1]
	if until.until > s.term.until {
		s.longest = at
	}
	s.term = s.term.join(until)
}

// expired returns the time of an entry that this node has read. All entries before it have
// expired by the clocks of this node, and were read more than an hour ago.
func (t *trail) expired(now moment) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.spans) > 1 && t.spans[0].term.over(now) {
		t.spans = t.spans[1:]
	}
	if len(t.spans) == 0 {
		return 0
	}
	return t.spans[0].first
}

// lacks reports whether an entry is gone that has not expired, given the time of the first
// entry in the stream.
func (t *trail) lacks(first int64, now moment) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.spans {
		if s.longest < first && now.wall <= s.term.until {
			return true
		}
	}
	return false
}

// strangers returns the listed entries that this version does not understand.
func (t *trail) strangers() (ids []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.strange {
		ids = append(ids, id)
	}
	return ids
}

// forget drops strange entries that are gone. It reports whether only entries are left
// that are not listed for lack of room.
func (t *trail) forget(ids []string) (unknown bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		delete(t.strange, id)
	}
	return len(t.strange) == 0 && t.more > 0
}

// warning describes the strange entries. It is empty if there are none.
func (t *trail) warning(stream string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	example := ""
	for id := range t.strange {
		if example == "" || id < example {
			example = id
		}
	}
	if example == "" {
		return ""
	}
	return fmt.Sprintf("%s has %d entries that are not understood in whole, such as %s, which %.300s; what else they revoke is not known here", stream, len(t.strange)+t.more, example, t.strange[example])
}
