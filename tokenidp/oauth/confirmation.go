package oauth

import "github.com/tokenidp/caddy-tokenidp/tokenidp/jws"

// Confirmation is what a token is bound to (RFC 7800 section 3.1): whoever presents
// it has to prove that it has the key. The members that are there must all hold.
type Confirmation struct {
	// Certificate is the thumbprint of the client's certificate (RFC 8705 section 3.1).
	Certificate string `json:"x5t#S256,omitempty"`
	// Key is the thumbprint of the key of its proofs (RFC 9449 section 6.1).
	Key string `json:"jkt,omitempty"`
}

// Confirm settles what the token of a client is bound to: nil for a bearer token. The
// certificate need not be verified, since the token is worth nothing to others either
// way. Every error is an *Error.
func Confirm(c *Client, r *TokenRequest) (*Confirmation, error) {
	if !c.Application.CertificateBound {
		return nil, nil
	}
	certificate := clientCertificate(r.Credentials.TLS)
	if certificate == nil {
		return nil, invalidRequest(ReasonCertificateRequired, "the tokens of this client are bound to its certificate, and the connection has none")
	}
	return &Confirmation{Certificate: jws.CertificateThumbprint(certificate)}, nil
}
