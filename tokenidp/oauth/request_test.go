package oauth

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// RFC 6749 section 3.2, RFC 9110 sections 9.1 and 15.5.6.
func TestOnlyPostGetsAToken(t *testing.T) {
	e := newEndpoint(t)
	for _, method := range []string{
		"GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "OPTIONS", "QUERY", "BREW", "post", "Post", "POST ", "",
	} {
		t.Run(method, func(t *testing.T) {
			r := form("worker", generated, "&scope=orders.read")
			r.Method = method
			w := e.answer(r)
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
				t.Errorf("status %d, Allow %q", w.Code, w.Header().Get("Allow"))
			}
			if body := w.Body.String(); strings.Contains(body, "access_token") || !strings.Contains(body, `"error":"invalid_request"`) {
				t.Errorf("body %s", body)
			}
		})
	}
	if w := e.answer(form("worker", generated, "&scope=orders.read")); w.Code != http.StatusOK {
		t.Errorf("POST: status %d, body %s", w.Code, w.Body)
	}
}

// RFC 6749 section 3.2: TLS is required.
func TestNoTokenInTheClear(t *testing.T) {
	for _, row := range []struct {
		name, remote string
		policy       Policy
		tls, want    bool
	}{
		{"TLS", "192.0.2.1:1234", Policy{}, true, true},
		{"plain", "192.0.2.1:1234", Policy{}, false, false},
		{"plain from loopback, not allowed", "127.0.0.1:1234", Policy{}, false, false},
		{"plain from loopback, allowed", "127.0.0.1:1234", Policy{LoopbackHTTP: true}, false, true},
		{"plain from another loopback address", "127.9.9.9:1", Policy{LoopbackHTTP: true}, false, true},
		{"plain from IPv6 loopback", "[::1]:1234", Policy{LoopbackHTTP: true}, false, true},
		{"plain from IPv4-mapped loopback", "[::ffff:127.0.0.1]:1", Policy{LoopbackHTTP: true}, false, true},
		{"plain from elsewhere with loopback allowed", "192.0.2.1:1234", Policy{LoopbackHTTP: true}, false, false},
		{"plain from a private network", "10.0.0.1:1234", Policy{LoopbackHTTP: true}, false, false},
		{"plain from an unspecified address", "0.0.0.0:1234", Policy{LoopbackHTTP: true}, false, false},
		{"plain from a name", "localhost:1234", Policy{LoopbackHTTP: true}, false, false},
		{"plain from no address", "@", Policy{LoopbackHTTP: true}, false, false},
		{"plain, insecure_http", "192.0.2.1:1234", Policy{InsecureHTTP: true}, false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			// What the caller says about its transport is no evidence.
			r := post(formType, "grant_type=client_credentials&client_id=a", "X-Forwarded-Proto", "https",
				"Forwarded", "for=127.0.0.1;proto=https", "X-Forwarded-For", "127.0.0.1", "X-Real-Ip", "127.0.0.1")
			r.RemoteAddr = row.remote
			if !row.tls {
				r.TLS = nil
			}
			_, err := ParseTokenRequest(httptest.NewRecorder(), r, row.policy)
			reason := ReasonInsecureTransport
			if row.want {
				reason = ""
			}
			wantRefused(t, err, http.StatusBadRequest, reason)
		})
	}
}

// RFC 6749 section 2.1: what runs in a browser is a public client.
func TestWebPagesAreRefused(t *testing.T) {
	some := Policy{BrowserOrigins: []string{"https://tools.example.com"}}
	all := Policy{BrowserOrigins: []string{"*"}}
	for _, row := range []struct {
		name    string
		policy  Policy
		headers []string
		want    Reason
	}{
		{"no such header", Policy{}, nil, ""},
		{"Node's fetch", Policy{}, []string{"Sec-Fetch-Mode", "cors", "User-Agent", "node"}, ""},
		{"typed into the address bar", Policy{}, []string{"Sec-Fetch-Site", "none"}, ""},
		{"Origin", Policy{}, []string{"Origin", "https://idp.example.com"}, ReasonBrowser},
		{"Origin null", Policy{}, []string{"Origin", "null"}, ReasonBrowser},
		{"empty Origin", Policy{}, []string{"Origin", ""}, ReasonBrowser},
		{"same-origin", Policy{}, []string{"Sec-Fetch-Site", "same-origin"}, ReasonBrowser},
		{"cross-site", Policy{}, []string{"Sec-Fetch-Site", "cross-site"}, ReasonBrowser},
		{"allowed Origin", some, []string{"Origin", "https://tools.example.com", "Sec-Fetch-Site", "cross-site"}, ""},
		{"other Origin", some, []string{"Origin", "https://tools.example.com.evil.example"}, ReasonBrowser},
		{"Origin of other case", some, []string{"Origin", "https://TOOLS.example.com"}, ReasonBrowser},
		{"two Origins", some, []string{"Origin", "https://tools.example.com", "Origin", "https://evil.example"}, ReasonBrowser},
		{"cross-site without Origin", some, []string{"Sec-Fetch-Site", "cross-site"}, ReasonBrowser},
		{"any Origin", all, []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := post(formType, "grant_type=client_credentials&client_id=a", row.headers...)
			_, err := ParseTokenRequest(httptest.NewRecorder(), r, row.policy)
			wantRefused(t, err, http.StatusBadRequest, row.want)
		})
	}
}

// RFC 6749 section 2.3.1: the parameters must not be in the request URI.
func TestParametersInTheURLAreRefused(t *testing.T) {
	queries := map[string]Reason{
		"":                              "",
		"unknown=1":                     "",
		"access_token=x":                "",
		"client_secret":                 ReasonParameterInURL,
		"x=1&client_secret=":            ReasonParameterInURL,
		"client%5Fsecret=a":             ReasonParameterInURL,
		"CLIENT_SECRET=a":               ReasonParameterInURL,
		"CLIENTSECRET=a":                ReasonParameterInURL,
		"client_\u017fecret=a":          ReasonParameterInURL, // a letter that folds to s
		"%zz":                           ReasonParameterInURL,
		"a;client_secret=b":             ReasonParameterInURL,
		"client_id=worker;x&scope=a":    ReasonParameterInURL,
		"grant_type=client_credentials": ReasonParameterInURL,
	}
	for _, name := range urlParameters {
		queries[name+"=x"] = ReasonParameterInURL
		queries[strings.ToUpper(name)+"=x"] = ReasonParameterInURL
	}
	for query, want := range queries {
		t.Run(query, func(t *testing.T) {
			r := post(formType, "grant_type=client_credentials&client_id=a&scope=b")
			r.URL.RawQuery = query
			_, err := parse(r)
			wantRefused(t, err, http.StatusBadRequest, want)
		})
	}
}

// RFC 6749 section 2.3.1.
func TestCredentialsInTheURLNeverAuthenticate(t *testing.T) {
	e := newEndpoint(t)
	query := "client_id=worker&client_secret=" + generated
	for name, r := range map[string]*http.Request{
		"all in the query": httptest.NewRequest("POST", "https://idp.example.com/token?grant_type=client_credentials&scope=orders.read&"+query, nil),
		"secret in the query": httptest.NewRequest("POST", "https://idp.example.com/token?client_secret="+generated,
			strings.NewReader("grant_type=client_credentials&scope=orders.read&client_id=worker")),
		"user information": httptest.NewRequest("POST", "https://worker:"+generated+"@idp.example.com/token",
			strings.NewReader("grant_type=client_credentials&scope=orders.read&client_id=worker")),
	} {
		t.Run(name, func(t *testing.T) {
			r.Header.Set("Content-Type", formType)
			if w := e.answer(r); w.Code < 400 || w.Code >= 500 || strings.Contains(w.Body.String(), signed) {
				t.Errorf("status %d, body %s", w.Code, w.Body)
			}
		})
	}
}

// RFC 6749 sections 3.2 and 5: whichever version of HTTP carries it.
func TestHTTPVersionsBehaveAlike(t *testing.T) {
	e := newEndpoint(t)
	server := httptest.NewUnstartedServer(e)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	body := "grant_type=client_credentials&scope=orders.read&client_id=worker&client_secret=" + generated

	for _, method := range []string{"POST", "GET"} {
		want := http.StatusOK
		if method == "GET" {
			want = http.StatusMethodNotAllowed
		}
		var bodies []string
		for _, protocol := range []string{"HTTP/1.0", "HTTP/1.1", "HTTP/2.0"} {
			response := exchange(t, server, protocol, method, body)
			if response.StatusCode != want || response.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: status %d, headers %v", protocol, method, response.StatusCode, response.Header)
			}
			bodies = append(bodies, string(must(io.ReadAll(response.Body))))
			_ = response.Body.Close()
		}
		if bodies[0] != bodies[1] || bodies[1] != bodies[2] {
			t.Errorf("%s: answers differ: %q", method, bodies)
		}
	}
}

func exchange(t *testing.T, server *httptest.Server, protocol, method, body string) *http.Response {
	t.Helper()
	r := must(http.NewRequest(method, server.URL+"/token", strings.NewReader(body)))
	r.Header.Set("Content-Type", formType)
	if protocol == "HTTP/2.0" {
		response, err := server.Client().Do(r)
		if err != nil || response.Proto != protocol {
			t.Fatal(response, err)
		}
		return response
	}
	settings := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	settings.NextProtos = nil
	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var wire strings.Builder
	_ = r.Write(&wire)
	if _, err := io.WriteString(conn, strings.Replace(wire.String(), "HTTP/1.1", protocol, 1)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}
