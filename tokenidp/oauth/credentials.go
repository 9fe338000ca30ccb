package oauth

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// Method is the name of a client authentication method (RFC 7591 section 2).
type Method string

const (
	// ClientSecretBasic is HTTP Basic (RFC 6749 section 2.3.1).
	ClientSecretBasic Method = application.AuthMethodBasic
	// ClientSecretPost is client_id and client_secret in the body (RFC 6749
	// section 2.3.1).
	ClientSecretPost Method = application.AuthMethodPost
	// PrivateKeyJWT is an assertion that the client has signed (RFC 7523 section 2.2), or
	// a token of a trusted issuer (RFC 7521 section 4.2).
	PrivateKeyJWT Method = application.AuthMethodPrivateKeyJWT
	// TLSClientAuth is a certificate of a CA with a registered name (RFC 8705 section
	// 2.1).
	TLSClientAuth Method = application.AuthMethodTLS
	// SelfSignedTLSClientAuth is a registered certificate (RFC 8705 section 2.2).
	SelfSignedTLSClientAuth Method = application.AuthMethodSelfSignedTLS
	// None means that the request has only a client_id. A client certificate of the
	// connection may authenticate it.
	None Method = "none"
)

// Methods lists the supported methods, for the metadata.
var Methods = []Method{PrivateKeyJWT, TLSClientAuth, SelfSignedTLSClientAuth, ClientSecretBasic, ClientSecretPost}

// Credentials are the unverified credentials of a request.
type Credentials struct {
	Method   Method
	ClientID string
	Secret   string
	// Assertion is the JWT of PrivateKeyJWT.
	Assertion *Assertion
	// TLS is the state of the connection, with the client's certificates. It is nil
	// without TLS.
	TLS *tls.ConnectionState
}

// nameClient reports whether the credentials name a client. A malformed assertion is
// refused later, as an assertion.
func (c *Credentials) nameClient() bool {
	return c.ClientID != "" || c.Assertion != nil && c.Assertion.malformed != nil
}

// parseCredentials returns the credentials of the one authentication method of a request
// (RFC 6749 section 2.3: a client must not use more than one).
func parseCredentials(h http.Header, params parameters) (Credentials, error) {
	fromHeader, err := parseAuthorization(h)
	if err != nil {
		return Credentials{}, err
	}
	bodyID, bodySecret := params.get("client_id"), params.get("client_secret")
	asserts := params.get("client_assertion") != "" || params.get("client_assertion_type") != ""

	switch {
	case count(fromHeader.Method != "", bodySecret != "", asserts) > 1:
		return Credentials{}, refuse(ReasonSeveralMethods, nil)
	case fromHeader.Method != "":
		if bodyID != "" && bodyID != fromHeader.ClientID {
			return Credentials{}, refuse(ReasonClientIDMismatch, nil)
		}
		return fromHeader, nil
	case asserts:
		return parseAssertion(params, bodyID)
	case bodySecret != "":
		return Credentials{Method: ClientSecretPost, ClientID: bodyID, Secret: bodySecret}, nil
	default:
		return Credentials{Method: None, ClientID: bodyID}, nil
	}
}

func count(conditions ...bool) int {
	n := 0
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}

// parseAuthorization returns the credentials in the Authorization header. Without the
// header, they are zero.
func parseAuthorization(h http.Header) (Credentials, error) {
	values := h.Values("Authorization")
	switch {
	case len(values) == 0:
		return Credentials{}, nil
	case len(values) > 1:
		return Credentials{}, refuse(ReasonSeveralMethods, nil).saying("there is more than one Authorization header")
	}
	scheme, encoded, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return Credentials{}, refuse(ReasonUnknownMethod, nil)
	}
	id, secret, err := decodeBasic(strings.TrimLeft(encoded, " "))
	if err != nil {
		return Credentials{}, refuse(ReasonMalformedBasic, nil)
	}
	return Credentials{Method: ClientSecretBasic, ClientID: id, Secret: secret}, nil
}

var errMalformedBasic = errors.New("malformed")

// decodeBasic decodes user-id and password (RFC 7617 section 2), split at the
// first colon, then form-decodes both (RFC 6749 section 2.3.1).
func decodeBasic(encoded string) (id, secret string, err error) {
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // the decoder skips line breaks
		return "", "", errMalformedBasic
	}
	user, password, ok := strings.Cut(string(decoded), ":")
	if !ok {
		return "", "", errMalformedBasic
	}
	if id, err = url.QueryUnescape(user); err != nil {
		return "", "", errMalformedBasic
	}
	if secret, err = url.QueryUnescape(password); err != nil {
		return "", "", errMalformedBasic
	}
	if id == "" || !isText(id) || !isText(secret) {
		return "", "", errMalformedBasic
	}
	return id, secret, nil
}
