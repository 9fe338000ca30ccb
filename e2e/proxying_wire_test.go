package e2e

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// field is a header field as it is spelled, pseudo-headers included.
type field struct{ name, value string }

// head are the fields of a POST, followed by more.
func (c *caddy) head(path string, more ...field) []field {
	return append([]field{{":method", "POST"}, {":scheme", "https"}, {":authority", c.url("localhost:5001")}, {":path", path}}, more...)
}

// wire sends a POST with its fields as they are, which no HTTP client would, a
// body of one byte, and trailers. It returns the status, or "" if the stream or
// the connection was ended instead.
type wire func(t *testing.T, head, trailers []field) (status string)

// frames2 is the wire of HTTP/2 (RFC 9113).
func (c *caddy) frames2(t *testing.T, head, trailers []field) (status string) {
	t.Helper()
	config := c.tlsConfig()
	config.NextProtos = []string{http2.NextProtoTLS}
	connection, err := tls.Dial("tcp", c.url("localhost:5001"), config)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(patience))
	block := func(fields []field) []byte {
		var b bytes.Buffer
		encoder := hpack.NewEncoder(&b)
		for _, f := range fields {
			encoder.WriteField(hpack.HeaderField{Name: f.name, Value: f.value}) // to a buffer
		}
		return b.Bytes()
	}
	io.WriteString(connection, http2.ClientPreface)
	framer := http2.NewFramer(connection, connection)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	err = errors.Join(framer.WriteSettings(),
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(head), EndHeaders: true}),
		framer.WriteData(1, len(trailers) == 0, []byte("x")))
	if len(trailers) > 0 {
		err = errors.Join(err, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(trailers), EndHeaders: true, EndStream: true}))
	}
	for err == nil {
		var frame http2.Frame
		frame, err = framer.ReadFrame()
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return ""
		}
	}
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		t.Fatal(err)
	}
	return ""
}

// frames3 is the wire of HTTP/3 (RFC 9114).
func (c *caddy) frames3(t *testing.T, head, trailers []field) (status string) {
	t.Helper()
	const data, headers, settings = 0x0, 0x1, 0x4
	config := c.tlsConfig()
	config.NextProtos = []string{http3.NextProtoH3}
	connection, err := quic.DialAddr(bounded(t), c.url("localhost:5001"), config, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.CloseWithError(0, "")
	frame := func(kind uint64, payload []byte) []byte {
		return slices.Concat(quicvarint.Append(quicvarint.Append(nil, kind), uint64(len(payload))), payload)
	}
	block := func(fields []field) []byte {
		var b bytes.Buffer
		encoder := qpack.NewEncoder(&b)
		for _, f := range fields {
			encoder.WriteField(qpack.HeaderField{Name: f.name, Value: f.value}) // to a buffer
		}
		return frame(headers, b.Bytes())
	}
	control, err := connection.OpenUniStream()
	if err != nil {
		t.Fatal(err)
	}
	control.Write(slices.Concat([]byte{0}, frame(settings, nil)))
	stream, err := connection.OpenStreamSync(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	stream.Write(slices.Concat(block(head), frame(data, []byte("x"))))
	if len(trailers) > 0 {
		stream.Write(block(trailers))
	}
	stream.Close()
	stream.SetReadDeadline(time.Now().Add(patience))
	answer := quicvarint.NewReader(stream)
	kind, err := quicvarint.Read(answer)
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		t.Fatal(err)
	}
	if err != nil || kind != headers {
		return ""
	}
	length, _ := quicvarint.Read(answer)
	payload := make([]byte, length)
	if _, err := io.ReadFull(answer, payload); err != nil {
		return ""
	}
	first, err := qpack.NewDecoder().Decode(payload)()
	if err != nil || first.Name != ":status" {
		t.Fatalf("%+v, %v", first, err)
	}
	return first.Value
}

var separators = regexp.MustCompile(`[^a-z]+`)

// spellsClientID reports whether some upstream would take the name for X-Client-Id.
func spellsClientID(name string) bool {
	return strings.Trim(separators.ReplaceAllString(strings.ToLower(name), "-"), "-") == "x-client-id"
}

// RFC 9113 section 8.2.2, RFC 9114 section 4.2: connection headers have no place
// in HTTP/2 and HTTP/3, so no client can have a claim header dropped on the way,
// nor set one in another spelling or at the end.
func TestClaimHeadersAreNotSmuggled(t *testing.T) {
	arrivals := make(chan arrival, 100)
	p := startProxied(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		arrivals <- arrival{uri: r.RequestURI, header: r.Header, trailer: r.Trailer}
	}))
	authorization := field{"authorization", "Bearer " + p.good}
	for version, send := range map[string]wire{"HTTP/2": p.frames2, "HTTP/3": p.frames3} {
		for name, row := range map[string]struct {
			more, trailers []field
			passes         bool
		}{
			"plain":                 {nil, nil, true},
			"forged":                {[]field{{"x-client-id", "admin"}, {"x-client-id", "root"}}, nil, true},
			"underscores":           {[]field{{"x_client_id", "admin"}, {"x-client_id", "admin"}}, nil, true},
			"dots":                  {[]field{{"x.client.id", "admin"}, {"x!client~id", "admin"}}, nil, true},
			"TE":                    {[]field{{"te", "trailers, x-client-id"}}, nil, false},
			"Connection":            {[]field{{"connection", "x-client-id"}}, nil, false},
			"Connection, close":     {[]field{{"connection", "close, x-client-id"}}, nil, false},
			"Proxy-Connection":      {[]field{{"proxy-connection", "x-client-id"}}, nil, false},
			"Keep-Alive":            {[]field{{"keep-alive", "x-client-id"}}, nil, false},
			"Transfer-Encoding":     {[]field{{"transfer-encoding", "chunked"}}, nil, false},
			"Upgrade":               {[]field{{"upgrade", "websocket"}}, nil, false},
			"capitals":              {[]field{{"X-Client-Id", "admin"}}, nil, false},
			"line break in a value": {[]field{{"x-other", "1\r\nx-client-id: admin"}}, nil, false},
			"colon in a name":       {[]field{{"x-client-id:", "admin"}}, nil, false},
			"space in a name":       {[]field{{"x-client-id ", "admin"}}, nil, false},
			"pseudo-header":         {[]field{{":x-client-id", "admin"}}, nil, false},
			"unannounced trailer":   {nil, []field{{"x-client-id", "admin"}, {"x_client_id", "admin"}}, true},
			"announced trailer":     {[]field{{"trailer", "x-client-id, x_client_id"}}, []field{{"x-client-id", "admin"}, {"x_client_id", "admin"}}, true},
		} {
			t.Run(version+", "+name, func(t *testing.T) {
				status := send(t, p.head("/orders", append([]field{authorization}, row.more...)...), row.trailers)
				if status == "200" != row.passes {
					t.Errorf("status %q", status)
				}
				if status := send(t, p.head("/orders/unverified", row.more...), row.trailers); status == "200" {
					t.Errorf("without a token: status %q", status)
				}
				for len(arrivals) > 0 {
					got := <-arrivals
					checkIdentity(t, got.header)
					delete(got.header, "X-Client-Id")
					names := slices.Concat(slices.Collect(maps.Keys(got.header)), slices.Collect(maps.Keys(got.trailer)))
					if got.uri != "/orders" || slices.ContainsFunc(names, spellsClientID) {
						t.Errorf("arrived: %+v", got)
					}
				}
			})
		}
	}
}
