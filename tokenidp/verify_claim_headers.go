package tokenidp

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/json"
	"golang.org/x/net/http/httpguts"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// ClaimHeader is a request header that carries a claim to the upstream.
type ClaimHeader struct {
	// The name of the request header, such as X-Client-Id.
	Header string `json:"header"`

	// The claim whose value it carries, such as client_id. A name that begins with
	// a slash is a JSON Pointer (RFC 6901) into nested claims; * is all claims, as
	// JSON in base64url. Lists are joined with spaces. A token without the claim
	// sets no header.
	Claim string `json:"claim"`

	// How the claim is written: "json" is its JSON in ASCII, which has a form for every
	// value. As text, a list with an element that has a space in it refuses the request.
	// Default: as text.
	Format string `json:"format,omitempty"`
}

// jsonFormat is the one Format.
const jsonFormat = "json"

// allClaims stands for all of them.
const allClaims = "*"

// reservedHeaders mean something to HTTP itself, or a proxy drops or sets them.
var reservedHeaders = []string{
	"Accept-Encoding", "Authorization", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Dpop", "Expect",
	"Forwarded", "Host", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
}

// claimHeader is a ClaimHeader as requests need it.
type claimHeader struct {
	name  string // in the spelling of http.Header
	claim string
	path  claimrule.Path
	json  bool
}

func claimHeaders(headers []ClaimHeader) ([]claimHeader, error) {
	compiled := make([]claimHeader, 0, len(headers))
	for i, h := range headers {
		name := http.CanonicalHeaderKey(h.Header)
		switch {
		case !httpguts.ValidHeaderFieldName(h.Header):
			return nil, fmt.Errorf("claim_header: %q is not the name of a header", h.Header)
		case slices.ContainsFunc(reservedHeaders, func(reserved string) bool { return sameHeader(reserved, name) }):
			return nil, fmt.Errorf("claim_header: %s means something to HTTP itself, or to proxies; choose another name, such as X-Client-Id", name)
		case h.Claim == "":
			return nil, fmt.Errorf("claim_header: %s carries no claim; write: claim_header %s client_id", name, name)
		case named(headers[:i], h.Header):
			return nil, fmt.Errorf("claim_header: %s is set twice", name)
		case h.Format != "" && h.Format != jsonFormat:
			return nil, fmt.Errorf("claim_header: %s has the unknown format %q; known: %s", name, h.Format, jsonFormat)
		}
		path, err := claimrule.ParsePath(h.Claim)
		if err != nil {
			return nil, fmt.Errorf("claim_header: %s: %w", name, err)
		}
		compiled = append(compiled, claimHeader{name, h.Claim, path, h.Format == jsonFormat})
	}
	return compiled, nil
}

// named reports whether the name is that of a claim header, in any spelling that
// some upstream takes for the same.
func named(headers []ClaimHeader, name string) bool {
	return slices.ContainsFunc(headers, func(h ClaimHeader) bool { return sameHeader(h.Header, name) })
}

// sameHeader compares names as the most lenient upstream would: CGI turns
// hyphens into underscores, others fold dots too.
func sameHeader(a, b string) bool {
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

// removeClaimHeaders removes what the client sent under the names of the claim
// headers: headers in any spelling, trailers, and their mention in Connection,
// by which a proxy would drop those set here (RFC 9110 section 7.6.1). What an
// earlier verify has set stays, and is the same still.
func (v *Verify) removeClaimHeaders(r *http.Request, before *admission) {
	forbidden := v.ClaimHeaders
	if len(forbidden) == 0 {
		return
	}
	for name, values := range r.Header {
		if named(forbidden, name) && !before.hasSet(name, values) {
			delete(r.Header, name)
		}
	}
	if connection := r.Header["Connection"]; len(connection) > 0 {
		r.Header["Connection"] = withoutTokens(connection, forbidden)
	}
	if r.Trailer != nil {
		removeNames(r.Trailer, forbidden)
		// The rest of the trailers arrives with the end of the body, whether
		// they were announced or not.
		r.Body = &trailerFilter{ReadCloser: r.Body, trailer: r.Trailer, forbidden: forbidden}
	}
}

func removeNames(h http.Header, forbidden []ClaimHeader) {
	for name := range h {
		if named(forbidden, name) {
			delete(h, name)
		}
	}
}

// withoutTokens is a Connection header without the forbidden names.
func withoutTokens(values []string, forbidden []ClaimHeader) []string {
	var kept []string
	for _, value := range values {
		for token := range strings.SplitSeq(value, ",") {
			token = textproto.TrimString(token)
			if token != "" && !named(forbidden, token) {
				kept = append(kept, token)
			}
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return []string{strings.Join(kept, ", ")}
}

// trailerFilter removes names from the trailers as soon as they are there.
type trailerFilter struct {
	io.ReadCloser
	trailer   http.Header
	forbidden []ClaimHeader
}

func (t *trailerFilter) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err != nil {
		removeNames(t.trailer, t.forbidden)
	}
	return n, err
}

// claimHeaders are those that the token fills. A value that no header can carry
// refuses the request: an upstream could take the missing header for another
// identity.
func (v *Verify) claimHeaders(claims *verifier.Claims) ([]setHeader, error) {
	if len(v.headers) == 0 {
		return nil, nil
	}
	set := make([]setHeader, 0, len(v.headers))
	for i := range v.headers {
		h := &v.headers[i]
		text, found, safe := h.text(claims)
		if !safe || !httpguts.ValidHeaderFieldValue(text) {
			return nil, verifier.Refuse(verifier.MalformedClaims, h.unsafe(claims))
		}
		if found {
			set = append(set, setHeader{h.name, text})
		}
	}
	return set, nil
}

// unsafe says why the claim is in no header, and what to write instead.
func (h *claimHeader) unsafe(claims *verifier.Claims) error {
	why := "has no form that is safe in a header as text"
	if claim, _ := claims.At(h.path); joinsAmbiguously(claim) {
		why = "is a list with an element that is empty or has a space in it, which reads as another list when it is joined with spaces"
	}
	return fmt.Errorf("claim %s %s; write: claim_header %s %s %s", h.claim, why, h.name, h.claim, jsonFormat)
}

// text is the claim as an upstream is told it: the client and the scopes are those
// that were checked, wherever the issuer has them in its tokens.
func (h *claimHeader) text(claims *verifier.Claims) (text string, found, safe bool) {
	if h.json {
		return h.jsonText(claims)
	}
	switch h.claim {
	case "client_id":
		return claims.ClientID, claims.ClientID != "", true
	case "scope":
		return claims.ScopeText(), len(claims.Scope) > 0, true
	case allClaims:
		text, safe = jsonText(claims.All())
		return base64.RawURLEncoding.EncodeToString([]byte(text)), safe, safe
	}
	claim, found := claims.At(h.path)
	text, safe = claimText(claim)
	return text, found, safe && !joinsAmbiguously(claim)
}

// joinsAmbiguously reports whether a list would read as another one when it is joined
// with spaces: an issuer's group "x admin" as the groups x and admin.
func joinsAmbiguously(claim any) bool {
	list, _ := claim.([]any)
	return slices.ContainsFunc(list, func(element any) bool {
		text, ok := element.(string)
		return ok && (text == "" || strings.Contains(text, " "))
	})
}

// claimText is the text of a claim: a string as it is, a list of strings joined
// with spaces, anything else as JSON. It is the JSON of the package that decoded
// the claims: to encoding/json, their numbers are strings.
func claimText(claim any) (string, bool) {
	switch c := claim.(type) {
	case nil:
		return "", true
	case string:
		return c, true
	case []any:
		words := make([]string, 0, len(c))
		for _, element := range c {
			word, ok := element.(string)
			if !ok {
				return jsonText(claim)
			}
			words = append(words, word)
		}
		return strings.Join(words, " "), true
	default:
		return jsonText(claim)
	}
}

func jsonText(claim any) (string, bool) {
	text, err := json.Marshal(claim)
	return string(text), err == nil
}
