package state

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// mostWritten bounds how many entries of its own a node waits to read. With more,
	// it reads all again.
	mostWritten = 4096
	// mostStrange bounds how many entries are remembered that are not understood.
	mostStrange = 16
	// spansKept is into how many spans the entries of a stream's lifetime are divided.
	spansKept = 256
)

// trail is what a node knows of a stream.
type trail struct {
	mu   sync.Mutex
	last string // the last entry read
	// written are the entries of this node that it has not read yet, and whether they
	// were there when the reading began that goes on.
	written  map[string]bool
	overfull bool   // there were more
	spans    []span // what was read, in order, unless nothing is trimmed
	strange  map[string]error
	more     int // of which there is no room for in strange
}

// span is a part of a stream, by the times in the names of its entries, which are of
// the clock of Redis, in milliseconds.
type span struct {
	first   int64
	term    term  // of all its entries
	longest int64 // the first entry that ends last
}

// entryTime is the time in the name of an entry.
func entryTime(id string) int64 {
	milliseconds, _, _ := strings.Cut(id, "-")
	ms, _ := strconv.ParseInt(milliseconds, 10, 64) // Redis named it; the most there is for what is more
	return ms
}

// restart forgets all, to read from the beginning.
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

// wrote notes an entry of this node.
func (t *trail) wrote(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.written) >= mostWritten {
		t.overfull = true
		return
	}
	t.written[id] = false
}

// begin is called before a stream is read to its end.
func (t *trail) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.written {
		t.written[id] = true
	}
}

// unseen are the entries of this node that were written before the reading began, and
// that it did not bring: those that it had read already as this node learned their
// names, and those that are gone.
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

// seen notes entries of this node that are there.
func (t *trail) seen(ids []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		delete(t.written, id)
	}
}

// read notes an entry that was read, which may be trimmed once its term is over, and
// what is strange about it. It reports whether that is to be told.
func (t *trail) read(id string, until term, width time.Duration, strange error) (tell bool) {
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
		tell = true
	}
	return tell
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

// expired is the time of an entry that this node has read, and before which all have
// expired: by its clocks, and not within the first hour after it has read them.
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

// lacks reports whether an entry is gone that has not expired, if the first one that is
// there is of that time.
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

// strangers are the entries that are not understood, as far as they are remembered.
func (t *trail) strangers() (ids []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.strange {
		ids = append(ids, id)
	}
	return ids
}

// forget drops strange entries that are gone. It reports whether only such are left of
// which there is no room for.
func (t *trail) forget(ids []string) (unknown bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		delete(t.strange, id)
	}
	return len(t.strange) == 0 && t.more > 0
}

// warning tells of the strange entries; empty: there is none.
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
