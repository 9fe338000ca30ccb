package tokenidp

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimheader"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/dpop"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// admission is what verify stores in a verified request for later handlers. It is a
// variable of the request, which is cheaper than a copy of the request with another
// context. Other handlers may set variables, even with names that a client chooses, but
// none can make a value of this type.
type admission struct {
	claims  *verifier.Claims
	headers []claimheader.Value // so far
}

// headerOf is the header with only these.
func headerOf(headers []claimheader.Value) http.Header {
	h := make(http.Header, len(headers))
	for _, one := range headers {
		h[one.Name] = []string{one.Value}
	}
	return h
}

const admissionVar = "tokenidp.admission"

// admittedFrom returns the admission of the request, or nil.
func admittedFrom(r *http.Request) *admission { return admittedIn(variables(r)) }

func admittedIn(variables map[string]any) *admission {
	a, _ := variables[admissionVar].(*admission)
	return a
}

// String returns "", so that a placeholder of the variable shows nothing.
func (*admission) String() string { return "" }

// hasSet reports whether a verify has set this header to this value. The value is compared
// too, because the request may be a copy from before that verify.
func (a *admission) hasSet(name string, values []string) bool {
	if a == nil || len(values) != 1 {
		return false
	}
	for _, h := range a.headers {
		if h.Name == name && h.Value == values[0] {
			return true
		}
	}
	return false
}

// admit prepares a verified request for the next handler. It sets the claim headers and
// the placeholders, and removes the token unless it must be forwarded.
func (v *Verify) admit(r *http.Request, variables map[string]any, claims *verifier.Claims, headers []claimheader.Value, a *admission) {
	if a == nil {
		a = &admission{claims: claims}
		variables[admissionVar] = a
		a.setPlaceholders(r)
	}
	v.headers.Set(r.Header, headers)
	if a.headers == nil {
		a.headers = headers
	} else {
		a.headers = append(a.headers, headers...)
	}
	if !v.ForwardAuthorization && !v.ReportOnly {
		delete(r.Header, "Authorization")
		delete(r.Header, dpop.Header)
	}
}

// setPlaceholders registers the placeholders of a verified request. Their values are
// computed when they are read.
func (a *admission) setPlaceholders(r *http.Request) {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	repl.DeleteByPrefix(userPlaceholders) // what another handler has set would come first
	repl.Map(a.placeholder)
}

const userPlaceholders = "http.auth.user."

func (a *admission) placeholder(key string) (any, bool) {
	name, ok := strings.CutPrefix(key, userPlaceholders)
	if !ok {
		return nil, false
	}
	switch name {
	case "id":
		return a.claims.ClientID, true
	case "scope":
		return a.claims.ScopeText(), true
	case "iss":
		return a.claims.Issuer, true
	}
	if name, ok = strings.CutPrefix(name, "claims."); !ok {
		return nil, false
	}
	value, _ := a.claims.Claim(name)
	text, _ := claimheader.Text(value)
	return text, true
}

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

func claimHeaders(configured []ClaimHeader) (claimheader.Headers, error) {
	configs := make([]claimheader.Config, len(configured))
	for i, c := range configured {
		configs[i] = claimheader.Config(c)
	}
	return claimheader.Parse(configs)
}

// removeClaimHeaders removes the claim headers that the client sent. Headers that an
// earlier verify has set stay.
func (v *Verify) removeClaimHeaders(r *http.Request, before *admission) {
	v.headers.Remove(r, before.hasSet)
}
