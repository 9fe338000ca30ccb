package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
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
	var sent atomic.Int64
	var all result
	var mu sync.Mutex
	var group sync.WaitGroup
	before, begin := s.cpu(b), time.Now()
	for range l.connections {
		group.Go(func() {
			latencies, err := l.converse(&sent, begin.Add(duration))
			mu.Lock()
			defer mu.Unlock()
			all.latencies = append(all.latencies, latencies...)
			if err != nil {
				b.Error(err)
			}
		})
	}
	group.Wait()
	all.elapsed, all.cpu, all.answers = time.Since(begin).Seconds(), s.cpu(b)-before, len(all.latencies)
	if b.Failed() || all.answers == 0 {
		b.Fatal("the load failed")
	}
	return all
}

// converse is one connection's part.
func (l *load) converse(sent *atomic.Int64, end time.Time) (latencies []time.Duration, err error) {
	connection, err := net.Dial("tcp", l.address)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	if err := connection.SetDeadline(end.Add(time.Minute)); err != nil {
		return nil, err
	}
	in := bufio.NewReader(connection)
	body := make([]byte, 4<<10)
	for now := time.Now(); now.Before(end); {
		i := int(sent.Add(1) - 1)
		if l.once && i >= len(l.requests) {
			break
		}
		if _, err := connection.Write(l.requests[i%len(l.requests)]); err != nil {
			return latencies, err
		}
		if err := answered(in, body, l.want); err != nil {
			return latencies, err
		}
		then := now
		now = time.Now()
		latencies = append(latencies, now.Sub(then))
	}
	return latencies, nil
}

// answered reads one answer with a Content-Length, faster than net/http does: the
// load is to have time to spare.
func answered(in *bufio.Reader, body, want []byte) error {
	length := -1
	status, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answered %q", status)
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= len("\r\n") {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 || length > len(body) {
		return errors.New("answered without a usable Content-Length")
	}
	if _, err := io.ReadFull(in, body[:length]); err != nil {
		return err
	}
	if !bytes.Contains(body[:length], want) {
		return fmt.Errorf("answered %q", body[:length])
	}
	return nil
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
