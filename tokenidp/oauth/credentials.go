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

// Method is a client authentication method, by its name in RFC 7591 section 2.
type Method string

const (
	// ClientSecretBasic is HTTP Basic (RFC 6749 section 2.3.1).
	ClientSecretBasic Method = application.AuthMethodBasic
	// ClientSecretPost is client_id and client_secret in the body (RFC 6749
	// section 2.3.1).
	ClientSecretPost Method = application.AuthMethodPost
	// PrivateKeyJWT is an assertion, which the client or an issuer that vouches for
	// it has signed (RFC 7521 section 4.2, RFC 7523 section 2.2).
	PrivateKeyJWT Method = application.AuthMethodPrivateKeyJWT
	// TLSClientAuth is a certificate of a CA, for a name that is registered (RFC 8705
	// section 2.1).
	TLSClientAuth Method = application.AuthMethodTLS
	// SelfSignedTLSClientAuth is a certificate that is registered itself (RFC 8705
	// section 2.2).
	SelfSignedTLSClientAuth Method = application.AuthMethodSelfSignedTLS
	// None is a client that only says who it is. Where its connection has a client
	// certificate, that may speak for it.
	None Method = "none"
)

// Methods are the methods that are offered, for the metadata.
var Methods = []Method{PrivateKeyJWT, TLSClientAuth, SelfSignedTLSClientAuth, ClientSecretBasic, ClientSecretPost}

// Credentials are what a client presented. They are unverified.
type Credentials struct {
	Method   Method
	ClientID string
	Secret   string
	// Assertion is the JWT of PrivateKeyJWT.
	Assertion *Assertion
	// TLS is the connection, with the client's certificates if it sent any; nil
	// without TLS.
	TLS *tls.ConnectionState
}

// nameClient reports whether they say who the client is. A malformed assertion is
// refused as an assertion, whoever sent it.
func (c *Credentials) nameClient() bool {
	return c.ClientID != "" || c.Assertion != nil && c.Assertion.malformed != nil
}

// parseCredentials finds the one authentication method of a request (RFC 6749
// section 2.3: a client must not use more than one).
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

// parseAuthorization reads the Authorization header. No header gives the zero
// Credentials.
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
