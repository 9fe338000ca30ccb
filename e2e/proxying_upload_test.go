package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

const (
	hugeUpload = 256 << 20
	roundTrip  = 1 << 20 // read by the upstream before the client sends the rest
)

// reader is an upstream that reads uploads, and says when the first part is there.
type reader struct{ first chan struct{} }

func (rd *reader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n, err := io.CopyN(io.Discard, r.Body, roundTrip); err != nil {
		http.Error(w, fmt.Sprint(n, err), http.StatusBadRequest)
		return
	}
	rd.first <- struct{}{}
	n, err := io.Copy(io.Discard, r.Body)
	fmt.Fprint(w, roundTrip+n, err)
}

// upload is a body of that size. It goes on only once its first part was read.
type upload struct {
	size, sent int
	first      <-chan struct{} // nil: does not wait
	stopped    <-chan struct{}
	counted    atomic.Int64 // sent, for other goroutines
}

var errStopped = errors.New("the test is over")

func (u *upload) Read(p []byte) (int, error) {
	if u.sent == u.size {
		return 0, io.EOF
	}
	if u.sent == roundTrip && u.first != nil {
		select {
		case <-u.first:
		case <-u.stopped:
			return 0, errStopped
		}
	}
	n := min(len(p), u.size-u.sent)
	if u.sent < roundTrip {
		n = min(n, roundTrip-u.sent)
	}
	clear(p[:n])
	u.sent += n
	u.counted.Store(int64(u.sent))
	return n, nil
}

// memory is what Go's runtime in Caddy has taken from the system. It seldom gives
// any back, so that it tells the peak.
func (c *caddy) memory() int64 {
	c.t.Helper()
	for line := range strings.Lines(c.administer(http.MethodGet, "/metrics", "").body) {
		if value, ok := strings.CutPrefix(line, "go_memstats_sys_bytes "); ok {
			bytes, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				c.t.Fatal(err)
			}
			return int64(bytes)
		}
	}
	c.t.Fatal("no go_memstats_sys_bytes")
	return 0
}

// An upload of any size passes through, and is never held.
func TestLargeUploadsAreStreamed(t *testing.T) {
	rd := &reader{first: make(chan struct{})}
	p := startProxied(t, rd)
	versions := p.versions(t)
	for name, row := range map[string]struct {
		version string
		length  int64
	}{
		"HTTP/1.1": {"HTTP/1.1", hugeUpload}, "HTTP/1.1, chunked": {"HTTP/1.1", -1},
		"HTTP/2": {"HTTP/2.0", hugeUpload}, "HTTP/3": {"HTTP/3.0", hugeUpload},
	} {
		t.Run(name, func(t *testing.T) {
			before := p.memory()
			ctx := bounded(t)
			r := p.request(http.MethodPost, "https://localhost:5001/orders", "", bearer(p.good)).WithContext(ctx)
			r.Body = io.NopCloser(&upload{size: hugeUpload, first: rd.first, stopped: ctx.Done()})
			r.ContentLength = row.length
			response, err := versions[row.version].RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if a := whole(t, response); a.body != fmt.Sprint(hugeUpload, error(nil)) {
				t.Errorf("%d %q", a.StatusCode, a.body)
			}
			checkIdentity(t, p.arrived(t).header)
			if more := p.memory() - before; more > hugeUpload/4 {
				t.Errorf("%d MiB of memory for it", more>>20)
			}
		})
	}
}

// RFC 9110 section 10.1.1: a refused upload is answered before it is sent.
func TestUploadsAreRefusedBeforeTheyAreSent(t *testing.T) {
	p := startProxied(t, http.NotFoundHandler())
	for reason, headers := range p.refusals() {
		for name, framing := range map[string]string{
			"Expect":              "Content-Length: 5\nExpect: 100-continue\n",
			"Expect, chunked":     "Transfer-Encoding: chunked\nExpect: 100-continue\n",
			"Expect, large":       "Content-Length: 268435456\nExpect: 100-continue\n",
			"Expect, in capitals": "Content-Length: 268435456\nExpect: 100-CONTINUE\n",
		} {
			t.Run(reason+", "+name, func(t *testing.T) {
				path := orders(t)
				c := p.dial(t)
				head := "POST " + path + " HTTP/1.1\nHost: localhost\n" + framing + strings.Join(append(headers, ""), "\n") + "\n"
				c.send(t, strings.ReplaceAll(head, "\n", "\r\n"))
				p.checkUntouched(t, c.answer(t), path, reason) // the first answer: no 100 comes before it
			})
		}
		for version, transport := range p.versions(t) {
			t.Run(reason+", "+version+", endless", func(t *testing.T) {
				path := orders(t)
				ctx := bounded(t)
				u := &upload{size: 1 << 40, stopped: ctx.Done()}
				a := whole(t, p.open(t, ctx, transport, http.MethodPost, path, u, headers...))
				p.checkUntouched(t, a, path, reason)
				// net/http reads 256 KiB in the hope of the end; the rest is in buffers.
				if sent := u.counted.Load(); sent > hugeUpload/4 {
					t.Errorf("%d MiB were sent", sent>>20)
				}
			})
		}
	}
}

// RFC 9110 section 10.1.1: with a good token, the client is told to go on.
func TestExpectedContinueIsSentAfterVerification(t *testing.T) {
	p := startProxied(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	c := p.dial(t)
	c.send(t, "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"+bearer(p.good)+"\r\n\r\n")
	if a := c.head(t); a.StatusCode != http.StatusContinue {
		t.Fatalf("status %d", a.StatusCode)
	}
	c.send(t, "hello")
	a := c.head(t)
	for a.StatusCode == http.StatusContinue { // the upstream's own
		a = c.head(t)
	}
	if got := whole(t, a); a.StatusCode != http.StatusOK || got.body != "hello" {
		t.Errorf("%d %q", a.StatusCode, got.body)
	}
}
