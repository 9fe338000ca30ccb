package e2e

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/quic-go/quic-go/http3"
)

// proxiedSite has an upstream for HTTP at 5002, and one for gRPC at 5003.
const proxiedSite = `
	handle /orders* {
		verify orders.write {
			claim_header X-Client-Id client_id
		}
		reverse_proxy localhost:5002
	}
	handle /forward* {
		verify orders.write {
			forward_authorization
		}
		reverse_proxy localhost:5002
	}
	handle /grpc.testing.* {
		verify orders.write {
			claim_header X-Client-Id client_id
		}
		reverse_proxy h2c://localhost:5003
	}`

// proxied is the shop in front of an upstream of the test's own.
type proxied struct {
	*guarded
	upstream http.Handler
	accepted atomic.Int64 // connections to an upstream
	good     string       // a token that every route accepts
	lacking  string       // one without the scope
}

// startProxied runs the shop with the upstream at 5002. Over HTTP/2, Caddy
// takes WebSockets only if Go's switch for them is on.
func startProxied(t *testing.T, upstream http.Handler) *proxied {
	t.Helper()
	p := &proxied{guarded: &guarded{api: new(api)}, upstream: upstream}
	used := newPorts(t)
	server := &http.Server{Handler: p, ReadHeaderTimeout: patience}
	go server.Serve(p.listen(t, used.free["5002"]))
	t.Cleanup(func() { server.Close() })
	p.caddy = start(t, shopOptions+"localhost:5001 {\n\ttokenidp\n"+proxiedSite+"\n}\n", options{
		ports: used, files: map[string]string{"applications.yaml": shopApplications}, env: []string{"GODEBUG=http2xconnect=1"},
	})
	p.http = p.client()
	p.good, p.lacking = p.token("orders-worker", "orders.read orders.write"), p.token("orders-worker", "orders.read")
	return p
}

// ServeHTTP is the upstream's side. What arrives is known before the first byte
// of the body.
func (p *proxied) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.api.mu.Lock()
	p.api.seen = append(p.api.seen, arrival{method: r.Method, uri: r.RequestURI, header: r.Header.Clone()})
	p.api.mu.Unlock()
	p.upstream.ServeHTTP(w, r)
}

// listen opens a port of an upstream, and counts who connects.
func (p *proxied) listen(t *testing.T, port string) net.Listener {
	t.Helper()
	return &counted{listen(t, port), &p.accepted}
}

type counted struct {
	net.Listener
	accepted *atomic.Int64
}

func (c *counted) Accept() (net.Conn, error) {
	connection, err := c.Listener.Accept()
	if err == nil {
		c.accepted.Add(1)
	}
	return connection, err
}

// arrived is the one request that arrived since the last call.
func (p *proxied) arrived(t *testing.T) arrival {
	t.Helper()
	seen := p.api.take()
	if len(seen) != 1 {
		t.Fatalf("%d requests arrived, want 1", len(seen))
	}
	return seen[0]
}

// checkIdentity wants the request to carry what the token says, and no token.
func checkIdentity(t *testing.T, h http.Header) {
	t.Helper()
	if id := h.Values("X-Client-Id"); !slices.Equal(id, []string{"orders-worker"}) || h["Authorization"] != nil {
		t.Errorf("X-Client-Id %q, Authorization %q", id, h["Authorization"])
	}
}

// refusals are the ways to be refused, by the reason.
func (p *proxied) refusals() map[string][]string {
	return map[string][]string{
		"no_token":                      nil,
		"malformed_token":               {bearer("x.y.z")},
		"bad_signature":                 {bearer(p.good[:len(p.good)-8] + "AAAAAAAA")},
		"missing_scope":                 {bearer(p.lacking)},
		"several_authorization_headers": {bearer(p.good), bearer(p.good)},
	}
}

// checkUntouched is checkRefused for one of the refusals, and wants that no
// upstream was even connected to.
func (p *proxied) checkUntouched(t *testing.T, a *answer, path, reason string) {
	t.Helper()
	scope := ""
	if reason == "missing_scope" {
		scope = "orders.write"
	}
	p.checkRefused(t, a, path, reason, scope)
	if n := p.accepted.Load(); n > 0 {
		t.Errorf("%d connections to the upstream", n)
	}
}

// versions of HTTP that have streams, and one connection of each for a test.
func (c *caddy) versions(t *testing.T) map[string]http.RoundTripper {
	t.Helper()
	one := c.tlsConfig()
	one.NextProtos = []string{"http/1.1"}
	three := &http3.Transport{TLSClientConfig: c.tlsConfig()}
	first := &http.Transport{TLSClientConfig: one, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	second := &http.Transport{TLSClientConfig: c.tlsConfig(), ForceAttemptHTTP2: true}
	t.Cleanup(func() {
		first.CloseIdleConnections()
		second.CloseIdleConnections()
		three.Close()
	})
	return map[string]http.RoundTripper{"HTTP/1.1": first, "HTTP/2.0": second, "HTTP/3.0": three}
}

// bounded is a context that ends a test that waits in vain.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// open makes a request whose body and answer are streams.
func (p *proxied) open(t *testing.T, ctx context.Context, transport http.RoundTripper, method, path string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	r := p.request(method, "https://localhost:5001"+path, "", headers...).WithContext(ctx)
	if r.Body, r.ContentLength = nil, 0; body != nil {
		r.Body, r.ContentLength = io.NopCloser(body), -1
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// whole reads the rest of an answer.
func whole(t *testing.T, response *http.Response) *answer {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &answer{Response: response, body: string(body)}
}

// orders is a path under /orders that no other row of a test has.
func orders(t *testing.T) string {
	t.Helper()
	return "/orders/" + segment(strings.ToLower(t.Name()))
}
