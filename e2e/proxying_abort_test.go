package e2e

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	pb "google.golang.org/grpc/interop/grpc_testing"
)

// requests counts Caddy's goroutines that serve a request through verify, or move
// its bytes.
func (c *caddy) requests() (n int) {
	c.t.Helper()
	stacks := c.administer(http.MethodGet, "/debug/pprof/goroutine?debug=2", "").body
	for stack := range strings.SplitSeq(stacks, "\n\n") {
		if strings.Contains(stack, "tokenidp.(*Verify).ServeHTTP") || strings.Contains(stack, "reverseproxy.switchProtocolCopier") {
			n++
		}
	}
	return n
}

// A client that goes in the middle of a stream leaves nothing behind: no request
// at the upstream, no goroutine in Caddy.
func TestAbortedStreamsLeaveNothingBehind(t *testing.T) {
	p, service, client := startGRPC(t)
	var open atomic.Int64
	p.upstream = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open.Add(1)
		defer open.Add(-1)
		switch {
		case r.Header.Get("Upgrade") != "":
			echo.ServeHTTP(w, r)
		case r.Method == http.MethodPost:
			io.Copy(io.Discard, r.Body)
		default:
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	})
	const each = 5 // streams of a kind
	kinds := map[string]func(t *testing.T, ctx context.Context){
		"gRPC": func(t *testing.T, ctx context.Context) {
			stream, err := client.FullDuplexCall(as(ctx, "authorization", "Bearer "+p.good))
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Send(&pb.StreamingOutputCallRequest{}); err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		},
	}
	for version, upgrade := range p.upgrades(t) {
		kinds["WebSocket over "+version] = func(t *testing.T, ctx context.Context) {
			upgrade(t, ctx, "/orders", bearer(p.good)).converse(t, "hello")
		}
	}
	for version, transport := range p.versions(t) {
		kinds["download over "+version] = func(t *testing.T, ctx context.Context) {
			p.open(t, ctx, transport, http.MethodGet, "/orders", nil, bearer(p.good))
		}
		kinds["upload over "+version] = func(t *testing.T, ctx context.Context) {
			u := &upload{size: 2 * roundTrip, first: make(chan struct{}), stopped: ctx.Done()}
			r := p.request(http.MethodPost, "https://localhost:5001/orders", "", bearer(p.good)).WithContext(ctx)
			r.Body, r.ContentLength = io.NopCloser(u), -1
			go func() {
				if response, err := transport.RoundTrip(r); err == nil {
					response.Body.Close()
				}
			}()
		}
	}
	for name, begin := range kinds {
		t.Run(name, func(t *testing.T) {
			ctx, abort := context.WithCancel(bounded(t))
			defer abort()
			for range each {
				begin(t, ctx)
			}
			arrived := func() int64 { return open.Load() + service.open.Load() }
			p.eventually("the streams", func() bool { return arrived() == each && p.requests() >= each })
			abort()
			p.eventually("the end of the upstream's requests", func() bool { return arrived() == 0 })
			p.eventually("the end of Caddy's", func() bool { return p.requests() == 0 })
		})
	}
}
