package oauth

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/dpop"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// Format is the format of a request and its answer.
type Format int

const (
	// Form is application/x-www-form-urlencoded, with the answers of RFC 6749 section 5.
	Form Format = iota
	// JSON is application/json, with answers in an envelope.
	JSON
)

// Policy has the operator's rules for requests.
type Policy struct {
	// InsecureHTTP accepts requests without TLS, for a server behind a proxy that
	// terminates TLS.
	InsecureHTTP bool
	// LoopbackHTTP accepts requests without TLS from this machine only.
	LoopbackHTTP bool
	// BrowserOrigins are the origins whose web pages may send requests. "*" is any.
	BrowserOrigins []string
}

// ClientRequest is a parsed request to an endpoint where clients authenticate. It is not
// authenticated.
type ClientRequest struct {
	Credentials Credentials
	params      parameters
}

// parseClientRequest parses a request. It checks first what costs least: method,
// transport, kind of caller, encoding, body, parameters, credentials. The required
// parameter must be present. Every error is an *Error.
func parseClientRequest(w http.ResponseWriter, r *http.Request, p Policy, required string) (*ClientRequest, error) {
	// The body is read first, also for a refused request: some HTTP/2 clients report an
	// aborted upload instead of the answer.
	body, unread := readBody(w, r)
	format, err := p.checkHead(r)
	if err != nil {
		return nil, err
	}
	if unread != nil {
		return nil, unread
	}
	params, err := parseParameters(format, body)
	if err != nil {
		return nil, err
	}
	credentials, err := parseCredentials(r.Header, params)
	if err != nil {
		return nil, err
	}
	if params.get(required) == "" {
		return nil, refuse(missing[required], nil)
	}
	if !credentials.nameClient() {
		return nil, refuse(ReasonMissingClientID, nil)
	}
	credentials.TLS = r.TLS
	return &ClientRequest{Credentials: credentials, params: params}, nil
}

// missing has the reason for each required parameter that is missing.
var missing = map[string]Reason{"grant_type": ReasonMissingGrantType, "token": ReasonMissingToken}

// TokenRequest is a parsed token request (RFC 6749 section 4.4.2). It is not
// authenticated.
type TokenRequest struct {
	GrantType   string
	Scope       string   // as sent; empty when omitted
	Resource    []string // RFC 8707
	Proofs      []string // RFC 9449; there may be one
	Credentials Credentials
}

// ParseTokenRequest parses a token request. Every error is an *Error.
func ParseTokenRequest(w http.ResponseWriter, r *http.Request, p Policy) (*TokenRequest, error) {
	request, err := parseClientRequest(w, r, p, "grant_type")
	if err != nil {
		return nil, err
	}
	return &TokenRequest{
		GrantType:   request.params.get("grant_type"),
		Scope:       request.params.get("scope"),
		Resource:    request.params["resource"],
		Proofs:      r.Header[dpop.Header],
		Credentials: request.Credentials,
	}, nil
}

// checkHead checks everything before the body.
func (p Policy) checkHead(r *http.Request) (Format, error) {
	if err := checkMethod(r); err != nil {
		return Form, err
	}
	if err := p.checkTransport(r); err != nil {
		return Form, err
	}
	if err := p.checkBrowser(r); err != nil {
		return Form, err
	}
	if err := checkQuery(r); err != nil {
		return Form, err
	}
	return negotiate(r)
}

// checkMethod accepts only POST (RFC 6749 section 3.2, RFC 7009 section 2.1, RFC 7662
// section 2.1). Methods are case sensitive (RFC 9110 section 9.1).
func checkMethod(r *http.Request) error {
	if r.Method == http.MethodPost {
		return nil
	}
	refusal := refuse(ReasonMethod, nil)
	refusal.Allow = http.MethodPost
	return refusal
}

// checkTransport refuses requests without TLS (RFC 6749 section 3.2), unless the policy
// accepts them.
func (p Policy) checkTransport(r *http.Request) error {
	if p.InsecureHTTP || overTLS(r.TLS) || (p.LoopbackHTTP && fromLoopback(r.RemoteAddr)) {
		return nil
	}
	return refuse(ReasonInsecureTransport, nil)
}

func overTLS(state *tls.ConnectionState) bool { return state != nil }

func fromLoopback(remoteAddr string) bool {
	host, _, err := net.SplitHostPort(remoteAddr)
	return err == nil && weburl.IsLoopbackAddress(host)
}

// checkBrowser refuses requests of web pages: code in a browser cannot keep a secret (RFC
// 6749 section 2.1). It ignores Sec-Fetch-Mode, which servers send too.
func (p Policy) checkBrowser(r *http.Request) error {
	origin, hasOrigin := r.Header["Origin"]
	fromPage := slices.ContainsFunc(r.Header["Sec-Fetch-Site"], func(site string) bool { return site != "none" })
	if !hasOrigin && !fromPage {
		return nil
	}
	if len(origin) == 1 && p.allowsOrigin(origin[0]) {
		return nil
	}
	return refuse(ReasonBrowser, nil)
}

func (p Policy) allowsOrigin(origin string) bool {
	return slices.Contains(p.BrowserOrigins, origin) || slices.Contains(p.BrowserOrigins, "*")
}

// urlParameters are parameters that a client may try to send in the URL. They would appear
// in logs there (RFC 6749 section 2.3.1).
var urlParameters = []string{
	"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "resource",
	"token", "token_type_hint", "tokenTypeHint", "grantType", "clientId", "clientSecret", "clientAssertion", "clientAssertionType",
}

// checkQuery refuses parameters in the URL. They are never read, and the error says so.
func checkQuery(r *http.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refuse(ReasonParameterInURL, nil).saying("the query of the URL is malformed; parameters belong in the body")
	}
	for name := range query {
		if slices.ContainsFunc(urlParameters, func(p string) bool { return strings.EqualFold(p, name) }) {
			return refuse(ReasonParameterInURL, nil)
		}
	}
	return nil
}
