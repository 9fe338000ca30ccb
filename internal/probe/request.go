package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"golang.org/x/net/http/httpguts"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// Request is the request to ask about.
type Request struct {
	Method string
	// URL is absolute. Its path and query are used as a client sends them.
	URL string
	// Header are the other headers that a client sends.
	Header http.Header
	// From is the address of the client, with a port. Default: an address that no client
	// has, 192.0.2.1.
	From string
	// Assume is what is assumed of a request that represents others. Default: nothing.
	Assume tokenidp.Assumption
}

// anywhere is a client's address for documentation (RFC 5737).
const anywhere = "192.0.2.1:1"

// ParseRequest reads a method and a URL, such as: POST https://api.example.com/orders
func ParseRequest(text string) (Request, error) {
	method, target, ok := strings.Cut(text, " ")
	if !ok {
		return Request{}, fmt.Errorf("%q is not a method and a URL; write: GET https://api.example.com/orders/1", text)
	}
	r := Request{Method: method, URL: target}
	_, _, err := r.parse()
	return r, err
}

// String returns the text that ParseRequest reads.
func (r Request) String() string { return r.Method + " " + r.URL }

// Shown returns the request for people. It has only the names of queries and headers,
// because the values that matchers compare them with may be secret.
func (r Request) Shown() string {
	target, query, _ := strings.Cut(r.URL, "?")
	text := r.Method + " " + target
	if values, err := url.ParseQuery(query); err == nil && len(values) > 0 {
		text += "?" + strings.Join(slices.Sorted(maps.Keys(values)), "=…&") + "=…"
	}
	if len(r.Header) > 0 {
		text += " with " + strings.Join(slices.Sorted(maps.Keys(r.Header)), ", ")
	}
	if host, _, err := net.SplitHostPort(r.From); err == nil {
		text += " from " + host
	}
	return text
}

// parse makes the request that a server reads from a client.
func (r Request) parse() (*http.Request, string, error) {
	scheme, rest, ok := strings.Cut(r.URL, "://")
	end := strings.IndexAny(rest, "/?#")
	host, target := rest, "/"
	if end >= 0 {
		host, target = rest[:end], rest[end:]
	}
	if strings.HasPrefix(target, "?") {
		target = "/" + target
	}
	switch {
	case !ok || scheme != "https" && scheme != "http" || host == "" || strings.ContainsAny(host, "@ ") || !httpguts.ValidHostHeader(host):
		return nil, "", fmt.Errorf("%q is not the URL of a request; write: https://api.example.com/orders/1", r.URL)
	case strings.ContainsFunc(target, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return nil, "", fmt.Errorf("%q is not the URL of a request: it has a space or a control character", r.URL)
	case strings.Contains(target, "#"):
		return nil, "", fmt.Errorf("%q has a fragment, which no client sends", r.URL)
	case !httpguts.ValidHeaderFieldName(r.Method): // a token, too
		return nil, "", fmt.Errorf("%q is not a method", r.Method)
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, "", fmt.Errorf("%q is not the URL of a request: %w", r.URL, errors.Unwrap(err))
	}
	parsed := &http.Request{
		Method: r.Method, URL: u, RequestURI: target, Host: host, RemoteAddr: r.From,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Header: r.Header.Clone(),
	}
	if parsed.RemoteAddr == "" {
		parsed.RemoteAddr = anywhere
	}
	if parsed.Header == nil {
		parsed.Header = make(http.Header)
	}
	return parsed, scheme, nil
}

// connection returns the connection of a client that has called the host with the
// certificate, if any.
func connection(host string, certificate *x509.Certificate) *tls.ConnectionState {
	state := &tls.ConnectionState{
		Version: tls.VersionTLS13, HandshakeComplete: true, CipherSuite: tls.TLS_AES_128_GCM_SHA256,
		ServerName: strings.Trim(hostname(host), "[]"), NegotiatedProtocol: "http/1.1",
	}
	if certificate != nil {
		state.PeerCertificates = []*x509.Certificate{certificate}
	}
	return state
}

// withContext returns the request with the context that a server gives to its handler.
func withContext(r *http.Request, t *trail) *http.Request {
	ctx := context.WithValue(context.Background(), trailKey{}, t)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, net.Addr(new(net.TCPAddr)))
	ctx = context.WithValue(ctx, caddy.ReplacerCtxKey, caddy.NewReplacer()) // for the hosts of sites; the server makes its own
	return r.WithContext(ctx)
}

// response is the answer of a server. Only its status is read.
type response struct {
	header http.Header
	status int
}

func (w *response) Header() http.Header { return w.header }

func (w *response) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return len(b), nil
}

// WriteHeader keeps the first final status.
func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
}

func (w *response) Flush() { w.WriteHeader(http.StatusOK) }
