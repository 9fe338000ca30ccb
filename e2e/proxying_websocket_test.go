package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/websocket"
)

// echo answers each message in capital letters, until the client goes.
var echo = websocket.Server{Handler: func(connection *websocket.Conn) {
	for {
		var message string
		if websocket.Message.Receive(connection, &message) != nil || websocket.Message.Send(connection, strings.ToUpper(message)) != nil {
			return
		}
	}
}}

// socket is the client's side of a WebSocket, over any version of HTTP.
type socket struct {
	*http.Response
	to   io.Writer
	from io.Reader
}

// say sends a text frame; a client masks (RFC 6455 section 5.3), here with zeros.
func (s *socket) say(text string) error {
	_, err := s.to.Write(slices.Concat([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, []byte(text)))
	return err
}

// hear reads a text frame of less than 126 bytes.
func (s *socket) hear() (string, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(s.from, head); err != nil {
		return "", err
	}
	if head[0] != 0x81 || head[1] > 125 {
		return "", errors.New("not a short text frame")
	}
	text := make([]byte, head[1])
	_, err := io.ReadFull(s.from, text)
	return string(text), err
}

// converse wants an answer to each message before it sends the next.
func (s *socket) converse(t *testing.T, messages ...string) {
	t.Helper()
	for _, message := range messages {
		if err := s.say(message); err != nil {
			t.Fatal(err)
		}
		if got, err := s.hear(); err != nil || got != strings.ToUpper(message) {
			t.Fatalf("the answer to %q is %q, %v", message, got, err)
		}
	}
}

// upgrades ask for a WebSocket, by version of HTTP: RFC 6455, RFC 8441, RFC 9220.
func (p *proxied) upgrades(t *testing.T) map[string]func(t *testing.T, ctx context.Context, path string, headers ...string) *socket {
	transports := p.versions(t)
	second := &http2.Transport{TLSClientConfig: p.tlsConfig()} //nolint:staticcheck // that of net/http sends no :protocol
	t.Cleanup(second.CloseIdleConnections)                     //nolint:staticcheck // as above
	const version = "Sec-Websocket-Version: 13"
	connect := func(transport http.RoundTripper, protocol string, headers ...string) func(*testing.T, context.Context, string, ...string) *socket {
		return func(t *testing.T, ctx context.Context, path string, more ...string) *socket {
			t.Helper()
			out, in := io.Pipe()
			t.Cleanup(func() { in.Close() })
			// The client of HTTP/2 does not see that end while it waits for more.
			context.AfterFunc(ctx, func() { in.CloseWithError(context.Cause(ctx)) })
			r := p.request(http.MethodConnect, "https://localhost:5001"+path, "", slices.Concat(headers, more)...).WithContext(ctx)
			r.Proto, r.Body, r.ContentLength = protocol, out, -1
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { response.Body.Close() })
			return &socket{response, in, response.Body}
		}
	}
	return map[string]func(*testing.T, context.Context, string, ...string) *socket{
		"HTTP/1.1": func(t *testing.T, ctx context.Context, path string, headers ...string) *socket {
			t.Helper()
			headers = append([]string{"Connection: Upgrade", "Upgrade: websocket", version, "Sec-Websocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, headers...)
			response := p.open(t, ctx, transports["HTTP/1.1"], http.MethodGet, path, nil, headers...)
			to, _ := response.Body.(io.Writer)
			context.AfterFunc(ctx, func() { response.Body.Close() }) // nothing else ends an upgraded connection
			return &socket{response, to, response.Body}
		},
		"HTTP/2.0": connect(second, "", ":protocol: websocket", version),
		"HTTP/3.0": connect(transports["HTTP/3.0"], "websocket", version),
	}
}

// RFC 6455: after a verified upgrade, messages go both ways as they come.
func TestWebSocketsAreProxied(t *testing.T) {
	p := startProxied(t, echo)
	upgrades := p.upgrades(t)
	for version, upgrade := range upgrades {
		for reason, headers := range p.refusals() {
			t.Run(version+", "+reason, func(t *testing.T) {
				path := orders(t)
				p.checkUntouched(t, whole(t, upgrade(t, bounded(t), path, headers...).Response), path, reason)
			})
		}
	}
	for version, upgrade := range upgrades {
		t.Run(version, func(t *testing.T) {
			s := upgrade(t, bounded(t), "/orders", bearer(p.good), "X-Client-Id: admin", "X_Client_Id: admin")
			if want := map[bool]int{true: http.StatusSwitchingProtocols, false: http.StatusOK}[version == "HTTP/1.1"]; s.StatusCode != want {
				t.Fatalf("status %d, want %d", s.StatusCode, want)
			}
			s.converse(t, "hello", "world", strings.Repeat("x", 125), "")
			got := p.arrived(t)
			checkIdentity(t, got.header)
			if got.header.Get("Upgrade") != "websocket" || got.method != http.MethodGet {
				t.Errorf("arrived: %+v", got)
			}
		})
	}
	t.Run("forward_authorization", func(t *testing.T) {
		upgrades["HTTP/1.1"](t, bounded(t), "/forward", bearer(p.good)).converse(t, "hello")
		if got := p.arrived(t).header["Authorization"]; !slices.Equal(got, []string{"Bearer " + p.good}) {
			t.Errorf("Authorization %q", got)
		}
	})
	// RFC 9110 section 7.6.1: what the upgrade needs stays in Connection, the
	// claim header leaves it.
	t.Run("claim header in Connection", func(t *testing.T) {
		s := upgrades["HTTP/1.1"](t, bounded(t), "/orders", bearer(p.good), "Connection: X-Client-Id, x_client_id")
		s.converse(t, "hello")
		checkIdentity(t, p.arrived(t).header)
	})
}

// RFC 6455 section 1.3: what follows the upgrade at once, before its answer, is
// for the upstream, and nobody's after a refusal.
func TestMessagesBeforeTheUpgradeIsAnswered(t *testing.T) {
	p := startProxied(t, echo)
	const upgrade = " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	hidden := &bytes.Buffer{}
	_ = (&socket{to: hidden}).say("hello") // to a buffer
	hidden.WriteString("GET /orders/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n")
	c := p.dial(t)
	c.send(t, "GET /orders/early"+upgrade+"\r\n"+hidden.String())
	p.checkUntouched(t, c.answer(t), "/orders/early", "no_token")

	c = p.dial(t)
	c.send(t, "GET /orders"+upgrade+bearer(p.good)+"\r\n\r\n"+"\x81\x85\x00\x00\x00\x00hello")
	if a := c.head(t); a.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", a.StatusCode)
	}
	if got, err := (&socket{from: c.in}).hear(); err != nil || got != "HELLO" {
		t.Errorf("heard %q, %v", got, err)
	}
}
