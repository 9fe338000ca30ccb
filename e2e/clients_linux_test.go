package e2e

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// clients ask a Caddy all the time, until they are ended.
type clients struct {
	*caddy
	published atomic.Pointer[[]string] // kids that were seen

	sent        atomic.Int64
	tokens      atomic.Int64
	unconnected atomic.Int64
	unanswered  atomic.Int64
	ending      atomic.Bool
	running     sync.WaitGroup
}

// every does the work again and again.
func (l *clients) every(work func()) {
	l.running.Go(func() {
		for !l.ending.Load() {
			work()
		}
	})
}

func (l *clients) end() {
	l.ending.Store(true)
	l.running.Wait()
}

// send sends a request as a careful client does. It tries again only where the
// server has not begun to process it: no connection came about, so that the
// request was never sent; or an HTTP/1.1 connection was closed without a byte of
// an answer, as a server does that is shutting down when the request arrives
// (RFC 9112 section 9.5). That it was not processed is for the caller to check:
// no more tokens are issued than arrive. HTTP/2 tells a client what was not
// processed (RFC 9113 section 6.8), and has no such excuse, unless the request could
// not be written at all, or the connection was reset: then what the server told before
// is lost with it, on a slow machine. Any other error is a lost request.
func (l *clients) send(client *http.Client, request func() *http.Request) *answer {
	const attempts = 5
	for range attempts {
		var connected, answered atomic.Bool
		r := request()
		a, err := exchange(client, r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			GotConn:              func(httptrace.GotConnInfo) { connected.Store(true) },
			GotFirstResponseByte: func() { answered.Store(true) },
		})))
		l.sent.Add(1)
		http1 := !client.Transport.(*http.Transport).ForceAttemptHTTP2
		switch {
		case err == nil:
			return a
		case !connected.Load():
			l.unconnected.Add(1)
		case (http1 || unwritten(err) || errors.Is(err, syscall.ECONNRESET)) && !answered.Load():
			l.unanswered.Add(1)
		default:
			l.t.Errorf("%s %s is lost: %v (HTTP/1.1 %t, answered %t)", r.Method, r.URL.Path, err, http1, answered.Load())
			return nil
		}
	}
	l.t.Errorf("a request is lost: it was tried %d times", attempts)
	return nil
}

// unwritten reports whether the connection was gone when the request was to be written.
func unwritten(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && failed.Op == "write"
}

// token gets a token.
func (l *clients) token(client *http.Client, protocol string) (token string, ok bool) {
	a := l.send(client, func() *http.Request {
		r := l.request(http.MethodPost, "https://localhost:5001/token", "grant_type=client_credentials", "Content-Type: application/x-www-form-urlencoded")
		r.SetBasicAuth("worker", generatedSecret)
		return r
	})
	if a == nil {
		return "", false
	}
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.StatusCode != http.StatusOK || body.AccessToken == "" || a.Proto != protocol {
		l.t.Errorf("%s: a token request gets %d %q", a.Proto, a.StatusCode, a.body)
		return "", false
	}
	l.tokens.Add(1)
	return body.AccessToken, true
}

// checkTokens wants as many tokens issued, as the log has them, as arrived.
func (l *clients) checkTokens() {
	l.t.Helper()
	l.eventually("the log", func() bool { return int64(strings.Count(l.logged(), `"msg":"token issued"`)) >= l.tokens.Load() })
	if issued := strings.Count(l.logged(), `"msg":"token issued"`); int64(issued) != l.tokens.Load() {
		l.t.Errorf("%d tokens were issued, and %d arrived", issued, l.tokens.Load())
	}
}
