package oauth

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const minimal = "grant_type=client_credentials&client_id=a"

// RFC 6749 section 4.4.2, RFC 9110 section 8.3: two media types. What the
// parameters of a form's say of its charset decides nothing: the bytes do.
func TestContentTypes(t *testing.T) {
	const object = `{"grantType":"client_credentials","clientId":"a"}`
	for _, row := range []struct {
		name, body string
		types      []string
		want       Reason
	}{
		{"form", minimal, []string{formType}, ""},
		{"form, other case", minimal, []string{"Application/X-WWW-Form-URLencoded"}, ""},
		{"form, charset", minimal, []string{formType + "; charset=utf-8"}, ""},
		{"form, charset of other case, quoted", minimal, []string{formType + `;CHARSET="UTF-8"`}, ""},
		{"form, another parameter", minimal, []string{formType + "; x=y"}, ""},
		{"form, trailing semicolon", minimal, []string{formType + ";"}, ""},
		{"form, us-ascii", minimal, []string{formType + "; charset=us-ascii"}, ""},
		{"form, latin1", minimal, []string{formType + "; charset=iso-8859-1"}, ""},
		{"form, latin1 that is none of UTF-8", minimal + "&scope=%E9", []string{formType + "; charset=iso-8859-1"}, ReasonMalformedBody},
		{"form, utf-16", "g\x00r\x00", []string{formType + "; charset=utf-16"}, ReasonMissingGrantType},
		{"form, empty charset", minimal, []string{formType + `; charset=""`}, ""},
		{"form, unknown charset", minimal, []string{formType + "; charset=x-none"}, ""},
		{"form, malformed parameter", minimal, []string{formType + "; charset"}, ""},
		{"form, two charsets", minimal, []string{formType + "; charset=utf-8; charset=utf-16"}, ReasonMediaType},
		{"form, twice", minimal, []string{formType, formType}, ReasonMediaType},
		{"form, but JSON", object, []string{formType}, ReasonMissingGrantType},
		{"JSON", object, []string{jsonType}, ""},
		{"JSON, other case", object, []string{"APPLICATION/JSON"}, ""},
		{"JSON, charset", object, []string{jsonType + "; charset=UTF-8"}, ""},
		{"JSON, us-ascii", object, []string{jsonType + "; charset=us-ascii"}, ReasonMediaType},
		{"JSON, malformed parameter", object, []string{jsonType + "; charset"}, ReasonMediaType},
		{"JSON, utf-16", object, []string{jsonType + "; charset=utf-16"}, ReasonMediaType},
		{"JSON, but form", minimal, []string{jsonType}, ReasonMalformedBody},
		{"JSON and form", object, []string{jsonType, formType}, ReasonMediaType},
		{"list in one header", object, []string{jsonType + ", " + formType}, ReasonMediaType},
		{"missing", minimal, nil, ReasonMediaType},
		{"empty", minimal, []string{""}, ReasonMediaType},
		{"text/plain", minimal, []string{"text/plain"}, ReasonMediaType},
		{"multipart", minimal, []string{"multipart/form-data; boundary=a"}, ReasonMediaType},
		{"text/json", object, []string{"text/json"}, ReasonMediaType},
		{"a suffix +json", object, []string{"application/jwt+json"}, ReasonMediaType},
		{"JSON with more", object, []string{"application/json5"}, ReasonMediaType},
		{"any", minimal, []string{"*/*"}, ReasonMediaType},
		{"malformed", minimal, []string{"application/"}, ReasonMediaType},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := post("", row.body)
			for _, contentType := range row.types {
				r.Header.Add("Content-Type", contentType)
			}
			_, err := parse(r)
			status := http.StatusBadRequest
			if row.want == ReasonMediaType {
				status = http.StatusUnsupportedMediaType
			}
			wantRefused(t, err, status, row.want)
		})
	}
}

// RFC 9110 sections 8.4 and 15.5.16: nothing is decompressed.
func TestContentEncodings(t *testing.T) {
	for encoding, want := range map[string]Reason{
		"": "", "identity": "", "Identity": "", "gzip": ReasonContentEncoding, "x-gzip": ReasonContentEncoding, "br": ReasonContentEncoding,
		"zstd": ReasonContentEncoding, "identity, gzip": ReasonContentEncoding, "utf-8": ReasonContentEncoding,
	} {
		t.Run(encoding, func(t *testing.T) {
			r := post(formType, minimal, "Content-Encoding", encoding)
			_, err := parse(r)
			wantRefused(t, err, http.StatusUnsupportedMediaType, want)
		})
	}
	_, err := parse(post(formType, minimal, "Content-Encoding", "identity", "Content-Encoding", "gzip"))
	wantRefused(t, err, http.StatusUnsupportedMediaType, ReasonContentEncoding)
}

// The body is taken in before a refusal that does not need it, because a client
// of HTTP/2 whose body is cut off tends to report that instead of the answer.
func TestBodyIsTakenInBeforeARefusal(t *testing.T) {
	for name, r := range map[string]*http.Request{
		"method":           httptest.NewRequest(http.MethodPut, "https://idp.example.com/token", strings.NewReader(minimal)),
		"browser":          post(formType, minimal, "Origin", "https://shop.example.com"),
		"content type":     post("text/plain", minimal),
		"content encoding": post(formType, minimal, "Content-Encoding", "gzip"),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parse(r); err == nil {
				t.Fatal("it is accepted")
			}
			if left, err := io.ReadAll(r.Body); len(left) != 0 || err != nil {
				t.Errorf("left unread: %q, %v", left, err)
			}
		})
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (b unread) Read([]byte) (int, error) {
	b.t.Error("the body was read")
	return 0, io.EOF
}
func (unread) Close() error { return nil }

// RFC 9110 section 15.5.14: a body that announces its size is not read at all.
func TestTooLargeAContentLength(t *testing.T) {
	for _, length := range []int64{maxBody + 1, 1 << 40} {
		r := post(formType, "")
		r.ContentLength, r.Body = length, unread{t}
		w := httptest.NewRecorder()
		_, err := ParseTokenRequest(w, r, Policy{})
		wantRefused(t, err, http.StatusRequestEntityTooLarge, ReasonTooLarge)
		if w.Header().Get("Connection") != "close" {
			t.Error("the connection is kept, with the body still to come")
		}
	}
}

// spaces is an endless body that counts what is read of it.
type spaces struct{ read int }

func (b *spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	b.read += len(p)
	return len(p), nil
}
func (*spaces) Close() error { return nil }

// RFC 9110 section 15.5.14: of a chunked one no more than the limit is read.
func TestTooLargeABodyOfUnknownLength(t *testing.T) {
	for _, contentType := range []string{formType, jsonType} {
		body := new(spaces)
		r := post(contentType, "")
		r.ContentLength, r.Body = -1, body
		_, err := parse(r)
		wantRefused(t, err, http.StatusRequestEntityTooLarge, ReasonTooLarge)
		if body.read > maxBody+1 {
			t.Errorf("%d bytes were read", body.read)
		}
	}
}

func TestTheLargestBodyIsRead(t *testing.T) {
	padding := func(n int) string { return minimal + "&x=" + strings.Repeat("a", n-len(minimal)-len("&x=")) }
	_, err := parse(post(formType, padding(maxBody)))
	wantRefused(t, err, 0, "")
	r := post(formType, padding(maxBody+1))
	r.ContentLength = -1
	_, err = parse(r)
	wantRefused(t, err, http.StatusRequestEntityTooLarge, ReasonTooLarge)
}

// deadlines is a ResponseWriter that knows when reading must end.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (w *deadlines) SetReadDeadline(t time.Time) error {
	w.set = append(w.set, t)
	return nil
}

type failing struct{ err error }

func (b failing) Read([]byte) (int, error) { return 0, b.err }
func (failing) Close() error               { return nil }

// RFC 9110 section 15.5.9: a body must arrive in time. The deadline is lifted
// only when all of the body is there.
func TestReadDeadline(t *testing.T) {
	for _, row := range []struct {
		name   string
		body   io.ReadCloser
		length int64
		want   Reason
	}{
		{"whole", io.NopCloser(strings.NewReader(minimal)), -1, ""},
		{"late", failing{os.ErrDeadlineExceeded}, 100, ReasonUnreadableBody},
		{"cut off", failing{io.ErrUnexpectedEOF}, 100, ReasonUnreadableBody},
		{"too large", new(spaces), -1, ReasonTooLarge},
		{"announced as too large", unread{t}, maxBody + 1, ReasonTooLarge},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := post(formType, "")
			r.Body, r.ContentLength = row.body, row.length
			w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
			start := time.Now()
			_, err := ParseTokenRequest(w, r, Policy{})
			if len(w.set) == 0 || w.set[0].Before(start.Add(readTimeout)) || w.set[0].After(time.Now().Add(readTimeout)) {
				t.Fatalf("deadlines %v", w.set)
			}
			if lifted := w.set[len(w.set)-1].IsZero(); lifted != (row.want == "") {
				t.Errorf("deadlines %v", w.set)
			}
			if row.want == "" {
				wantRefused(t, err, 0, "")
				return
			}
			if e := refusal(t, err); e.Reason != row.want || row.want == ReasonUnreadableBody && (e.Status != 400 || e.Cause == nil) {
				t.Errorf("refused with %d %v", e.Status, e)
			}
			if w.Header().Get("Connection") != "close" {
				t.Error("the connection is kept, with the body still to come")
			}
		})
	}
	r := post(formType, "")
	r.Body = failing{os.ErrDeadlineExceeded}
	if _, err := parse(r); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the cause is lost: %v", err)
	}
}

// listener accepts one connection.
type listener struct{ conns chan net.Conn }

func (l listener) Accept() (net.Conn, error) {
	conn, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (l listener) Close() error   { return nil }
func (l listener) Addr() net.Addr { return &net.TCPAddr{} }

// RFC 9110 section 15.5.9: nobody holds a connection by not sending a body.
func TestASlowBodyLosesItsConnection(t *testing.T) {
	e := newEndpoint(t)
	e.policy.InsecureHTTP = true
	for name, length := range map[string]string{"small": "100", "too large": "100000"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := listener{make(chan net.Conn, 1)}
				server := &http.Server{Handler: e}
				go func() { _ = server.Serve(l) }()
				defer server.Close()
				defer close(l.conns)
				near, far := net.Pipe()
				l.conns <- far

				start := time.Now()
				go func() {
					_, _ = io.WriteString(near, "POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: "+formType+"\r\nContent-Length: "+length+"\r\n\r\ngrant")
				}()
				reader := bufio.NewReader(near)
				response, err := http.ReadResponse(reader, nil)
				if err != nil || response.StatusCode < 400 || response.StatusCode >= 500 {
					t.Fatal(response, err)
				}
				_ = must(io.ReadAll(response.Body))
				_ = near.SetReadDeadline(time.Now().Add(time.Hour))
				if _, err := reader.ReadByte(); err != io.EOF {
					t.Errorf("the connection stays open: %v", err)
				}
				if took := time.Since(start); took > readTimeout+time.Second {
					t.Errorf("the connection was held for %v", took)
				}
			})
		})
	}
}
