package e2e

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// half is as much of an answer as no buffer on the way holds back.
var half = strings.Repeat(`"orders",`, 100_000)

// slowAPI answers the first half at once, and the second when it is let go on.
type slowAPI struct {
	begun  chan struct{}
	goOn   chan struct{}
	served atomic.Int64
}

func (a *slowAPI) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, "["+half)
	w.(http.Flusher).Flush()
	a.begun <- struct{}{}
	<-a.goOn
	fmt.Fprint(w, half+"null]")
	a.served.Add(1)
}

// F26: what is in flight when Caddy is told to end finishes within the grace
// period; whatever is answered, is answered in full.
func TestF26SIGTERMUnderLoad(t *testing.T) {
	t.Parallel()
	p := newPorts(t)
	api := &slowAPI{begun: make(chan struct{}), goOn: make(chan struct{})}
	server := &http.Server{Handler: api, ReadHeaderTimeout: patience}
	go server.Serve(listen(t, p.free["5002"]))
	t.Cleanup(func() { server.Close() })
	c := start(t, strings.Replace(shopOptions, "{\n", "{\n\tgrace_period 30s\n", 1)+
		"localhost:5001 {\n\ttokenidp\n\thandle /orders {\n\t\tverify orders.read\n\t\treverse_proxy localhost:5002 {\n\t\t\tflush_interval -1\n\t\t}\n\t}\n}\n",
		options{ports: p, files: map[string]string{"applications.yaml": clusterApplications}})
	l := startWholeOrNothing(c)
	token, ok := l.token(c.client(), "HTTP/2.0")
	if !ok {
		t.Fatal("no token")
	}

	var inFlight sync.WaitGroup
	for i := range 6 {
		client, r := c.client(), c.request(http.MethodGet, "https://localhost:5001/orders", "", bearer(token))
		client.Transport.(*http.Transport).ForceAttemptHTTP2 = i%2 == 0
		inFlight.Go(func() { l.checkWhole(client, r) })
		<-api.begun
	}
	var tokens []*halfRequest
	for range 4 {
		tokens = append(tokens, beginTokenRequest(c))
	}

	c.signal(syscall.SIGTERM)
	c.entries("shutting down apps, then terminating")
	c.eventually("the end of new connections", func() bool { return !handshakes(c.url("localhost:5001")) })
	close(api.goOn)
	for _, half := range tokens {
		half.finish(l)
	}
	inFlight.Wait()
	l.end()
	if code := c.ended(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := api.served.Load(); n != 6 {
		t.Errorf("the API served %d", n)
	}
	l.checkTokens()
}

// startWholeOrNothing has clients ask for tokens all the time, also of a Caddy
// that is gone.
func startWholeOrNothing(c *caddy) *clients {
	l := &clients{caddy: c}
	for i := range 2 {
		client := c.client()
		client.Transport.(*http.Transport).ForceAttemptHTTP2 = i == 0
		l.every(func() {
			r := c.request(http.MethodPost, "https://localhost:5001/token", "grant_type=client_credentials", "Content-Type: application/x-www-form-urlencoded")
			r.SetBasicAuth("worker", generatedSecret)
			if l.checkWholeOrNothing(client, r) {
				l.tokens.Add(1)
			}
		})
	}
	c.t.Cleanup(l.end)
	return l
}

// checkWholeOrNothing wants no answer, or the whole of it.
func (l *clients) checkWholeOrNothing(client *http.Client, r *http.Request) (whole bool) {
	var answered atomic.Bool
	a, err := exchange(client, r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotFirstResponseByte: func() { answered.Store(true) },
	})))
	switch {
	case err != nil && answered.Load():
		l.t.Errorf("%s %s was answered in part: %v", r.Method, r.URL.Path, err)
	case err == nil && (a.StatusCode != http.StatusOK || !json.Valid([]byte(a.body))):
		l.t.Errorf("%s %s gets %d %.100q", r.Method, r.URL.Path, a.StatusCode, a.body)
	}
	return err == nil
}

// checkWhole wants an answer.
func (l *clients) checkWhole(client *http.Client, r *http.Request) {
	if !l.checkWholeOrNothing(client, r) {
		l.t.Errorf("%s %s was in flight, and is not answered", r.Method, r.URL.Path)
	}
}

// halfRequest is a token request whose body is under way.
type halfRequest struct {
	connection *tls.Conn
	answers    *bufio.Reader
}

const wholeBody = "grant_type=client_credentials&client_id=worker&client_secret=" + generatedSecret

// beginTokenRequest sends a part of a request, and waits until the handler reads
// the body: that is when the server says so (RFC 9110 section 10.1.1).
func beginTokenRequest(c *caddy) *halfRequest {
	c.t.Helper()
	connection, err := tls.Dial("tcp", c.url("localhost:5001"), c.tlsConfig())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { connection.Close() })
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	fmt.Fprintf(connection, "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(wholeBody))
	h := &halfRequest{connection, bufio.NewReader(connection)}
	if line, err := h.answers.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		c.t.Fatalf("%q %v", line, err)
	}
	if _, err := h.answers.ReadString('\n'); err != nil {
		c.t.Fatal(err)
	}
	return h
}

// finish sends the rest, and wants a token.
func (h *halfRequest) finish(l *clients) {
	l.t.Helper()
	if _, err := io.WriteString(h.connection, wholeBody); err != nil {
		l.t.Error(err)
		return
	}
	response, err := http.ReadResponse(h.answers, nil)
	if err != nil {
		l.t.Errorf("a token request in flight is not answered: %v", err)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err != nil || json.Unmarshal(body, &got) != nil || got.AccessToken == "" {
		l.t.Errorf("a token request in flight gets %d %q %v", response.StatusCode, body, err)
		return
	}
	l.tokens.Add(1)
}
