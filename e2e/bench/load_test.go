//go:build linux

package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// load is requests over connections that are kept alive, each sent when the answer
// to the one before is there.
type load struct {
	address     string
	connections int
	requests    [][]byte
	once        bool   // each request is sent once at most
	want        []byte // in the body
}

// result is what came of a load, in one or more rounds.
type result struct {
	answers      int
	elapsed, cpu float64 // seconds; cpu is the server's
	latencies    []time.Duration
}

func (r *result) add(other result) {
	r.answers += other.answers
	r.elapsed += other.elapsed
	r.cpu += other.cpu
	r.latencies = append(r.latencies, other.latencies...)
}

func (r *result) perSecond() float64    { return float64(r.answers) / r.elapsed }
func (r *result) perCPUSecond() float64 { return float64(r.answers) / r.cpu }

func (r *result) quantile(q float64) time.Duration {
	slices.Sort(r.latencies)
	return r.latencies[int(q*float64(len(r.latencies)-1))]
}

// run makes the load for that long, or until there are no requests left. Every
// answer must be 200 with the body that is wanted.
func (l *load) run(b *testing.B, s *server, duration time.Duration) result {
	b.Helper()
	before, begin := s.cpu(b), time.Now()
	latencies, err := l.converse(begin.Add(duration))
	check(b, err)
	r := result{answers: len(latencies), elapsed: time.Since(begin).Seconds(), cpu: s.cpu(b) - before, latencies: latencies}
	if r.answers == 0 {
		b.Fatal("no answer came in time")
	}
	return r
}

// converse asks until the end, and waits for the last answers. It never sleeps: where
// it did, the server would pay for waking it with every answer, and more of that the
// longer it had slept, so that a slow route would seem slower than it is.
func (l *load) converse(end time.Time) (latencies []time.Duration, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(poll)
	sent, waiting := 0, 0
	ask := func(c *connection) error {
		now := time.Now()
		if !now.Before(end) || l.once && sent == len(l.requests) {
			return nil
		}
		sent++
		waiting++
		return c.send(l.requests[(sent-1)%len(l.requests)], now)
	}
	connections := make([]*connection, l.connections)
	for i := range connections {
		if connections[i], err = dial(l.address); err != nil {
			return nil, err
		}
		defer connections[i].close()
		if err := connections[i].tell(poll, int32(i)); err != nil {
			return nil, err
		}
	}
	for _, c := range connections {
		if err := ask(c); err != nil {
			return nil, err
		}
	}
	events := make([]syscall.EpollEvent, l.connections)
	for waiting > 0 {
		ready, err := syscall.EpollWait(poll, events, 0)
		if err != nil && err != syscall.EINTR {
			return nil, err
		}
		if time.Now().After(end.Add(time.Minute)) {
			return nil, fmt.Errorf("%d answers are missing", waiting)
		}
		for _, event := range events[:max(ready, 0)] {
			c := connections[event.Fd]
			complete, err := c.receive(l.want)
			if complete {
				waiting--
				latencies = append(latencies, time.Since(c.asked))
				err = ask(c)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return latencies, nil
}

// connection is a socket that the Go runtime does not know, and so wakes nobody for.
type connection struct {
	fd     int
	asked  time.Time
	answer []byte
}

func dial(address string) (*connection, error) {
	dialled, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer dialled.Close()
	raw, err := dialled.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &connection{answer: make([]byte, 0, 8<<10)}
	var duplicating error
	err = raw.Control(func(known uintptr) { c.fd, duplicating = syscall.Dup(int(known)) })
	return c, errors.Join(err, duplicating)
}

func (c *connection) close() { syscall.Close(c.fd) }

// tell has the poll name the connection by its number when there is something to read.
func (c *connection) tell(poll int, number int32) error {
	return syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, c.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: number})
}

func (c *connection) send(request []byte, now time.Time) error {
	n, err := syscall.Write(c.fd, request)
	if err == nil && n < len(request) {
		err = io.ErrShortWrite
	}
	c.asked, c.answer = now, c.answer[:0]
	return err
}

// receive reads what is there, and reports whether that is an answer's end.
func (c *connection) receive(want []byte) (complete bool, err error) {
	n, err := syscall.Read(c.fd, c.answer[len(c.answer):cap(c.answer)])
	switch {
	case err == syscall.EAGAIN || err == syscall.EINTR:
		return false, nil
	case err != nil:
		return false, err
	case n == 0:
		return false, fmt.Errorf("closed, or too long, after %q", c.answer)
	}
	c.answer = c.answer[:len(c.answer)+n]
	return answered(c.answer, want)
}

// answered reads an answer with a Content-Length, faster than net/http does: the load
// is to have time to spare.
func answered(answer, want []byte) (complete bool, err error) {
	header, body, found := bytes.Cut(answer, []byte("\r\n\r\n"))
	if !found {
		return false, nil
	}
	if !bytes.HasPrefix(header, []byte("HTTP/1.1 200 ")) {
		return false, fmt.Errorf("answered %q", answer)
	}
	_, after, _ := bytes.Cut(header, []byte("\r\nContent-Length: "))
	digits, _, _ := bytes.Cut(after, []byte("\r\n"))
	switch length, err := strconv.Atoi(string(digits)); {
	case err != nil || length < len(body):
		return false, fmt.Errorf("answered %q, without a usable Content-Length", answer)
	case length > len(body):
		return false, nil
	case !bytes.Contains(body, want):
		return false, fmt.Errorf("answered %q", answer)
	}
	return true, nil
}

// spelled is a request as it is on the wire.
func spelled(b *testing.B, r *http.Request) []byte {
	b.Helper()
	var text bytes.Buffer
	check(b, r.Write(&text))
	return text.Bytes()
}

// get is the load of a route, with each token in turn.
func (s *server) get(route string, tokens []string, once bool) *load {
	l := &load{address: s.routes[route], connections: 64, once: once, want: []byte("ok")}
	for _, token := range tokens {
		l.requests = append(l.requests, fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", l.address, token))
	}
	return l
}
