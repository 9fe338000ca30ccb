package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// ticker is an upstream of Server-Sent Events. It sends the first event by
// itself, then one for each that the test asks for, and ends with the client or
// with a last one.
type ticker struct {
	next chan string
	open atomic.Int64
}

func (tk *ticker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tk.open.Add(1)
	defer tk.open.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	for event, more := "first", true; ; {
		fmt.Fprintf(w, "data: %s\n\n", event)
		w.(http.Flusher).Flush()
		if !more {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case event, more = <-tk.next:
			if !more {
				event = "last"
			}
		}
	}
}

// event reads the next one.
func event(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	line, err := from.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := from.Discard(1); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "data: "))
}

// HTML section 9.2: an event arrives when it is sent, not when the next one is,
// and the client is not kept waiting for the end.
func TestServerSentEventsAreNotBuffered(t *testing.T) {
	tk := &ticker{next: make(chan string)}
	p := startProxied(t, tk)
	versions := p.versions(t)
	for version, transport := range versions {
		for reason, headers := range p.refusals() {
			t.Run(version+", "+reason, func(t *testing.T) {
				path := orders(t)
				p.checkUntouched(t, whole(t, p.open(t, bounded(t), transport, http.MethodGet, path, nil, headers...)), path, reason)
			})
		}
	}
	for version, transport := range versions {
		t.Run(version, func(t *testing.T) {
			p.eventually("the stream before, which takes events too, has ended", func() bool { return tk.open.Load() == 0 })
			response := p.open(t, bounded(t), transport, http.MethodGet, "/orders", nil, bearer(p.good))
			checkIdentity(t, p.arrived(t).header)
			events := bufio.NewReader(response.Body)
			if got := event(t, events); got != "first" {
				t.Fatalf("event %q", got)
			}
			for i := range 3 {
				want := fmt.Sprint("event ", i)
				tk.next <- want
				if got := event(t, events); got != want {
					t.Errorf("event %q, want %q", got, want)
				}
			}
		})
	}
}

// A request is judged once, when it comes: a stream outlives its token.
func TestAStreamOutlivesItsToken(t *testing.T) {
	tk := &ticker{next: make(chan string)}
	p := startProxied(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			echo.ServeHTTP(w, r)
			return
		}
		tk.ServeHTTP(w, r)
	}))
	upgrades, versions := p.upgrades(t), p.versions(t)
	// Of the thirty seconds of leeway, fifteen are left to open the streams.
	short := newForger(t, p.caddy).claiming(members{"exp": time.Now().Add(-15 * time.Second).Unix()})
	sockets, streams := make(map[string]*socket), make(map[string]*bufio.Reader)
	for version, upgrade := range upgrades {
		sockets[version] = upgrade(t, bounded(t), "/orders", bearer(short))
		streams[version] = bufio.NewReader(p.open(t, bounded(t), versions[version], http.MethodGet, "/orders", nil, bearer(short)).Body)
		if got := event(t, streams[version]); got != "first" {
			t.Fatalf("%s: event %q", version, got)
		}
	}
	p.eventually("the token to expire", func() bool { // nobody listens at 5003
		response := p.open(t, bounded(t), p.http.Transport, http.MethodGet, "/grpc.testing.none", nil, bearer(short))
		return response.StatusCode == http.StatusUnauthorized
	})
	close(tk.next)
	for version := range versions {
		t.Run(version, func(t *testing.T) {
			sockets[version].converse(t, "still", "here")
			if got := event(t, streams[version]); got != "last" {
				t.Errorf("event %q", got)
			}
		})
	}
}
