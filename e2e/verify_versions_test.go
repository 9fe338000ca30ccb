package e2e

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"
)

// RFC 9110 section 2.5: every version of HTTP is guarded alike.
func TestEveryVersionOfHTTP(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, `
	handle /orders* {
		verify orders.read {
			claim_header X-Client-Id client_id
		}
		reverse_proxy localhost:5002
	}`)
	one := g.tlsConfig()
	one.NextProtos = []string{"http/1.1"}
	three := &http3.Transport{TLSClientConfig: g.tlsConfig()}
	defer three.Close()
	for version, transport := range map[string]http.RoundTripper{
		"HTTP/1.1": &http.Transport{TLSClientConfig: one, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}},
		"HTTP/2.0": &http.Transport{TLSClientConfig: g.tlsConfig(), ForceAttemptHTTP2: true},
		"HTTP/3.0": three,
	} {
		t.Run(version, func(t *testing.T) {
			over := *g
			over.http = &http.Client{Transport: transport, Timeout: patience}
			defer over.http.CloseIdleConnections()
			a := over.ask(t, "POST", "/token", "grant_type=client_credentials&scope=orders.read", "Content-Type: application/x-www-form-urlencoded",
				"Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("orders-worker:"+shopSecret)))
			token := accessToken(a.body)
			if a.Proto != version || token == "" {
				t.Fatalf("%s: %d %s", a.Proto, a.StatusCode, a.body)
			}
			path := "/orders/" + segment(version)
			over.checkRefused(t, over.ask(t, "GET", path, ""), path, "no_token", "")
			over.checkRefused(t, over.ask(t, "GET", path+"/2", "", bearer(token), bearer(token)), path+"/2", "several_authorization_headers", "")
			over.checkRefused(t, over.ask(t, "GET", path+"/3", "", bearer(token+"A")), path+"/3", "bad_signature", "")
			r := over.request("POST", "https://localhost:5001/orders", "hello", bearer(token), "X-Client-Id: admin", "X_Client_Id: admin")
			r.Trailer = http.Header{"X-Client-Id": {"admin"}}
			r.ContentLength = -1
			got := over.checkAllowed(t, send(t, over.http, r))
			if id := got.header.Values("X-Client-Id"); len(id) != 1 || id[0] != "orders-worker" || got.header["Authorization"] != nil || len(got.trailer) > 0 || got.body != "hello" {
				t.Errorf("arrived: %+v", got)
			}
		})
	}
	t.Run("HTTP/1.0", func(t *testing.T) {
		const form = "grant_type=client_credentials&client_id=reader&client_secret=" + shopSecret
		a := g.raw(t, "POST /token HTTP/1.0\nHost: HOST\nContent-Type: application/x-www-form-urlencoded\nContent-Length: "+strconv.Itoa(len(form))+"\n\n"+form)
		if a == nil || accessToken(a.body) == "" {
			t.Fatalf("%+v", a)
		}
		g.checkRefused(t, g.raw(t, "GET /orders/1.0 HTTP/1.0\nHost: HOST\n\n"), "/orders/1.0", "no_token", "")
		g.checkRefused(t, g.raw(t, "GET /orders/1.0/2 HTTP/1.0\nHost: HOST\n"+bearer("x.y.z")+"\n\n"), "/orders/1.0/2", "malformed_token", "")
		g.checkAllowed(t, g.raw(t, "GET /orders HTTP/1.0\nHost: HOST\n"+bearer(accessToken(a.body))+"\n\n"))
		// Without a Host there is no site.
		if a := g.raw(t, "GET /orders HTTP/1.0\n"+bearer(g.token("reader", ""))+"\n\n"); a != nil && strings.Contains(a.body, protected) {
			t.Errorf("without Host: %+v", a)
		}
	})
}

// accessToken is that of a form answer, or empty.
func accessToken(body string) string {
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	_ = json.Unmarshal([]byte(body), &answer) // then it is empty
	return answer.AccessToken
}

// RFC 9112 section 11.2: shapes on which two servers could disagree are refused,
// and nothing hidden in them is served.
func TestSmugglingShapesAreRefused(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, ordersSite)
	token := bearer(g.token("orders-worker", "orders.read")) + "\n"
	const hidden = "GET /orders/hidden HTTP/1.1\nHost: HOST\n\n"
	for name, request := range map[string]string{
		"length and chunks":         "POST /orders HTTP/1.1\nHost: HOST\nContent-Length: 4\nTransfer-Encoding: chunked\n\n0\n\n" + hidden,
		"two lengths":               "POST /orders HTTP/1.1\nHost: HOST\nContent-Length: 0\nContent-Length: 60\n\n" + hidden,
		"negative length":           "POST /orders HTTP/1.1\nHost: HOST\nContent-Length: -1\n\n" + hidden,
		"unknown encoding":          "POST /orders HTTP/1.1\nHost: HOST\nTransfer-Encoding: xchunked\n\n" + hidden,
		"encoding twice":            "POST /orders HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n0\n\n" + hidden,
		"space before the colon":    "GET /orders HTTP/1.1\nHost: HOST\nAuthorization : Bearer x\n\n",
		"folded line":               "GET /orders HTTP/1.1\nHost: HOST\nX: y\n " + token + "\n",
		"folded token":              "GET /orders HTTP/1.1\nHost: HOST\nAuthorization:\n Bearer x.y.z\n\n",
		"NUL in the token":          "GET /orders HTTP/1.1\nHost: HOST\nAuthorization: Bearer x\x00y\n\n",
		"two hosts":                 "GET /orders HTTP/1.1\nHost: HOST\nHost: attacker.example\n\n",
		"no host":                   "GET /orders HTTP/1.1\n" + token + "\n",
		"HTTP/0.9":                  "GET /orders\n\n",
		"HTTP/1.2":                  "GET /orders HTTP/1.2\nHost: HOST\n\n",
		"the preface of HTTP/2":     "PRI * HTTP/2.0\n\nSM\n\n",
		"line break in the target":  "GET /orders\r HTTP/1.1\nHost: HOST\n\n",
		"space in the target":       "GET /orders /x HTTP/1.1\nHost: HOST\n\n",
		"header without a name":     "GET /orders HTTP/1.1\nHost: HOST\n: Bearer x\n\n",
		"token in a chunk's suffix": "POST /orders HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\n\n0;" + token + "\n",
		"token as a trailer":        "POST /orders HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\nTrailer: Authorization\n\n0\n" + token + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			a := g.raw(t, strings.Replace(request, " HTTP/1.1\n", " HTTP/1.1\nConnection: close\n", 1))
			if a != nil && (a.StatusCode >= http.StatusInternalServerError && a.StatusCode != http.StatusNotImplemented && a.StatusCode != http.StatusHTTPVersionNotSupported || strings.Contains(a.body, protected)) {
				t.Errorf("%d %q", a.StatusCode, a.body)
			}
			if seen := g.api.take(); len(seen) > 0 {
				t.Errorf("arrived: %+v", seen)
			}
		})
	}
}
