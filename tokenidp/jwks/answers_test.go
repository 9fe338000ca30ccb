package jwks

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// badAnswers is what an issuer, or whoever answers for it, may do (each with what
// the error says).
func badAnswers(t *testing.T) map[string]struct {
	answer http.HandlerFunc
	want   string
} {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	redirect := func(code int, to string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(code)
		}
	}
	set := newSet(t, "k2")
	return map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"400":                      {status(400, set), "status 400"},
		"404":                      {status(404, set), "status 404"},
		"429":                      {status(429, set), "status 429"},
		"500":                      {status(500, set), "status 500"},
		"503":                      {status(503, ""), "status 503"},
		"201":                      {status(201, set), "status 201"},
		"203":                      {status(203, set), "status 203"},
		"204":                      {status(204, ""), "status 204"},
		"206":                      {status(206, set), "status 206"},
		"304":                      {status(304, ""), "status 304"},
		"HTML":                     {status(200, "<!DOCTYPE html><title>Sign in</title>"), "not an object"},
		"nothing":                  {status(200, ""), "not an object"},
		"null":                     {status(200, "null"), "not an object"},
		"an array":                 {status(200, "["+set+"]"), "not an object"},
		"cut off":                  {status(200, set[:len(set)-2]), "JSON"},
		"followed by more":         {status(200, set+set), "JSON"},
		"deep JSON":                {status(200, strings.Repeat(`{"keys":[`, 10_000)), "nested too deeply"},
		"deep JSON within limits":  {status(200, `{"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+set[1:]), "JSON"},
		"keys twice":               {status(200, set[:len(set)-1]+`,"keys":[]}`), "JSON"},
		"101 keys":                 {status(200, `{"keys":[`+strings.Repeat("{},", 100)+set[len(`{"keys":[`):]), "more than 100"},
		"over 512 KiB":             {status(200, set+strings.Repeat(" ", maxBody)), "more than 512 KiB"},
		"over 512 KiB after gzip":  {gzipped([]byte(set), maxBody), "more than 512 KiB"},
		"gzip bomb":                {gzipped(nil, 64<<20), "more than 512 KiB"},
		"not gzip, though it says": {withHeader(status(200, set), "Content-Encoding", "gzip"), "gzip"},
		"another encoding":         {withHeader(status(200, "\x1b\x00\xf8"), "Content-Encoding", "br"), "JSON"},
		"never-ending":             {endless, "more than 512 KiB"},
		"body that stalls":         {stalling(`{"keys":[`), "deadline exceeded"},
		"body that trickles":       {trickling, "deadline exceeded"},
		"headers that never come":  {hang, "deadline exceeded"},
		"huge headers":             {withHeader(status(200, set), "X", strings.Repeat("x", 128<<10)), "fetching"},
		"connection closed":        {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"body cut off":             {withHeader(status(200, set), "Content-Length", "100000"), "EOF"},
		"redirect, same origin":    {redirect(302, "/elsewhere"), "redirect"},
		"redirect, 301":            {redirect(301, "http://evil.localhost/?secret"), "redirect, which is not followed"},
		"redirect, 303":            {redirect(303, "http://evil.localhost/"), "redirect"},
		"redirect, 307":            {redirect(307, "http://evil.localhost/"), "redirect"},
		"redirect, 308":            {redirect(308, "http://evil.localhost/"), "redirect"},
		"redirect, loop":           {redirect(302, testJWKS), "redirect"},
		"redirect, file":           {redirect(302, "file:///etc/passwd"), "redirect"},
		"redirect, metadata":       {redirect(302, "http://169.254.169.254/latest/meta-data/"), "169.254.169.254"},
		"redirect, nowhere":        {status(302, ""), "status 302"},
	}
}

func withHeader(h http.HandlerFunc, name, value string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(name, value)
		h(w, r)
	}
}

// gzipped sends a document and then spaces, as many members of a gzip file (RFC
// 1952 section 2.2), which costs little to make.
func gzipped(document []byte, spaces int) http.HandlerFunc {
	member := func(content []byte) []byte {
		var b bytes.Buffer
		zw := gzip.NewWriter(&b)
		_, _ = zw.Write(content)
		_ = zw.Close()
		return b.Bytes()
	}
	const unit = 64 << 10
	body := append(member(document), bytes.Repeat(member(bytes.Repeat([]byte(" "), unit)), spaces/unit)...)
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(body)
	}
}

func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<10)); err != nil {
			return
		}
	}
}

func stalling(start string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, start)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func trickling(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		_, _ = w.Write([]byte(" "))
		w.(http.Flusher).Flush()
		time.Sleep(100 * time.Millisecond)
	}
}

// Whatever answers: the cached keys go on, nobody is told that a key is unknown, the
// fetch ends in time, and nothing else is asked.
func TestBadAnswersCostNoKey(t *testing.T) {
	for name, row := range badAnswers(t) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t)
				i.publish("/jwks", newSet(t, "k1"))
				i.publish("/elsewhere", newSet(t, "k2"))
				s, logs := i.source(t)
				key := mustKey(t, s, "k1")
				i.answer("/jwks", row.answer)
				time.Sleep(minInterval)

				before := time.Now()
				err := wantOutOfReach(t, s, "k2")
				if took := time.Since(before); took > fetchTimeout {
					t.Errorf("the fetch took %s", took)
				}
				synctest.Wait()
				problem := s.Health().LastError
				if !strings.Contains(problem, row.want) || len(problem) > 500 || strings.Contains(problem, "secret") {
					t.Errorf("%v; want %q", problem, row.want)
				}
				if err == nil || mustKey(t, s, "k1") != key {
					t.Error("the cached key is gone")
				}
				if i.dialled() != 2 || len(i.requests("")) != 2 {
					t.Errorf("dialled %d times: %v", i.dialled(), i.requests(""))
				}
				if logs.FilterLevelExact(zap.ErrorLevel).Len() != 1 {
					t.Error("not logged")
				}
			})
		})
	}
}

// The same at the start: there are no keys, and that is no one's fault but the issuer's.
func TestBadAnswersAtTheStart(t *testing.T) {
	for name, row := range badAnswers(t) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t)
				i.answer("/jwks", row.answer)
				s, _ := i.source(t)
				wantOutOfReach(t, s, "k2")
				if s.current.Load() != nil {
					t.Error("there are keys")
				}
				synctest.Wait()
			})
		})
	}
}

// Memory is bounded by what is kept, not by what is sent.
func TestGzipBombIsNotInflated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.answer("/jwks", gzipped(nil, 256<<20))
		s, _ := i.source(t)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		wantOutOfReach(t, s, "k1")
		runtime.ReadMemStats(&after)
		if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; allocated > 32 {
			t.Errorf("%d MiB allocated", allocated)
		}
	})
}

// RFC 7517 section 8.5 has a media type; hardly any issuer sends it.
func TestContentTypeDoesNotMatter(t *testing.T) {
	for _, contentType := range []string{"application/jwk-set+json", "application/json; charset=utf-8", "text/plain", "application/octet-stream", ""} {
		synctest.Test(t, func(t *testing.T) {
			i := newIssuer(t)
			i.publish("/jwks", newSet(t, "k1"), "Content-Type: "+contentType)
			s, _ := i.source(t)
			mustKey(t, s, "k1")
		})
	}
}

func TestCompressedSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.answer("/jwks", gzipped([]byte(newSet(t, "k1")), 0))
		s, _ := i.source(t)
		mustKey(t, s, "k1")
		if i.requests("")[0].header.Get("Accept-Encoding") != "gzip" {
			t.Error("compression is not asked for")
		}
	})
}

// overTLS is a real server with a certificate that only its own client trusts.
func overTLS(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func sourceAt(t *testing.T, server *httptest.Server, changes ...func(*Options)) *Source {
	t.Helper()
	o := Options{Issuer: server.URL, Algorithms: []string{"EdDSA"}}
	for _, change := range changes {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// trusting makes the transport that is the default trust the server.
func trusting(server *httptest.Server) func(*Options) {
	return func(o *Options) {
		transport := Transport(nil)
		transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
		o.Transport = transport
	}
}

func TestFetchOverTLS(t *testing.T) {
	var server *httptest.Server
	set := newSet(t, "k1")
	server = overTLS(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_, _ = io.WriteString(w, metadata(server.URL, server.URL+"/keys?v=1"))
		case "/keys":
			_, _ = io.WriteString(w, set)
		default:
			http.NotFound(w, r)
		}
	})
	s := sourceAt(t, server, trusting(server))
	run(t, s)
	mustKey(t, s, "k1")
	if h := s.Health(); h.From != server.URL+"/keys" || h.Restored {
		t.Errorf("%+v", h)
	}
}

func TestWrongCertificate(t *testing.T) {
	set := newSet(t, "k1")
	server := overTLS(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, set) })
	for name, change := range map[string]func(*Options){
		"unknown authority": func(o *Options) { o.JWKSURL = server.URL },
		"another name": func(o *Options) {
			trusting(server)(o)
			o.JWKSURL = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
		},
	} {
		s := sourceAt(t, server, change)
		if err := wantOutOfReach(t, s, "k1"); !strings.Contains(fmt.Sprint(err), "certificate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConnectionReset(t *testing.T) {
	server := overTLS(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		tcp := conn.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn)
		_ = tcp.SetLinger(0) // RST
		_ = tcp.Close()
	})
	s := sourceAt(t, server, trusting(server), func(o *Options) { o.JWKSURL = server.URL })
	wantOutOfReach(t, s, "k1")
}

// Nobody is there: the kernel refuses.
func TestConnectionRefused(t *testing.T) {
	server := overTLS(t, http.NotFound)
	server.Close()
	wantOutOfReach(t, sourceAt(t, server, func(o *Options) { o.JWKSURL = server.URL }), "k1")
}
