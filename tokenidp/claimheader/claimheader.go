// Package claimheader carries claims of a verified token to an upstream in request headers.
package claimheader

import (
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Config configures one header.
type Config struct {
	// Header is its name, such as X-Client-Id.
	Header string
	// Claim is the name of a claim, a JSON Pointer (RFC 6901), or [All].
	Claim string
	// Format is [JSON], or empty for text.
	Format string
}

const (
	// JSON is the one Format that has a name.
	JSON = "json"
	// All stands for all claims, as JSON in base64url.
	All = "*"
)

// reserved headers mean something to HTTP itself, or a proxy drops or sets them.
var reserved = []string{
	"Accept-Encoding", "Authorization", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Dpop", "Expect",
	"Forwarded", "Host", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
}

// Headers are the claim headers of one route.
type Headers []header

type header struct {
	name  string // in the spelling of http.Header
	claim string
	path  claimrule.Path
	json  bool
}

// Value is a header with the value that a token gives it.
type Value struct{ Name, Value string }

// Parse returns the headers, or an error that names the one that is wrong.
func Parse(configs []Config) (Headers, error) {
	headers := make(Headers, 0, len(configs))
	for _, c := range configs {
		name := http.CanonicalHeaderKey(c.Header)
		switch {
		case !httpguts.ValidHeaderFieldName(c.Header):
			return nil, fmt.Errorf("claim_header: %q is not the name of a header", c.Header)
		case slices.ContainsFunc(reserved, func(reserved string) bool { return sameName(reserved, name) }):
			return nil, fmt.Errorf("claim_header: %s means something to HTTP itself, or to proxies; choose another name, such as X-Client-Id", name)
		case c.Claim == "":
			return nil, fmt.Errorf("claim_header: %s carries no claim; write: claim_header %s client_id", name, name)
		case headers.named(c.Header):
			return nil, fmt.Errorf("claim_header: %s is set twice", name)
		case c.Format != "" && c.Format != JSON:
			return nil, fmt.Errorf("claim_header: %s has the unknown format %q; known: %s", name, c.Format, JSON)
		}
		path, err := claimrule.ParsePath(c.Claim)
		if err != nil {
			return nil, fmt.Errorf("claim_header: %s: %w", name, err)
		}
		headers = append(headers, header{name, c.Claim, path, c.Format == JSON})
	}
	return headers, nil
}

// named reports whether the name is that of a claim header, in any spelling that
// some upstream takes for the same.
func (h Headers) named(name string) bool {
	for i := range h {
		if sameName(h[i].name, name) {
			return true
		}
	}
	return false
}

// sameName compares names as the most lenient upstream would: CGI turns
// hyphens into underscores, others fold dots too.
func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if foldedByte(a[i]) != foldedByte(b[i]) {
			return false
		}
	}
	return true
}

func foldedByte(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + ('a' - 'A')
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	default:
		return '_'
	}
}

// Remove removes what the client sent under the names of the claim headers: headers in
// any spelling, trailers, and their mention in Connection, by which a proxy would drop
// the headers set here (RFC 9110 section 7.6.1). Headers for which keep returns true stay.
func (h Headers) Remove(r *http.Request, keep func(name string, values []string) bool) {
	if len(h) == 0 {
		return
	}
	for name, values := range r.Header {
		if h.named(name) && !keep(name, values) {
			delete(r.Header, name)
		}
	}
	if connection := r.Header["Connection"]; len(connection) > 0 {
		r.Header["Connection"] = h.withoutNames(connection)
	}
	if r.Trailer != nil {
		h.removeFrom(r.Trailer)
		// The rest of the trailers arrives with the end of the body, whether
		// they were announced or not.
		r.Body = &trailerFilter{ReadCloser: r.Body, trailer: r.Trailer, forbidden: h}
	}
}

func (h Headers) removeFrom(fields http.Header) {
	for name := range fields {
		if h.named(name) {
			delete(fields, name)
		}
	}
}

// withoutNames returns the values of a Connection header without the names of the claim
// headers.
func (h Headers) withoutNames(values []string) []string {
	var kept []string
	for _, value := range values {
		for token := range strings.SplitSeq(value, ",") {
			token = textproto.TrimString(token)
			if token != "" && !h.named(token) {
				kept = append(kept, token)
			}
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return []string{strings.Join(kept, ", ")}
}

// trailerFilter removes the claim headers from the trailers as soon as they are there.
type trailerFilter struct {
	io.ReadCloser
	trailer   http.Header
	forbidden Headers
}

func (t *trailerFilter) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err != nil {
		t.forbidden.removeFrom(t.trailer)
	}
	return n, err
}

// Values returns the headers that the token fills. A value that no header can carry
// refuses the request, with a [verifier.Refusal]: an upstream could take the missing
// header for another identity.
func (h Headers) Values(claims *verifier.Claims) ([]Value, error) {
	if len(h) == 0 {
		return nil, nil
	}
	values := make([]Value, 0, len(h))
	for i := range h {
		one := &h[i]
		text, found, safe := one.text(claims)
		if !safe || !httpguts.ValidHeaderFieldValue(text) {
			return nil, verifier.Refuse(verifier.MalformedClaims, one.unsafe(claims))
		}
		if found {
			values = append(values, Value{one.name, text})
		}
	}
	return values, nil
}

// Set sets the headers of a request to the values, and removes those that have none.
func (h Headers) Set(fields http.Header, values []Value) {
	for i := range h {
		delete(fields, h[i].name) // of an earlier verify's, which another claim replaces
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.Value
		fields[v.Name] = texts[i : i+1 : i+1]
	}
}
